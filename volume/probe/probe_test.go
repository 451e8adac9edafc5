package probe_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs"
	"github.com/guestkit/guestkit/volume/probe"
)

// A craft is an image with a signature that is written by hand.
type craft struct {
	name string
	size int
	puts map[int]string
	want probe.Found
	// notBlkid keeps blkid from being asked: the bytes are less than it wants.
	notBlkid bool
}

func (c craft) image() []byte {
	n := c.size
	if n == 0 {
		n = 4 << 20
	}
	b := make([]byte, n)
	b[n/2] = 1
	for off, s := range c.puts {
		copy(b[off:], s)
	}
	return b
}

func le32(n uint32) string { return string(binary.LittleEndian.AppendUint32(nil, n)) }
func le64(n uint64) string { return string(binary.LittleEndian.AppendUint64(nil, n)) }

const (
	id     = "\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef"
	idText = "01234567-89ab-cdef-0123-456789abcdef"
)

func crafted() []craft {
	const pv = "abcdefABCDEF0123456789abcdefABCD"
	md1 := func(at, version int) map[int]string {
		return map[int]string{at: le32(0xA92B4EFC) + le32(1), at + 16: id + "host:0", at + 144: le64(uint64(at / 512)), at + 216: "\x00"}
	}
	member := func(typ, version string) probe.Found {
		return probe.Found{Type: typ, Kind: probe.Member, Version: version}
	}
	return []craft{
		{"LVM2", 0, map[int]string{512: "LABELONE" + le64(1), 512 + 20: le32(32) + "LVM2 001" + pv}, probe.Found{Type: "LVM2_member", Kind: probe.Member, Version: "LVM2 001", UUID: "abcdef-ABCD-EF01-2345-6789-abcd-efABCD"}, true},
		{"md 1.0", 0, md1(4<<20-8<<10, 0), probe.Found{Type: "linux_raid_member", Kind: probe.Member, Version: "1.0", UUID: idText, Label: "host:0"}, true},
		{"md 1.1", 0, md1(0, 1), probe.Found{Type: "linux_raid_member", Kind: probe.Member, Version: "1.1", UUID: idText, Label: "host:0"}, false},
		{"md 1.2", 0, md1(4096, 2), probe.Found{Type: "linux_raid_member", Kind: probe.Member, Version: "1.2", UUID: idText, Label: "host:0"}, true},
		{"md 0.90", 0, map[int]string{4<<20 - 64<<10: le32(0xA92B4EFC) + le32(0) + le32(90) + le32(0), 4<<20 - 64<<10 + 20: le32(0x01234567), 4<<20 - 64<<10 + 52: le32(0x89abcdef) + le32(0x01234567) + le32(0x89abcdef)},
			probe.Found{Type: "linux_raid_member", Kind: probe.Member, Version: "0.90.0", UUID: idText}, false},
		{"BitLocker", 0, map[int]string{0: "\xEB\x58\x90-FVE-FS-"}, probe.Found{Type: "BitLocker", Kind: probe.Encrypted}, true},
		{"ReFS", 0, map[int]string{0: "\x00\x00\x00ReFS\x00"}, probe.Found{Type: "ReFS", Kind: probe.Filesystem}, false},
		{"VMFS member", 0, map[int]string{1 << 20: "\x0D\xD0\x01\xC0"}, member("VMFS_volume_member", "0"), false},
		{"VMFS", 0, map[int]string{2 << 20: "\x5E\xF1\xAB\x2F"}, probe.Found{Type: "VMFS", Kind: probe.Filesystem, Version: "0"}, false},
		{"Oracle ASM", 0, map[int]string{32: "ORCLDISK", 40: "DATA1"}, probe.Found{Type: "oracleasm", Kind: probe.Member, Label: "DATA1"}, true},
		{"DRBD", 0, map[int]string{4<<20 - 4096 + 60: "\x83\x74\x02\x6B"}, member("drbd", "v08"), false},
		{"ZFS", 0, map[int]string{132 << 10: le64(0x00BAB10C), 133 << 10: le64(0x00BAB10C), 134 << 10: le64(0x00BAB10C), 135 << 10: le64(0x00BAB10C)}, member("zfs_member", "0"), true},
		{"f2fs", 0, map[int]string{1024: "\x10\x20\xF5\xF2\x01\x00\x0E\x00", 1024 + 108: id + "f\x00l\x00a\x00s\x00h\x00"}, probe.Found{Type: "f2fs", Kind: probe.Filesystem, Version: "1.14", UUID: idText, Label: "flash"}, false},
		{"jfs", 0, map[int]string{32 << 10: "JFS1", 32<<10 + 136: id + "journal"}, probe.Found{Type: "jfs", Kind: probe.Filesystem, UUID: idText, Label: "journal"}, true},
		{"reiserfs", 0, map[int]string{64<<10 + 52: "ReIsEr2Fs", 64<<10 + 84: id + "reiser"}, probe.Found{Type: "reiserfs", Kind: probe.Filesystem, Version: "3.6", UUID: idText, Label: "reiser"}, true},
		{"bcachefs", 0, map[int]string{4096 + 24: "\xC6\x85\x73\xF6\x66\xCE\x90\xA9\xD9\x6A\x60\xCF\x80\x3D\xF7\xEF", 4096 + 56: id, 4096 + 72: "bc"}, probe.Found{Type: "bcachefs", Kind: probe.Filesystem, UUID: idText, Label: "bc"}, true},
		{"nilfs2", 0, map[int]string{1024: "\x02\x00\x00\x00\x00\x00\x34\x34\x18\x01", 1024 + 152: id + "nil"}, probe.Found{Type: "nilfs2", Kind: probe.Filesystem, UUID: idText, Label: "nil"}, true},
		{"apfs", 0, map[int]string{32: "NXSB", 72: id}, probe.Found{Type: "apfs", Kind: probe.Filesystem, UUID: idText}, true},
		{"hfsplus", 0, map[int]string{1024: "H+\x00\x04", 1024 + 104: id[:8]}, probe.Found{Type: "hfsplus", Kind: probe.Filesystem, UUID: "47d80fb9-4ed8-3c4e-9b84-3a3ae9d1c1b1"}, true},
		{"hibernated", 0, map[int]string{4096 - 10: "S1SUSPEND\x00", 1024: le32(1), 1036: id}, probe.Found{Type: "swsuspend", Kind: probe.Swap, UUID: idText}, false},
		{"swap of SPARC", 0, map[int]string{8192 - 10: "SWAPSPACE2", 1024: "\x00\x00\x00\x01", 1036: id}, probe.Found{Type: "swap", Kind: probe.Swap, Version: "1", UUID: idText}, true},
		{"bcache", 0, map[int]string{4096 + 24: "\xC6\x85\x73\xF6\x4E\x1A\x45\xCA\x82\x65\xF5\x7F\x48\xBA\x6D\x81", 4096 + 40: id}, probe.Found{Type: "bcache", Kind: probe.Member, UUID: idText}, true},
	}
}

