// Package tarhead makes what archives in the format tar are written with: the
// headers of regular files, and the lengths around them. Package archive/tar
// writes a member only once its size is known, and here disks are streamed; and
// it writes no sparse files, which IsSparse finds where archives are read.
package tarhead

import (
	"archive/tar"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// BlockSize is what members begin and are filled up to, in bytes.
const BlockSize = 512

// recordSize is what GNU tar fills an archive up to.
const recordSize = 20 * BlockSize

// Padded is n with the zeros that fill up the last block.
func Padded(n int64) int64 { return n + -n&(BlockSize-1) }

// End is the size of an archive whose members have n bytes: two blocks of zeros
// end it, and whole records are written.
func End(n int64) int64 {
	end := Padded(n) + 2*BlockSize
	return end + (recordSize-end%recordSize)%recordSize
}

// The kinds of headers, by their magic and version.
const (
	ustar  = "ustar\x0000"
	oldGNU = "ustar  \x00"
)

// Ustar is a header in the format ustar. A size of 8 GiB and more has no place
// in it and makes it one of OldGNU.
func Ustar(name string, size int64, stamp time.Time) [BlockSize]byte {
	if size >= 1<<33 {
		return OldGNU(name, size, stamp)
	}
	return header(ustar, '0', name, Header{Mode: 0o644, Size: size, Time: stamp})
}

// OldGNU is a header in the format that GNU tar calls oldgnu.
func OldGNU(name string, size int64, stamp time.Time) [BlockSize]byte {
	return header(oldGNU, '0', name, Header{Mode: 0o644, Size: size, Time: stamp})
}

// A Header is the metadata of a regular file. UID and GID that need more than 21
// bits are left to the pax records.
type Header struct {
	Mode     int64
	UID, GID int
	Size     int64
	Time     time.Time
}

// WritePAX writes the headers of a sparse file: the pax records, whose "GNU.sparse.name"
// is its name, the header itself, and the map with which its content begins.
func WritePAX(w io.Writer, h Header, records map[string]string, list string) error {
	var text strings.Builder
	for _, k := range slices.Sorted(maps.Keys(records)) {
		text.WriteString(record(k, records[k]))
	}
	extended := header(ustar, 'x', "PaxHeaders.0/x", Header{Mode: 0o644, Size: int64(text.Len())})
	member := header(ustar, '0', "GNUSparseFile.0/x", h)
	b := append(extended[:], text.String()...)
	b = append(b, make([]byte, Padded(int64(len(b)))-int64(len(b)))...)
	b = append(append(b, member[:]...), list...)
	b = append(b, make([]byte, Padded(int64(len(b)))-int64(len(b)))...)
	_, err := w.Write(b)
	return err
}

// record is a pax record: its own length, a blank, key=value and a newline.
func record(key, value string) string {
	rest := " " + key + "=" + value + "\n"
	n := len(rest)
	for n != len(rest)+len(strconv.Itoa(n)) {
		n = len(rest) + len(strconv.Itoa(n))
	}
	return strconv.Itoa(n) + rest
}

// header makes a header; the name has at most 100 bytes.
func header(magic string, typ byte, name string, m Header) (h [BlockSize]byte) {
	copy(h[0:100], name)                                  // 0x000
	copy(h[100:], fmt.Sprintf("%07o\x00", m.Mode&0o7777)) // 0x064
	copy(h[108:], fmt.Sprintf("%07o\x00", small(m.UID)))  // 0x06c owner
	copy(h[116:], fmt.Sprintf("%07o\x00", small(m.GID)))  // 0x074 group
	if m.Size < 1<<33 {                                   // 0x07c
		copy(h[124:], fmt.Sprintf("%011o\x00", m.Size))
	} else {
		h[124] = 0x80
		binary.BigEndian.PutUint64(h[128:], uint64(m.Size))
	}
	copy(h[136:], fmt.Sprintf("%011o\x00", min(max(m.Time.Unix(), 0), 1<<33-1))) // 0x088
	copy(h[148:], "        ")                                                    // 0x094 the checksum, which counts as blanks
	h[156] = typ                                                                 // 0x09c
	copy(h[257:], magic)                                                         // 0x101
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

// small is a number that the seven digits of a header hold.
func small(id int) int {
	if id < 0 || id > 0o7777777 {
		return 0
	}
	return id
}

// First is the name of the first file of an archive that begins with head, without a
// leading "./": behind folders and the headers of pax and GNU that tell about it; "" if
// head ends before.
func First(head []byte) string {
	for off := int64(0); off+BlockSize <= int64(len(head)); {
		h := head[off : off+BlockSize]
		name, _, _ := strings.Cut(string(h[:100]), "\x00")
		switch h[156] {
		case tar.TypeXHeader, tar.TypeXGlobalHeader, 'K', 'L':
			size, err := strconv.ParseInt(strings.Trim(string(h[124:136]), " \x00"), 8, 64)
			if err != nil || size < 0 || size > int64(len(head)) {
				return ""
			}
			off += BlockSize + Padded(size)
		case tar.TypeDir:
			off += BlockSize
		default:
			return strings.TrimPrefix(name, "./")
		}
	}
	return ""
}

// IsSparse reports whether a member is stored without its holes.
func IsSparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}
