// Package tarhead makes what archives in the format tar are written with: the
// headers of regular files, and the lengths around them. Package archive/tar
// writes a member only once its size is known, and here disks are streamed.
package tarhead

import (
	"encoding/binary"
	"fmt"
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
	return header(ustar, name, size, stamp)
}

// OldGNU is a header in the format that GNU tar calls oldgnu.
func OldGNU(name string, size int64, stamp time.Time) [BlockSize]byte {
	return header(oldGNU, name, size, stamp)
}

// header makes a header; the name has at most 100 bytes.
func header(magic, name string, size int64, stamp time.Time) (h [BlockSize]byte) {
	copy(h[0:100], name)         // 0x000
	copy(h[100:], "0000644\x00") // 0x064 mode
	copy(h[108:], "0000000\x00") // 0x06c owner
	copy(h[116:], "0000000\x00") // 0x074 group
	if size < 1<<33 {            // 0x07c
		copy(h[124:], fmt.Sprintf("%011o\x00", size))
	} else {
		h[124] = 0x80
		binary.BigEndian.PutUint64(h[128:], uint64(size))
	}
	copy(h[136:], fmt.Sprintf("%011o\x00", max(stamp.Unix(), 0))) // 0x088
	copy(h[148:], "        ")                                     // 0x094 the checksum, which counts as blanks
	h[156] = '0'                                                  // 0x09c a regular file
	copy(h[257:], magic)                                          // 0x101
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}