func TestProbe(t *testing.T) {
	for _, c := range crafted() {
		f, err := probe.Volume(bytes.NewReader(c.image()))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if j := (*fs.Options)(nil).Judge(f); j.Supported || j.Reason == "" {
			t.Errorf("%s: supported %v, %q", c.name, j.Supported, j.Reason)
		}
		f.Off, f.Reason = 0, ""
		if c.name == "hfsplus" {
			f.UUID, c.want.UUID = strings.ToLower(f.UUID)[14:15], "3" // a UUID of version 3
		}
		if f != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, f, c.want)
		}
		_, err = fs.Open(bytes.NewReader(c.image()), nil)
		class := block.ErrUnsupported
		if f.Kind == probe.Encrypted {
			class = block.ErrEncrypted
		}
		if !errors.Is(err, class) || !strings.Contains(err.Error(), f.Type) {
			t.Errorf("%s: open: %v", c.name, err)
		}
	}
}

func TestNothing(t *testing.T) {
	big := make([]byte, 8<<20)
	tail := bytes.Clone(big)
	tail[len(tail)-1] = 1
	middle := bytes.Clone(big)
	middle[4<<20] = 1
	for _, c := range []struct {
		name   string
		b      []byte
		kind   probe.Kind
		reason string
	}{
		{"no bytes", nil, probe.Empty, "it has no bytes"},
		{"small and zero", make([]byte, 100), probe.Empty, "all of it is zeros"},
		{"zero", big, probe.Empty, "the first 1024 KiB and the last 128 KiB are zeros"},
		{"zero but for the middle", middle, probe.Empty, "the first 1024 KiB and the last 128 KiB are zeros"},
		{"the last byte", tail, probe.Unknown, "no known signature"},
		{"a RAID superblock that says it lies elsewhere", craft{puts: map[int]string{4096: le32(0xA92B4EFC) + le32(1), 4096 + 144: le64(0)}}.image(), probe.Unknown, "no known signature"},
		{"a second LUKS2 header that nothing confirms", craft{puts: map[int]string{16 << 10: "SKUL\xBA\xBE\x00\x02"}}.image(), probe.Unknown, "no known signature"},
		{"text", []byte("hello"), probe.Unknown, "no known signature"},
	} {
		f, err := probe.Volume(bytes.NewReader(c.b))
		if err != nil || f != (probe.Found{Kind: c.kind, Reason: c.reason}) {
			t.Errorf("%s: %+v, %v", c.name, f, err)
		}
		if _, err := fs.Open(bytes.NewReader(c.b), nil); !errors.Is(err, block.ErrFormat) {
			t.Errorf("%s: open: %v", c.name, err)
		}
	}
}

