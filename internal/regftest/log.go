package regftest

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
)

// The logs made here are built from the specification alone (Maxim Suhanov's, which
// was written from Windows'): no log that Windows wrote was free to be had. What
// the tests show with them is that the reader follows the specification, not that
// Windows does.

// Dirty returns a copy of a hive that looks like one whose last write was not
// finished: its sequence numbers are first and second.
func Dirty(hive []byte, first, second uint32) []byte {
	b := bytes.Clone(hive)
	put32(b[4:], first)
	put32(b[8:], second)
	Seal(b)
	return b
}

// logBase is the base block of a log for a hive.
func logBase(hive []byte, seq, fileType uint32) []byte {
	b := bytes.Clone(hive[:512])
	put32(b[4:], seq)
	put32(b[8:], seq)
	put32(b[28:], fileType)
	Seal(b)
	return b
}

// Log returns a log of the newer form. Its entries, numbered from seq, turn
// each hive into the next one.
func Log(seq uint32, hives ...[]byte) []byte {
	b := logBase(hives[0], seq, 6)
	for i := 1; i < len(hives); i++ {
		b = append(b, entry(seq, hives[i-1], hives[i])...)
		seq++
	}
	return b
}

func entry(seq uint32, from, to []byte) []byte {
	from, to = from[baseSize:], to[baseSize:]
	var refs, pages []byte
	n := uint32(0)
	for off := 0; off < len(to); off += 4096 {
		page := to[off : off+4096]
		if off < len(from) && bytes.Equal(page, from[off:off+4096]) {
			continue
		}
		refs = binary.LittleEndian.AppendUint32(refs, uint32(off))
		refs = binary.LittleEndian.AppendUint32(refs, 4096)
		pages = append(pages, page...)
		n++
	}
	e := make([]byte, 40)
	copy(e, "HvLE")
	put32(e[12:], seq)
	put32(e[16:], uint32(len(to)))
	put32(e[20:], n)
	e = slices.Concat(e, refs, pages)
	e = append(e, make([]byte, -len(e)&511)...)
	put32(e[4:], uint32(len(e)))
	SealEntry(e)
	return e
}

// SealEntry computes the hashes of a log entry again, which b begins with. Its
// size is taken as it is, up to the end of b.
func SealEntry(b []byte) {
	if len(b) < 40 {
		return
	}
	size := min(max(int64(binary.LittleEndian.Uint32(b[4:])), 40), int64(len(b)))
	put64(b[24:], Marvin32(b[40:size]))
	put64(b[32:], Marvin32(b[:32]))
}

// Marvin32 is the hash of log entries.
func Marvin32(p []byte) uint64 {
	lo, hi := uint32(0x7a4e55c5), uint32(0x82ef4d88)
	padded := append(bytes.Clone(p), 0x80)
	for len(padded)%4 != 0 {
		padded = append(padded, 0)
	}
	for i := 0; i <= len(padded); i += 4 {
		word := uint32(0) // and one of zeros at the end
		if i < len(padded) {
			word = binary.LittleEndian.Uint32(padded[i:])
		}
		lo += word
		for _, r := range [2][2]int{{20, 9}, {27, 19}} {
			hi ^= lo
			lo = bits.RotateLeft32(lo, r[0]) + hi
			hi = bits.RotateLeft32(hi, r[1])
		}
	}
	return uint64(hi)<<32 | uint64(lo)
}

// OldLog returns a log of the older form that turns one hive into another.
func OldLog(from, to []byte) []byte {
	b := logBase(to, binary.LittleEndian.Uint32(to[4:]), 1)
	bins := to[baseSize:]
	vector := make([]byte, len(bins)/512/8)
	var pages []byte
	for i := range len(bins) / 4096 {
		page := bins[i*4096 : (i+1)*4096]
		if old := baseSize + i*4096; old < len(from) && bytes.Equal(page, from[old:old+4096]) {
			continue
		}
		vector[i] = 0xff
		pages = append(pages, page...)
	}
	b = append(append(b, "DIRT"...), vector...)
	b = append(b, make([]byte, -len(b)&511)...)
	return append(b, pages...)
}
