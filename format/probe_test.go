package format_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
)

// A put writes bytes at an offset, from the end if it is negative.
type put struct {
	off  int
	data string
}

func file(size int, puts ...put) []byte {
	b := make([]byte, size)
	for _, p := range puts {
		off := p.off
		if off < 0 {
			off += size
		}
		copy(b[off:], p.data)
	}
	return b
}

// vhdFooter is a footer of n bytes with a valid checksum.
func vhdFooter(n int) string {
	b := make([]byte, n)
	copy(b, "conectix\x00\x00\x00\x02")
	sum := uint32(0)
	for _, c := range b {
		sum += uint32(c)
	}
	binary.BigEndian.PutUint32(b[64:], ^sum)
	return string(b)
}

// tarHeader is the header of a tar member.
func tarHeader(name string) string {
	b := make([]byte, 512)
	copy(b, name)
	copy(b[257:], "ustar\x0000")
	copy(b[148:], "        ")
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:], []byte{'0' + byte(sum>>15&7), '0' + byte(sum>>12&7), '0' + byte(sum>>9&7), '0' + byte(sum>>6&7), '0' + byte(sum>>3&7), '0' + byte(sum&7), 0, ' '})
	return string(b)
}

var (
	mbr   = put{446, "\x80\x00\x00\x00\x83\x00\x00\x00\x00\x08\x00\x00\x00\x10\x00\x00"}
	mbr55 = put{510, "\x55\xaa"}
	qcow2 = put{0, "QFI\xfb\x00\x00\x00\x03"}
)

