// Package lznt1 decodes LZNT1 ([MS-XCA] 2.5), the compression of NTFS files.
//
//	unit    = chunk … [0x0000]
//	chunk   = header (u16: size of data less 1 in 12 bits, 3 in the next 3,
//	          compressed in bit 15), data
//	data    = group … | 4,096 bytes
//	group   = flags (u8, the lowest bit first), then for each flag
//	          0: a literal byte, 1: a pair (u16) of distance and length
//
// Every chunk stands for 4,096 bytes and refers to none before it. How many
// bits of a pair are the length depends on how much of the chunk is decoded.
package lznt1

import (
	"encoding/binary"
	"errors"
)

const chunkSize = 4096

// ErrCorrupt is returned for input that no encoder makes.
var ErrCorrupt = errors.New("invalid LZNT1 data")

// Decode fills dst from src. What the chunks of src do not reach is zero; what
// follows the chunk that completes dst is ignored, since the clusters that
// hold a unit end with whatever was there.
func Decode(dst, src []byte) error {
	for len(dst) > 0 && len(src) >= 2 {
		header := binary.LittleEndian.Uint16(src)
		if header == 0 {
			break
		}
		n := int(header&0xFFF) + 1
		if header>>12&7 != 3 || n > len(src)-2 {
			return ErrCorrupt
		}
		data := src[2 : 2+n]
		src = src[2+n:]
		out := dst[:min(chunkSize, len(dst))]
		dst = dst[len(out):]
		done := 0
		if header&0x8000 != 0 {
			var err error
			if done, err = chunk(out, data); err != nil {
				return err
			}
		} else {
			if len(data) > len(out) {
				return ErrCorrupt
			}
			done = copy(out, data)
		}
		clear(out[done:])
	}
	clear(dst)
	return nil
}

// chunk decodes one compressed chunk and returns how many bytes it holds.
func chunk(dst, src []byte) (int, error) {
	pos := 0
	lengthBits, limit := uint(12), 16 // the length has so many bits while pos <= limit
	for len(src) > 0 {
		flags := src[0]
		src = src[1:]
		if flags == 0 && len(src) >= 8 && len(dst)-pos >= 8 {
			pos += copy(dst[pos:], src[:8])
			src = src[8:]
			continue
		}
		for range 8 {
			if len(src) == 0 {
				return pos, nil
			}
			if flags&1 == 0 {
				if pos == len(dst) {
					return 0, ErrCorrupt
				}
				dst[pos] = src[0]
				pos++
				src = src[1:]
			} else {
				if len(src) < 2 {
					return 0, ErrCorrupt
				}
				pair := int(binary.LittleEndian.Uint16(src))
				src = src[2:]
				for pos > limit {
					limit <<= 1
					lengthBits--
				}
				distance, n := pair>>lengthBits+1, pair&(1<<lengthBits-1)+3
				if distance > pos || n > len(dst)-pos {
					return 0, ErrCorrupt
				}
				repeat(dst[pos:pos+n], dst[:pos], distance)
				pos += n
			}
			flags >>= 1
		}
	}
	return pos, nil
}

// repeat fills dst, which follows before, with the bytes distance back.
func repeat(dst, before []byte, distance int) {
	all := before[len(before)-distance : len(before)+len(dst)]
	if distance >= len(dst) {
		copy(all[distance:], all)
		return
	}
	for i := distance; i < len(all); {
		i += copy(all[i:], all[:i])
	}
}
