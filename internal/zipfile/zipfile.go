// Package zipfile reads the index of a zip archive, and opens its members in place:
// those that are stored, and those that are deflated. Package archive/zip makes room
// for as many members as an archive claims, and opens no member at an offset.
//
//	member   local header, name, extra field, data (and a descriptor)
//	…
//	directory: a header for each member, with its sizes and place
//	zip64 end of the directory and its locator, where fields are too small
//	end of the directory, with a comment
//
// The source is PKWARE's APPNOTE 6.3.10. What is read: sizes beyond 4 GiB (zip64),
// data descriptors. What is refused by name: encryption, other methods, archives in
// several parts.
package zipfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/guestkit/guestkit/block"
)

const format = "zip"

// What bounds an archive.
const (
	MaxMembers   = 10000
	maxDirectory = 8 << 20 // bytes
)

// The methods that are read.
const (
	Stored   = 0
	Deflated = 8
)

// The flags of a member (4.4.4).
const (
	flagEncrypted = 1 << 0
	flagPatched   = 1 << 5
	flagStrong    = 1 << 6
)

// The signatures and sizes of headers.
const (
	localMagic     = "PK\x03\x04"
	directoryMagic = "PK\x01\x02"
	endMagic       = "PK\x05\x06"
	end64Magic     = "PK\x06\x06"
	locatorMagic   = "PK\x06\x07"
	localLen       = 30
	directoryLen   = 46
	endLen         = 22
	end64Len       = 56
	locatorLen     = 20
)

// A Member is a file of the archive.
type Member struct {
	Name   string // as it is stored
	Method uint16
	CRC    uint32
	Packed int64 // bytes in the archive
	Size   int64
	Dir    bool
	Odd    error // why its bytes cannot be had, nil if they can

	header int64 // where its local header lies
}

// IsMagic reports whether an archive begins with b.
func IsMagic(b []byte) bool { return bytes.HasPrefix(b, []byte(localMagic)) }

func bad(what string, off int64, class error, detail string, args ...any) error {
	return block.Errorf(format, what, off, class, detail, args...)
}

// Read reads the directory of the archive in r.
func Read(r block.Reader) ([]*Member, error) {
	dir, n, count, err := findDirectory(r)
	if err != nil {
		return nil, err
	}
	b, err := block.ReadBytes(r, dir, n, maxDirectory)
	if err != nil {
		return nil, block.Locate(format, "directory", dir, err)
	}
	var out []*Member
	for off := dir; len(b) > 0; {
		m, size, err := readMember(b, off)
		if err != nil {
			return nil, err
		}
		if len(out) == MaxMembers {
			return nil, bad("directory", off, block.ErrLimit, "more than %d members", MaxMembers)
		}
		out = append(out, m)
		b = b[size:]
		off += int64(size)
	}
	if count != uint64(len(out)) {
		return nil, bad("directory", dir, block.ErrCorrupt, "it has %d members, and its end says %d", len(out), count)
	}
	return out, nil
}

// findDirectory finds the end of the directory, which a comment may follow, and
// returns where the directory lies.
func findDirectory(r block.Reader) (off, n int64, count uint64, err error) {
	tailLen := min(r.Size(), endLen+math.MaxUint16)
	start := r.Size() - tailLen
	tail, err := block.ReadBytes(r, start, tailLen, endLen+math.MaxUint16)
	if err != nil {
		return 0, 0, 0, block.Locate(format, "end of the directory", start, err)
	}
	le := binary.LittleEndian
	at := len(tail) - endLen
	for ; at >= 0; at-- {
		if string(tail[at:at+4]) == endMagic && at+endLen+int(le.Uint16(tail[at+20:])) <= len(tail) {
			break
		}
	}
	if at < 0 {
		return 0, 0, 0, bad("end of the directory", r.Size(), block.ErrTruncated, "there is none: the archive ends too early")
	}
	end := tail[at:]
	where := start + int64(at)
	parts := uint32(le.Uint16(end[4:]) | le.Uint16(end[6:]))
	count, size, first := uint64(le.Uint16(end[10:])), uint64(le.Uint32(end[12:])), uint64(le.Uint32(end[16:]))
	if count == math.MaxUint16 || size == math.MaxUint32 || first == math.MaxUint32 {
		b, err := block.ReadBytes(r, where-locatorLen, locatorLen, locatorLen)
		if err != nil || string(b[:4]) != locatorMagic {
			return 0, 0, 0, bad("zip64 locator", where-locatorLen, block.ErrCorrupt, "it is not there")
		}
		where = int64(le.Uint64(b[8:]) & math.MaxInt64)
		if b, err = block.ReadBytes(r, where, end64Len, end64Len); err != nil || string(b[:4]) != end64Magic {
			return 0, 0, 0, bad("zip64 end of the directory", where, block.ErrCorrupt, "it is not there")
		}
		parts = le.Uint32(b[16:]) | le.Uint32(b[20:])
		count, size, first = le.Uint64(b[32:]), le.Uint64(b[40:]), le.Uint64(b[48:])
	}
	switch {
	case parts != 0:
		return 0, 0, 0, bad("end of the directory", where, block.ErrUnsupported, "the archive is in several parts")
	case first > uint64(where) || size > uint64(where)-first:
		return 0, 0, 0, bad("end of the directory", where, block.ErrCorrupt, "the directory of %d bytes at %#x does not lie before it", size, first)
	}
	return int64(first), int64(size), count, nil
}

