// Package xts decrypts and encrypts sectors by XTS (IEEE 1619), many of them in
// one call.
//
// What is fast about it: each sector is XORed with its tweaks in one pass before
// the cipher and in one behind it (crypto/subtle does that with vectors), so that
// the calls of the cipher between them depend on nothing and overlap in the
// processor. Of the time that is left, most goes to those calls, one for every
// 16 bytes: crypto/aes has no call for several blocks.
package xts

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
)

const blockSize = 16

// chunk is how many bytes get their tweaks at once: few enough to stay in the
// fastest cache with the data.
const chunk = 512

// A Cipher holds both keys. It is safe for concurrent use.
type Cipher struct {
	data, tweak cipher.Block
}

// New makes a Cipher of a key that is two keys of equal length: that for the
// data, and that for the tweaks.
func New(key []byte, block func([]byte) (cipher.Block, error)) (*Cipher, error) {
	if len(key)%2 != 0 {
		return nil, fmt.Errorf("xts: a key of %d bytes", len(key))
	}
	data, err := block(key[:len(key)/2])
	if err != nil {
		return nil, err
	}
	tweak, err := block(key[len(key)/2:])
	if err != nil {
		return nil, err
	}
	if data.BlockSize() != blockSize {
		return nil, fmt.Errorf("xts: a cipher with blocks of %d bytes", data.BlockSize())
	}
	return &Cipher{data, tweak}, nil
}

// Decrypt decrypts p in place. It is a run of sectors of the given size, a
// multiple of 16 that divides its length; iv gives the number of the i-th
// sector, little-endian.
func (c *Cipher) Decrypt(p []byte, sector int, iv func(i int, iv *[16]byte)) {
	c.crypt(p, sector, iv, false)
}

// Encrypt is the reverse of Decrypt.
func (c *Cipher) Encrypt(p []byte, sector int, iv func(i int, iv *[16]byte)) {
	c.crypt(p, sector, iv, true)
}

func (c *Cipher) crypt(p []byte, sector int, iv func(int, *[16]byte), encrypt bool) {
	t := new([blockSize]byte)
	var tweaks [chunk]byte
	data := c.data
	for i := 0; len(p) >= sector; i++ {
		s := p[:sector]
		p = p[sector:]
		iv(i, t)
		c.tweak.Encrypt(t[:], t[:])
		lo, hi := binary.LittleEndian.Uint64(t[:8]), binary.LittleEndian.Uint64(t[8:])
		for len(s) > 0 {
			n := min(len(s), chunk)
			part, w := s[:n], tweaks[:n]
			s = s[n:]
			for at := 0; at+blockSize <= n; at += blockSize {
				b := w[at : at+blockSize]
				binary.LittleEndian.PutUint64(b[:8], lo)
				binary.LittleEndian.PutUint64(b[8:16], hi)
				// Multiply by x in GF(2^128) modulo x^128 + x^7 + x^2 + x + 1.
				carry := uint64(int64(hi)>>63) & 0x87
				hi = hi<<1 | lo>>63
				lo = lo<<1 ^ carry
			}
			subtle.XORBytes(part, part, w)
			if encrypt {
				for b := part; len(b) >= blockSize; b = b[blockSize:] {
					data.Encrypt(b, b)
				}
			} else {
				for b := part; len(b) >= blockSize; b = b[blockSize:] {
					data.Decrypt(b, b)
				}
			}
			subtle.XORBytes(part, part, w)
		}
	}
}
