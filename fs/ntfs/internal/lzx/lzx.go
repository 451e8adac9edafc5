// Package lzx decodes LZX as WIM archives and compressed system files of
// Windows have it: chunks of 32 KiB that do not depend on each other.
//
//	chunk     = block …
//	block     = type (3 bits), size (1 bit: 32,768, else 16 bits more), then by type
//	verbatim  = main code, length code, symbols
//	aligned   = 8 lengths of 3 bits for the code of low distance bits, and the same
//	stored    = up to a border of words, three recent distances (u32), bytes
//
// The main code has 256 literals and, for each of 30 ranges of distances, 8
// lengths of a match. The lengths of both codes are sent as differences from
// those of the block before, in a code of 20 symbols.
//
// Encoders make call instructions of x86 (0xE8) absolute; Decode makes them
// relative again.
package lzx

import (
	"encoding/binary"
	"errors"

	"github.com/guestkit/guestkit/fs/ntfs/internal/prefix"
)

// ChunkSize is the most that a chunk holds, and the size of the window.
const ChunkSize = 32 << 10

// ErrCorrupt is returned for input that no encoder makes.
var ErrCorrupt = errors.New("invalid LZX data")

const (
	literals      = 256
	slots         = 30
	mainSymbols   = literals + 8*slots
	lengthSymbols = 249
	minMatch      = 2

	blockVerbatim = 1
	blockAligned  = 2
	blockStored   = 3
)

// base and extra give the first distance of a slot, plus 2, and how many bits
// follow it.
func slot(i int) (base int, extra uint) {
	if i < 4 {
		return i, 0
	}
	extra = uint(i/2 - 1)
	return (2 + i&1) << extra, extra
}

// A Decoder holds the codes of a chunk, for use by one goroutine at a time.
type Decoder struct {
	mainLengths   [mainSymbols]uint8
	lengthLengths [lengthSymbols]uint8
	main          prefix.Table
	length        prefix.Table
	aligned       prefix.Table
	pre           prefix.Table
}

// Decode fills dst, of at most ChunkSize bytes, with the content of the chunk
// src.
func (d *Decoder) Decode(dst, src []byte) error {
	if len(dst) > ChunkSize {
		return ErrCorrupt
	}
	clear(d.mainLengths[:])
	clear(d.lengthLengths[:])
	in := prefix.NewBits(src)
	recent := [3]int{1, 1, 1}
	for pos := 0; pos < len(dst); {
		typ := in.Read(3)
		size := ChunkSize
		if in.Read(1) == 0 {
			size = int(in.Read(16))
		}
		if size == 0 || size > len(dst)-pos {
			return ErrCorrupt
		}
		var err error
		part := dst[:pos+size]
		switch typ {
		case blockVerbatim, blockAligned:
			err = d.compressed(&in, part, pos, &recent, typ == blockAligned)
		case blockStored:
			err = stored(&in, part[pos:], &recent)
		default:
			err = ErrCorrupt
		}
		if err != nil {
			return err
		}
		pos += size
	}
	if in.Overrun() {
		return ErrCorrupt
	}
	calls(dst)
	return nil
}

// stored reads a block that is not compressed.
func stored(in *prefix.Bits, dst []byte, recent *[3]int) error {
	in.Align()
	head := in.Bytes(12)
	if head == nil {
		return ErrCorrupt
	}
	for i := range recent {
		r := binary.LittleEndian.Uint32(head[4*i:])
		if r == 0 || r > ChunkSize {
			return ErrCorrupt
		}
		recent[i] = int(r)
	}
	b := in.Bytes(len(dst))
	if b == nil {
		return ErrCorrupt
	}
	copy(dst, b)
	if len(dst)&1 == 1 { // padded, unless it ends the chunk
		in.Bytes(1)
	}
	return nil
}

