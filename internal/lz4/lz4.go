// Package lz4 decodes blocks of LZ4 (lz4_Block_format.md of the LZ4 project),
// which squashfs and EROFS hold without a frame.
package lz4

import "errors"

// ErrCorrupt is what damaged input fails with.
var ErrCorrupt = errors.New("what LZ4 has compressed is damaged")

// Decode decodes src into dst and returns how many bytes of dst it has filled
// and how many of src it has used. It ends where src does, or once dst is full:
// what follows then in src is the caller's to judge.
func Decode(dst, src []byte) (n, used int, err error) {
	out, in := 0, 0
	for in < len(src) {
		token := src[in]
		in++
		count := int(token >> 4)
		if count == 15 {
			if count, in, err = length(src, in, len(dst)); err != nil {
				return out, in, err
			}
		}
		if count > 0 {
			count = min(count, len(dst)-out)
			if count > len(src)-in {
				return out, in, ErrCorrupt
			}
			if count <= 16 && len(src)-in >= 16 && len(dst)-out >= 16 {
				copy(dst[out:out+16], src[in:in+16]) // of a fixed length: two moves
			} else {
				copy(dst[out:out+count], src[in:in+count])
			}
			out += count
			in += count
		}
		if in == len(src) || out == len(dst) {
			break // the last sequence has no match
		}
		if len(src)-in < 2 {
			return out, in, ErrCorrupt
		}
		dist := int(src[in]) | int(src[in+1])<<8
		in += 2
		if dist == 0 || dist > out {
			return out, in, ErrCorrupt
		}
		count = int(token & 15)
		if count == 15 {
			if count, in, err = length(src, in, len(dst)); err != nil {
				return out, in, err
			}
		}
		count = min(count+4, len(dst)-out)
		from, end := out-dist, out+count
		if dist >= 16 && count <= 16 && len(dst)-out >= 16 {
			copy(dst[out:out+16], dst[from:from+16])
			out = end
			continue
		}
		for out < end { // what it copies may be what it has just written
			out += copy(dst[out:end], dst[from:out])
		}
	}
	return out, in, nil
}

// length adds up the bytes of a length of 15 or more. None that counts is much
// larger than most.
func length(src []byte, in, most int) (int, int, error) {
	for n := 15; in < len(src); {
		c := int(src[in])
		in++
		if n += c; c < 255 {
			return n, in, nil
		}
		if n > most+255 {
			n = most + 15 // dst is full before that: only the end of the count is looked for
		}
	}
	return 0, in, ErrCorrupt
}