// readMember reads the header at the start of b, which lies at off, and returns
// its size.
func readMember(b []byte, off int64) (*Member, int, error) {
	le := binary.LittleEndian
	if len(b) < directoryLen || string(b[:4]) != directoryMagic {
		return nil, 0, bad("directory", off, block.ErrCorrupt, "there is no header of a member")
	}
	nameLen, extraLen, commentLen := int(le.Uint16(b[28:])), int(le.Uint16(b[30:])), int(le.Uint16(b[32:]))
	size := directoryLen + nameLen + extraLen + commentLen
	if size > len(b) {
		return nil, 0, bad("directory", off, block.ErrCorrupt, "a header leads out of it")
	}
	name := string(b[directoryLen : directoryLen+nameLen])
	m := &Member{Name: name, Method: le.Uint16(b[10:]), CRC: le.Uint32(b[16:]), Dir: strings.HasSuffix(name, "/")}
	if !utf8.ValidString(name) {
		m.Name = strings.ToValidUTF8(name, "\ufffd") // of a code page that is not said
	}
	wide := [3]uint64{uint64(le.Uint32(b[24:])), uint64(le.Uint32(b[20:])), uint64(le.Uint32(b[42:]))}
	if err := widen(&wide, b[directoryLen+nameLen:directoryLen+nameLen+extraLen]); err != nil {
		return nil, 0, bad("directory", off, block.ErrCorrupt, "the zip64 field of %.80q is damaged", m.Name)
	}
	for _, v := range wide {
		if v > math.MaxInt64 {
			return nil, 0, bad("directory", off, block.ErrCorrupt, "a size or place of %.80q is %d", m.Name, v)
		}
	}
	m.Size, m.Packed, m.header = int64(wide[0]), int64(wide[1]), int64(wide[2])
	flags := le.Uint16(b[8:])
	fault := func(class error, detail string, args ...any) {
		m.Odd = block.Errorf(format, "member "+clip(m.Name), off, class, detail, args...)
	}
	switch {
	case flags&(flagEncrypted|flagStrong) != 0:
		fault(block.ErrEncrypted, "it is encrypted; unpack it first")
	case flags&flagPatched != 0:
		fault(block.ErrUnsupported, "it is a patch")
	case m.Method != Stored && m.Method != Deflated:
		fault(block.ErrUnsupported, "it is compressed by method %d%s; unpack it first", m.Method, methodName(m.Method))
	case m.Method == Stored && m.Size != m.Packed:
		fault(block.ErrCorrupt, "it is stored, and has %d bytes in the place of %d", m.Packed, m.Size)
	}
	return m, size, nil
}

// widen takes the fields that are full from the zip64 field (4.5.3): the size, the
// packed size and the place, in that order.
func widen(wide *[3]uint64, extra []byte) error {
	le := binary.LittleEndian
	var field []byte
	for len(extra) >= 4 {
		n := int(le.Uint16(extra[2:]))
		if n > len(extra)-4 {
			break // what some programs leave there is no field
		}
		if le.Uint16(extra) == 1 {
			field = extra[4 : 4+n]
			break
		}
		extra = extra[4+n:]
	}
	for i := range wide {
		if wide[i] != math.MaxUint32 {
			continue
		}
		if len(field) < 8 {
			return errors.New("short")
		}
		wide[i] = le.Uint64(field)
		field = field[8:]
	}
	return nil
}

func methodName(m uint16) string {
	switch m {
	case 9:
		return " (Deflate64)"
	case 12:
		return " (bzip2)"
	case 14:
		return " (LZMA)"
	case 93:
		return " (Zstandard)"
	case 95:
		return " (xz)"
	}
	return ""
}

func clip(name string) string {
	if len(name) > 80 {
		name = strings.ToValidUTF8(name[:80], "") + "…"
	}
	return name
}

// Data returns the bytes of a member as they lie in the archive.
func (m *Member) Data(r block.Reader) (block.Device, error) {
	if m.Odd != nil {
		return nil, m.Odd
	}
	b, err := block.ReadBytes(r, m.header, localLen, localLen)
	if err != nil {
		return nil, block.Locate(format, "local header of "+clip(m.Name), m.header, err)
	}
	if string(b[:4]) != localMagic {
		return nil, bad("local header of "+clip(m.Name), m.header, block.ErrCorrupt, "it is not there")
	}
	le := binary.LittleEndian
	off := m.header + localLen + int64(le.Uint16(b[26:])) + int64(le.Uint16(b[28:]))
	if off > r.Size() || m.Packed > r.Size()-off {
		return nil, bad("member "+clip(m.Name), off, block.ErrTruncated, "%d bytes, and the archive has %d from there", m.Packed, max(r.Size()-off, 0))
	}
	return block.Section(block.Plain(r), off, m.Packed), nil
}