// compressed reads a verbatim or aligned block into dst[pos:].
func (d *Decoder) compressed(in *prefix.Bits, dst []byte, pos int, recent *[3]int, aligned bool) error {
	if err := d.codes(in, aligned); err != nil {
		return err
	}
	for pos < len(dst) {
		s := in.Next(&d.main)
		if s < literals {
			if s < 0 {
				return ErrCorrupt
			}
			dst[pos] = byte(s)
			pos++
			continue
		}
		n := (s - literals) & 7
		if n == 7 {
			more := in.Next(&d.length)
			if more < 0 {
				return ErrCorrupt
			}
			n += more
		}
		distance := d.distance(in, (s-literals)>>3, recent, aligned)
		var ok bool
		if pos, ok = prefix.Copy(dst, pos, distance, n+minMatch); !ok {
			return ErrCorrupt
		}
	}
	return nil
}

// distance reads the distance of a match: a recent one, or one of its own. It
// is 0 if the code for its low bits is empty.
func (d *Decoder) distance(in *prefix.Bits, i int, recent *[3]int, aligned bool) int {
	switch i {
	case 0:
	case 1:
		recent[0], recent[1] = recent[1], recent[0]
	case 2:
		recent[0], recent[2] = recent[2], recent[0]
	default:
		base, extra := slot(i)
		distance := base - 2
		if aligned && extra >= 3 {
			distance += int(in.Read(extra-3)) << 3
			low := in.Next(&d.aligned)
			if low < 0 {
				return 0
			}
			distance += low
		} else {
			distance += int(in.Read(extra))
		}
		recent[0], recent[1], recent[2] = distance, recent[0], recent[1]
	}
	return recent[0]
}

// codes reads the codes of a block.
func (d *Decoder) codes(in *prefix.Bits, aligned bool) error {
	if aligned {
		var lengths [8]uint8
		for i := range lengths {
			lengths[i] = uint8(in.Read(3))
		}
		if d.aligned.Build(lengths[:]) != nil {
			return ErrCorrupt
		}
	}
	for _, part := range [][]uint8{d.mainLengths[:literals], d.mainLengths[literals:], d.lengthLengths[:]} {
		if err := d.lengths(in, part); err != nil {
			return err
		}
	}
	if d.main.Build(d.mainLengths[:]) != nil || d.length.Build(d.lengthLengths[:]) != nil {
		return ErrCorrupt
	}
	return nil
}

// lengths changes the codeword lengths of the last block into those of the
// next: a symbol is the difference to the old one modulo 17, or starts a run
// of zeros (17, 18) or of equal lengths (19).
func (d *Decoder) lengths(in *prefix.Bits, to []uint8) error {
	var pre [20]uint8
	for i := range pre {
		pre[i] = uint8(in.Read(4))
	}
	if d.pre.Build(pre[:]) != nil {
		return ErrCorrupt
	}
	for i := 0; i < len(to); {
		run, value := 1, uint8(0)
		switch s := in.Next(&d.pre); {
		case s < 0:
			return ErrCorrupt
		case s < 17:
			value = (to[i] + 17 - uint8(s)) % 17
		case s == 17:
			run = 4 + int(in.Read(4))
		case s == 18:
			run = 20 + int(in.Read(5))
		default:
			run = 4 + int(in.Read(1))
			s := in.Next(&d.pre)
			if s < 0 || s > 16 {
				return ErrCorrupt
			}
			value = (to[i] + 17 - uint8(s)) % 17
		}
		if run > len(to)-i {
			return ErrCorrupt
		}
		for range run {
			to[i] = value
			i++
		}
	}
	return nil
}

// callFileSize is the size of file that encoders assume when they translate
// calls, whatever it is.
const callFileSize = 12_000_000

// calls translates the targets of x86 calls back from absolute to relative.
// The last ten bytes of a chunk have none.
func calls(b []byte) {
	for i := 0; i < len(b)-10; i++ {
		if b[i] != 0xE8 {
			continue
		}
		target := int32(binary.LittleEndian.Uint32(b[i+1:]))
		switch pos := int32(i); {
		case target >= 0 && target < callFileSize:
			binary.LittleEndian.PutUint32(b[i+1:], uint32(target-pos))
		case target < 0 && target >= -pos:
			binary.LittleEndian.PutUint32(b[i+1:], uint32(target+callFileSize))
		}
		i += 4
	}
}
