package format

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/ova"
	"github.com/guestkit/guestkit/vhd"
	"github.com/guestkit/guestkit/vmdk"
)

// A window is what Probe reads of a file: its first and last bytes, and the
// first volume descriptor of an optical disc.
type window struct {
	size int64
	head []byte // up to headLen bytes at 0
	disc []byte // up to 8 bytes at discOff
	tail []byte // up to tailLen bytes that end the file
}

const (
	headLen = 4096 + 512 // up to a GPT header on sectors of 4096 bytes
	discOff = 0x8000
	tailLen = vhd.MaxPadding + 512
)

func readWindow(r block.Reader) (*window, error) {
	w := &window{size: r.Size()}
	for _, part := range []struct {
		to       *[]byte
		off, len int64
	}{
		{&w.head, 0, headLen},
		{&w.disc, discOff, 8},
		{&w.tail, max(0, w.size-tailLen), tailLen},
	} {
		if part.off >= w.size {
			continue
		}
		b, err := block.ReadBytes(r, part.off, min(part.len, w.size-part.off), part.len)
		if err != nil {
			return nil, err
		}
		*part.to = b
	}
	return w, nil
}

// at returns n bytes of the head at off, or nil.
func (w *window) at(off, n int) []byte {
	if len(w.head) < off+n {
		return nil
	}
	return w.head[off : off+n]
}

// A mark tells one format, or one of its variants.
type mark struct {
	format string
	role   role
	look   func(w *window) (text string, off int64, ok bool)
}

// magic is a mark of fixed bytes near the start of the file.
func magic(format string, role role, off int, want, text string) mark {
	return mark{format, role, func(w *window) (string, int64, bool) {
		return text, int64(off), string(w.at(off, len(want))) == want
	}}
}

func marks() []mark {
	return []mark{
		{"qcow2", head, lookQcow2},
		{"qcow", head, lookQcow},
		magic("vmdk", head, 0, "KDMV", "header of a hosted sparse extent"),
		magic("vmdk", head, 0, "COWD", "header of an ESX sparse extent"),
		magic("vmdk", head, 0, "\xbe\xba\xfe\xca\x00\x00\x00\x00", "header of an seSparse extent"),
		{"vmdk", head, lookDescriptor},
		magic("vhd", head, 0, "conectix", "copy of the footer of a dynamic or differencing disk"),
		{"vhd", tail, lookVHDFooter},
		magic("vhdx", head, 0, "vhdxfile", "file type identifier"),
		magic("vdi", head, 0x40, "\x7f\x10\xda\xbe", "image signature"),
		magic("qed", head, 0, "QED\x00", "magic"),
		magic("parallels", head, 0, "WithoutFreeSpace", "magic"),
		magic("parallels", head, 0, "WithouFreSpacExt", "magic of the extended format"),
		{"dmg", tail, lookKoly},
		magic("bochs", head, 0, "Bochs Virtual HD Image\x00", "magic"),
		magic("cloop", head, 0, "#!/bin/sh\n#V2.0 Format\n", "header"),
		magic("wim", head, 0, "MSWIM\x00\x00\x00", "header"),
		magic("ewf", head, 0, "EVF\x09\x0d\x0a\xff\x00", "signature of an EnCase segment file"),
		magic("ewf", head, 0, "EVF2\x0d\x0a\x81\x00", "signature of an EnCase 7 segment file"),
		magic("aff", head, 0, "AFF10\x0d\x0a\x00", "signature"),
		magic("sparseimage", head, 0, "sprs", "signature of an Apple sparse image"),
		magic("simg", head, 0, "\x3a\xff\x26\xed", "magic of an Android sparse image"),
		magic("vma", head, 0, "VMA\x00", "magic of a Proxmox backup"),

		magic("luks", content, 0, "LUKS\xba\xbe", "LUKS header"),
		{"iso", content, lookISO},
		{"udf", content, lookUDF},
		{"raw", content, lookMBR},
		magic("raw", content, 512, "EFI PART", "GPT header"),
		magic("raw", content, 4096, "EFI PART", "GPT header on sectors of 4096 bytes"),

		magic("gz", wrapper, 0, "\x1f\x8b\x08", "header of a gzip file"),
		magic("xz", wrapper, 0, "\xfd7zXZ\x00", "header of an xz file"),
		magic("zst", wrapper, 0, "\x28\xb5\x2f\xfd", "header of a zstd frame"),
		{"bz2", wrapper, lookBzip2},
		magic("lz4", wrapper, 0, "\x04\x22\x4d\x18", "header of an lz4 frame"),
		magic("7z", wrapper, 0, "7z\xbc\xaf\x27\x1c", "signature"),
		magic("zip", wrapper, 0, "PK\x03\x04", "header of a member"),
		{"ova", head, lookOVA},
		{"ovf", head, lookOVF},
		{"tar", wrapper, lookTar},
	}
}