func TestProbe(t *testing.T) {
	for _, c := range []struct {
		name    string
		file    []byte
		want    string // the format, or "a+b" where it is ambiguous
		wrapper bool
	}{
		{"zeros", file(4096), "raw", false},
		{"one byte", []byte{1}, "raw", false},
		{"text", []byte("hello"), "raw", false},
		{"qcow2 v2", file(512, put{0, "QFI\xfb\x00\x00\x00\x02"}), "qcow2", false},
		{"qcow2 v3", file(512, qcow2), "qcow2", false},
		{"qcow2 of a version to come", file(512, put{0, "QFI\xfb\x00\x00\x00\x04"}), "qcow2", false},
		{"qcow", file(512, put{0, "QFI\xfb\x00\x00\x00\x01"}), "qcow", false},
		{"VMDK sparse", file(512, put{0, "KDMV\x01\x00\x00\x00"}), "vmdk", false},
		{"VMDK COWD", file(512, put{0, "COWD\x01\x00\x00\x00"}), "vmdk", false},
		{"VMDK seSparse", file(512, put{0, "\xbe\xba\xfe\xca\x00\x00\x00\x00\x01\x00\x02\x00"}), "vmdk", false},
		{"VMDK descriptor", []byte("# Disk DescriptorFile\nversion=1\n"), "vmdk", false},
		{"VMDK descriptor after a blank line", []byte("\r\n# disk descriptorfile\nversion=1\n"), "vmdk", false},
		{"VHD dynamic", file(4096, put{0, vhdFooter(512)}, put{-512, vhdFooter(512)}), "vhd", false},
		{"VHD dynamic with a bad checksum", file(4096, put{0, "conectix"}), "vhd", false},
		{"VHD fixed", file(4096, put{-512, vhdFooter(512)}), "vhd", false},
		{"VHD fixed with an old footer", file(4095, put{-511, vhdFooter(511)}), "vhd", false},
		{"VHD cookie with a bad checksum at the end", file(4096, put{-512, "conectix"}), "raw", false},
		{"VHD fixed of a partitioned disk", file(4096, mbr, mbr55, put{-512, vhdFooter(512)}), "vhd", false},
		{"VHD fixed of an ISO image", file(0x9000, put{0x8000, "\x01CD001"}, put{-512, vhdFooter(512)}), "vhd", false},
		{"VHD fixed of a disk that begins with qcow2", file(4096, qcow2, put{-512, vhdFooter(512)}), "qcow2+vhd", false},
		{"VHDX", file(512, put{0, "vhdxfile"}), "vhdx", false},
		{"VDI", file(512, put{0, "<<< Oracle VM VirtualBox Disk Image >>>\n"}, put{0x40, "\x7f\x10\xda\xbe"}), "vdi", false},
		{"QED", file(512, put{0, "QED\x00"}), "qed", false},
		{"Parallels", file(512, put{0, "WithoutFreeSpace"}), "parallels", false},
		{"Parallels extended", file(512, put{0, "WithouFreSpacExt"}), "parallels", false},
		{"DMG", file(4096, put{-512, "koly\x00\x00\x00\x04\x00\x00\x02\x00"}), "dmg", false},
		{"LUKS", file(4096, put{0, "LUKS\xba\xbe\x00\x02"}), "luks", false},
		{"ISO", file(0x9000, put{0x8000, "\x01CD001"}), "iso", false},
		{"hybrid ISO", file(0x9000, mbr, mbr55, put{512, "EFI PART"}, put{0x8000, "\x01CD001"}), "iso", false},
		{"UDF", file(0x9000, put{0x8000, "\x00BEA01"}), "udf", false},
		{"disk with an MBR", file(4096, mbr, mbr55), "raw", false},
		{"disk with a GPT on 4096-byte sectors", file(8192, mbr, mbr55, put{4096, "EFI PART"}), "raw", false},
		{"bochs", file(512, put{0, "Bochs Virtual HD Image"}), "bochs", false},
		{"cloop", file(512, put{0, "#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0"}), "cloop", false},
		{"WIM", file(512, put{0, "MSWIM\x00\x00\x00"}), "wim", false},
		{"EWF", file(512, put{0, "EVF\x09\x0d\x0a\xff\x00"}), "ewf", false},
		{"AFF", file(512, put{0, "AFF10\x0d\x0a\x00"}), "aff", false},
		{"gzip", file(512, put{0, "\x1f\x8b\x08\x00"}), "gz", true},
		{"xz", file(512, put{0, "\xfd7zXZ\x00"}), "xz", true},
		{"zstd", file(512, put{0, "\x28\xb5\x2f\xfd"}), "zst", true},
		{"bzip2", file(512, put{0, "BZh91AY&SY"}), "bz2", true},
		{"text that begins like bzip2", []byte("BZh9 is no header"), "raw", false},
		{"tar", file(1024, put{0, tarHeader("disk.img")}), "tar", true},
		{"OVA", file(1024, put{0, tarHeader("guest.OVF")}), "ova", false},
		{"tar with a bad checksum", file(1024, put{0, tarHeader("disk.img")}, put{0, "e"}), "raw", false},

		{"Y01: qcow2 and VDI", file(512, qcow2, put{0x40, "\x7f\x10\xda\xbe"}), "qcow2+vdi", false},
		{"Y02: qcow2 and ISO", file(0x10000, qcow2, put{0x8000, "\x01CD001"}), "qcow2+iso", false},
		{"a partitioned disk whose guest wrote a qcow2 header", file(4096, qcow2, mbr, mbr55), "qcow2+raw", false},
		{"a disk with a GPT whose guest wrote a qcow2 header", file(4096, qcow2, put{512, "EFI PART"}), "qcow2+raw", false},
		{"gzip and DMG", file(4096, put{0, "\x1f\x8b\x08\x00"}, put{-512, "koly\x00\x00\x00\x04\x00\x00\x02\x00"}), "gz+dmg", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := format.Probe(bytes.NewReader(c.file))
			candidates := strings.Split(c.want, "+")
			if len(candidates) > 1 {
				if !errors.Is(err, block.ErrAmbiguous) || got.Format != "" {
					t.Fatalf("Probe = %+v, %v; want ErrAmbiguous", got, err)
				}
				for _, f := range candidates {
					if !strings.Contains(err.Error(), f) {
						t.Errorf("%q does not name %s", err, f)
					}
				}
			} else if err != nil || got.Format != c.want || got.Wrapper != c.wrapper {
				t.Fatalf("Probe = %+v, %v; want %s", got, err, c.want)
			}
			slices.Sort(candidates)
			slices.Sort(got.Candidates)
			if !slices.Equal(got.Candidates, candidates) {
				t.Errorf("candidates %v, want %v", got.Candidates, candidates)
			}
			for _, r := range got.Reasons {
				if r.Off < 0 || r.Off >= int64(len(c.file)) || r.Text == "" || r.Format == "" {
					t.Errorf("reason %+v", r)
				}
			}
			if c.want != "raw" && len(got.Reasons) == 0 {
				t.Error("no reasons")
			}
		})
	}
}