func TestAmbiguous(t *testing.T) {
	both := craft{puts: map[int]string{32 << 10: "JFS1", 1024: "\x10\x20\xF5\xF2"}}.image()
	f, err := probe.Volume(bytes.NewReader(both))
	if err != nil || f.Kind != probe.Ambiguous || f.Reason != "several signatures hold: f2fs at 0x400, jfs at 0x8000" {
		t.Errorf("%+v, %v", f, err)
	}
	if _, err := fs.Open(bytes.NewReader(both), nil); !errors.Is(err, block.ErrAmbiguous) {
		t.Error(err)
	}
	if _, err := fs.Open(bytes.NewReader(both), &fs.Options{Type: "jfs"}); !errors.Is(err, block.ErrUnsupported) {
		t.Error(err)
	}
	if _, err := fs.Open(bytes.NewReader(both), &fs.Options{Type: "ext4"}); err == nil {
		t.Error("a volume that is no ext4 was opened as one")
	}
	// What lies outside wins: the member of an array, not the filesystem on it.
	inside := craft{puts: map[int]string{32 << 10: "JFS1", 4096: le32(0xA92B4EFC) + le32(1), 4096 + 144: le64(8)}}.image()
	if f, err := probe.Volume(bytes.NewReader(inside)); err != nil || f.Type != "linux_raid_member" {
		t.Errorf("%+v, %v", f, err)
	}
}

// broken fails to read a range.
type broken struct {
	*bytes.Reader
	from, to int64
}

var errBroken = errors.New("broken")

func (b broken) ReadAt(p []byte, off int64) (int, error) {
	if off < b.to && off+int64(len(p)) > b.from {
		return 0, errBroken
	}
	return b.Reader.ReadAt(p, off)
}

// TestProbeErrors checks that what cannot be read is no reason to call a
// volume empty or unknown.
func TestProbeErrors(t *testing.T) {
	zeros := bytes.NewReader(make([]byte, 8<<20))
	for _, from := range []int64{0, 1 << 20, 8<<20 - 4096} {
		if f, err := probe.Volume(broken{zeros, from, from + 1}); !errors.Is(err, errBroken) {
			t.Errorf("broken at %d: %+v, %v", from, f, err)
		}
	}
	jfs := bytes.NewReader(craft{puts: map[int]string{32 << 10: "JFS1"}}.image())
	if f, err := probe.Volume(broken{jfs, 4<<20 - 4096, 4 << 20}); err != nil || f.Type != "jfs" {
		t.Errorf("the signature is there and the end is broken: %+v, %v", f, err)
	}
}