func qfi(w *window) (version uint32, ok bool) {
	b := w.at(0, 8)
	if b == nil || string(b[:4]) != "QFI\xfb" {
		return 0, false
	}
	return binary.BigEndian.Uint32(b[4:]), true
}

func lookQcow2(w *window) (string, int64, bool) {
	v, ok := qfi(w)
	return "magic", 0, ok && v != 1
}

func lookQcow(w *window) (string, int64, bool) {
	v, ok := qfi(w)
	return "magic of version 1", 0, ok && v == 1
}

// lookDescriptor finds a VMDK descriptor, which is text.
func lookDescriptor(w *window) (string, int64, bool) {
	return "descriptor", 0, vmdk.IsDescriptor(w.head)
}

// lookVHDFooter finds the footer that ends a VHD, and is the only mark of a
// fixed one. Any disk could end with the eight bytes of its cookie, so the
// checksum must be right. Old footers have 511 bytes, and zeros may follow.
func lookVHDFooter(w *window) (string, int64, bool) {
	for n := 512; n >= 511; n-- {
		if len(w.tail) >= n {
			if _, valid := vhd.IsFooter(w.tail[len(w.tail)-n:]); valid {
				return "footer with a valid checksum", w.size - int64(n), true
			}
		}
	}
	if at := vhd.Padded(w.tail); at >= 0 {
		return "footer with a valid checksum, and zeros behind it", w.size - int64(len(w.tail)) + at, true
	}
	return "", 0, false
}

// lookKoly finds the trailer of a UDIF disk image.
func lookKoly(w *window) (string, int64, bool) {
	t := w.tail[max(0, len(w.tail)-512):]
	ok := len(t) == 512 && string(t[:4]) == "koly" && binary.BigEndian.Uint32(t[8:]) == 512
	return "UDIF trailer", w.size - 512, ok
}

func lookISO(w *window) (string, int64, bool) {
	return "ISO 9660 volume descriptor", discOff, len(w.disc) >= 6 && string(w.disc[1:6]) == "CD001"
}

func lookUDF(w *window) (string, int64, bool) {
	return "UDF volume recognition sequence", discOff, len(w.disc) >= 6 && string(w.disc[1:6]) == "BEA01"
}

// lookMBR finds a master boot record with at least one partition. A boot sector
// of a filesystem has the same signature, and no sound partition table.
func lookMBR(w *window) (string, int64, bool) {
	b := w.at(0, 512)
	if b == nil || b[510] != 0x55 || b[511] != 0xaa {
		return "", 0, false
	}
	parts := 0
	for e := b[446:510]; len(e) > 0; e = e[16:] {
		start, n := binary.LittleEndian.Uint32(e[8:]), binary.LittleEndian.Uint32(e[12:])
		switch {
		case e[0] != 0 && e[0] != 0x80:
			return "", 0, false
		case e[4] != 0 && start != 0 && n != 0:
			parts++
		}
	}
	return "partition table of a master boot record", 446, parts > 0
}

func lookBzip2(w *window) (string, int64, bool) {
	b := w.at(0, 10)
	ok := b != nil && string(b[:3]) == "BZh" && b[3] >= '1' && b[3] <= '9' &&
		(string(b[4:]) == "1AY&SY" || string(b[4:]) == "\x17\x72\x45\x38\x50\x90")
	return "header of a bzip2 file", 0, ok
}

// tarName returns the name of the first member of a tar archive. The magic lies
// in the middle of the first block, so the checksum must be right too.
func tarName(w *window) (string, bool) {
	b := w.at(0, 512)
	if b == nil || string(b[257:262]) != "ustar" {
		return "", false
	}
	sum, want := 0, 0
	for i, c := range b {
		if i >= 148 && i < 156 {
			c = ' '
		}
		sum += int(c)
	}
	for _, c := range bytes.Trim(b[148:156], " \x00") {
		if c < '0' || c > '7' {
			return "", false
		}
		want = want*8 + int(c-'0')
	}
	name, _, _ := bytes.Cut(b[:100], []byte{0})
	return string(name), sum == want
}

func lookTar(w *window) (string, int64, bool) {
	name, ok := tarName(w)
	return "header of a tar archive", 0, ok && !strings.HasSuffix(strings.ToLower(name), ".ovf")
}

// lookOVA finds a tar archive whose first member is a descriptor, as OVF
// demands.
func lookOVA(w *window) (string, int64, bool) {
	name, ok := tarName(w)
	return "tar archive that begins with an OVF descriptor", 0, ok && strings.HasSuffix(strings.ToLower(name), ".ovf")
}

// lookOVF finds the descriptor of a package that lies beside its files.
func lookOVF(w *window) (string, int64, bool) {
	return "OVF envelope", 0, ova.IsDescriptor(w.head)
}