// TestProbeEmpty is recipe Y03.
func TestProbeEmpty(t *testing.T) {
	if d, err := format.Probe(bytes.NewReader(nil)); !errors.Is(err, block.ErrCorrupt) {
		t.Errorf("Probe of nothing = %+v, %v", d, err)
	}
}

// TestOpenByProbe checks what is done with each answer of Probe.
func TestOpenByProbe(t *testing.T) {
	for _, c := range []struct {
		name   string
		file   []byte
		opts   *format.Options
		format string
		class  error
	}{
		{"raw", file(4096), nil, "raw", nil},
		{"iso", file(0x9000, put{0x8000, "\x01CD001"}), nil, "iso", nil},
		{"luks", file(4096, put{0, "LUKS\xba\xbe"}), nil, "luks", nil},
		{"luks, stated", file(4096, put{0, "LUKS\xba\xbe"}), &format.Options{Format: "luks"}, "", block.ErrUnsupported},
		{"qed", file(512, put{0, "QED\x00"}), nil, "", block.ErrCorrupt},
		{"parallels", file(512, put{0, "WithoutFreeSpace"}), nil, "", block.ErrUnsupported},
		{"gz", file(512, put{0, "\x1f\x8b\x08\x00"}), nil, "", block.ErrUnsupported},
		{"ambiguous", file(512, qcow2, put{0x40, "\x7f\x10\xda\xbe"}), nil, "", block.ErrAmbiguous},
		{"ambiguous, stated raw", file(512, qcow2, put{0x40, "\x7f\x10\xda\xbe"}), &format.Options{Format: "raw"}, "raw", nil},
		{"qcow2, stated raw", file(512, qcow2), &format.Options{Format: "raw"}, "raw", nil},
		{"raw, stated qcow2", file(512), &format.Options{Format: "qcow2"}, "", block.ErrFormat},
		{"a format that is not read", file(512), &format.Options{Format: "floppy"}, "", block.ErrUnsupported},
		{"a snapshot of a raw image", file(512), &format.Options{Snapshot: "x"}, "", block.ErrUnsupported},
		{"empty", nil, nil, "", block.ErrCorrupt},
		{"empty, stated", nil, &format.Options{Format: "raw"}, "raw", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			im, err := format.Open(bytes.NewReader(c.file), c.opts)
			if c.class != nil {
				if !errors.Is(err, c.class) {
					t.Fatalf("Open: %v, want %v", err, c.class)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			i := im.Info()
			if i.Format != c.format || i.VirtualSize != int64(len(c.file)) || i.FileSize != int64(len(c.file)) || i.Allocated != -1 {
				t.Errorf("Info = %+v", i)
			}
			if i.Stated != (c.opts != nil) {
				t.Errorf("Stated = %v", i.Stated)
			}
			got := make([]byte, len(c.file))
			if err := block.ReadFull(im, got, 0); err != nil || !bytes.Equal(got, c.file) {
				t.Errorf("the bytes differ: %v", err)
			}
		})
	}
}
