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
		{"zst", wrapper, lookSkippable},
		{"bz2", wrapper, lookBzip2},
		magic("lz4", wrapper, 0, "\x04\x22\x4d\x18", "header of an lz4 frame"),
		magic("7z", wrapper, 0, "7z\xbc\xaf\x27\x1c", "signature"),
		magic("zip", wrapper, 0, "PK\x03\x04", "header of a member"),
		magic("zip", wrapper, 0, "PK\x05\x06", "end of an empty archive"),
		magic("zip", wrapper, 0, "PK\x07\x08PK", "marker of a split archive"),
		magic("lz4", wrapper, 0, "\x02\x21\x4c\x18", "header of an old lz4 frame"),
		magic("lzo", wrapper, 0, "\x89LZO\x00\x0d\x0a\x1a\x0a", "header of an lzop file"),
		magic("lzip", wrapper, 0, "LZIP\x01", "header of a member"),
		{"lzma", wrapper, lookLZMA},
		{"compress", wrapper, lookCompress},
		magic("rar", wrapper, 0, "Rar!\x1a\x07", "signature"),
		magic("cab", wrapper, 0, "MSCF\x00\x00\x00\x00", "signature"),
		magic("xar", wrapper, 0, "xar!\x00\x1c", "signature"),
		magic("ar", wrapper, 0, "!<arch>\n", "magic"),
		{"cpio", wrapper, lookCpio},
		magic("partclone", wrapper, 0, "partclone-image", "magic"),
		magic("ntfsclone", wrapper, 0, "\x00ntfsclone-image", "magic"),
		{"elf", wrapper, alone(lookELF)},
		{"pe", wrapper, alone(lookPE)},
		{"pdf", wrapper, alone(lookPDF)},
		{"ova", head, lookOVA},
		{"xva", head, lookXVA},
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
	if b == nil || b[0] == 0 {
		return "", false
	}
	// Archives of the seventh edition have no magic; all their fields are octal
	// numbers.
	if string(b[257:262]) != "ustar" && !(octal(b[100:108]) && octal(b[108:116]) && octal(b[116:124]) && octal(b[124:136]) && octal(b[136:148])) {
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
	return "header of a tar archive", 0, ok && !strings.HasSuffix(strings.ToLower(name), ".ovf") && !ova.IsXVA(w.head)
}

// lookXVA finds a tar archive whose first member is the descriptor of XenServer.
func lookXVA(w *window) (string, int64, bool) {
	_, ok := tarName(w)
	return "tar archive that begins with the descriptor of XenServer", 0, ok && ova.IsXVA(w.head)
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

func octal(b []byte) bool {
	b = bytes.Trim(b, " \x00")
	return len(b) > 0 && len(bytes.Trim(b, "01234567")) == 0
}

// alone is a mark of files that a disk may begin with too, as hybrid ones do:
// what is a disk by its partitions or volumes is one.
func alone(look func(*window) (string, int64, bool)) func(*window) (string, int64, bool) {
	return func(w *window) (string, int64, bool) {
		text, off, ok := look(w)
		for _, disk := range []func(*window) (string, int64, bool){lookMBR, lookISO, lookUDF} {
			if _, _, is := disk(w); is {
				ok = false
			}
		}
		return text, off, ok && string(w.at(512, 8)) != "EFI PART"
	}
}

// lookSkippable finds frames that a decoder of zstd passes over, with which pzstd
// begins, and a frame behind them, or none within what is looked at.
func lookSkippable(w *window) (string, int64, bool) {
	const text = "frame of zstd to be passed over"
	for off := int64(0); ; {
		if off > 0 && off+8 > int64(len(w.head)) {
			return text, 0, off < w.size
		}
		b := w.at(int(off), 8)
		switch {
		case b == nil:
			return "", 0, false
		case string(b[1:4]) == "\x2a\x4d\x18" && b[0]&0xf0 == 0x50:
			off += 8 + int64(binary.LittleEndian.Uint32(b[4:]))
		default:
			return text, 0, off > 0 && string(b[:4]) == "\x28\xb5\x2f\xfd"
		}
	}
}

// lookLZMA finds a file of the old LZMA program: its properties as all encoders
// write them, a dictionary of 2^n or 2^n + 2^(n-1) bytes, and a size.
func lookLZMA(w *window) (string, int64, bool) {
	b := w.at(0, 14)
	if b == nil || b[0] != 0x5d || b[13] != 0 {
		return "", 0, false
	}
	dict, size := binary.LittleEndian.Uint32(b[1:]), binary.LittleEndian.Uint64(b[5:])
	rest := dict & (dict - 1)
	return "header of an LZMA file", 0, dict >= 1<<12 && (rest == 0 || rest == dict/3*2) && (size == 1<<64-1 || size < 1<<48)
}

func lookCompress(w *window) (string, int64, bool) {
	b := w.at(0, 4)
	return "header of a file of compress", 0, b != nil && b[0] == 0x1f && b[1] == 0x9d && b[2]&0x60 == 0 && b[2]&0x1f >= 9 && b[2]&0x1f <= 16
}

func lookCpio(w *window) (string, int64, bool) {
	const text = "header of a cpio archive"
	if b := w.at(0, 6); b != nil && (string(b) == "070701" || string(b) == "070702" || string(b) == "070707") {
		return text, 0, true
	}
	b := w.at(0, 26)
	if b == nil {
		return "", 0, false
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		n := int(order.Uint16(b[20:]))
		if order.Uint16(b) != 0o70707 || n < 2 || n > 1024 {
			continue
		}
		name := w.at(26, n)
		return text, 0, name != nil && bytes.IndexByte(name, 0) == n-1
	}
	return "", 0, false
}

func lookELF(w *window) (string, int64, bool) {
	b := w.at(0, 16)
	return "header of an ELF file", 0, b != nil && string(b[:4]) == "\x7fELF" && (b[4] == 1 || b[4] == 2) && (b[5] == 1 || b[5] == 2) && b[6] == 1
}

func lookPE(w *window) (string, int64, bool) {
	b := w.at(0, 64)
	if b == nil || string(b[:2]) != "MZ" {
		return "", 0, false
	}
	at := binary.LittleEndian.Uint32(b[60:])
	return "header of a Windows program", 0, at < headLen && string(w.at(int(at), 4)) == "PE\x00\x00"
}

func lookPDF(w *window) (string, int64, bool) {
	return "header of a PDF", 0, string(w.at(0, 7)) == "%PDF-1." || string(w.at(0, 7)) == "%PDF-2."
}

// lookBadFooter finds what ends like a VHD and has a wrong checksum.
func lookBadFooter(w *window) bool {
	for _, n := range []int{512, 511} {
		if len(w.tail) >= n {
			if cookie, valid := vhd.IsFooter(w.tail[len(w.tail)-n:]); cookie && !valid {
				return true
			}
		}
	}
	return false
}
