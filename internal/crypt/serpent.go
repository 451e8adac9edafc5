package crypt

import (
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"math/bits"
)

// serpent is the block cipher of Anderson, Biham and Knudsen ("Serpent: A
// Proposal for the Advanced Encryption Standard", 1998) in the byte order of
// the AES submission, which the kernel and libgcrypt use.
type serpent struct {
	keys [33][4]uint32
}

func newSerpent(key []byte) (cipher.Block, error) {
	if n := len(key); n != 16 && n != 24 && n != 32 {
		return nil, fmt.Errorf("serpent: a key of %d bytes", n)
	}
	var padded [33]byte
	copy(padded[:], key)
	padded[len(key)] = 1
	var w [140]uint32 // from w[-8]
	for i := range 8 {
		w[i] = binary.LittleEndian.Uint32(padded[4*i:])
	}
	for i := 8; i < len(w); i++ {
		w[i] = bits.RotateLeft32(w[i-8]^w[i-5]^w[i-3]^w[i-1]^0x9e3779b9^uint32(i-8), 11)
	}
	s := new(serpent)
	for i := range s.keys {
		k := w[8+4*i:]
		s.keys[i][0], s.keys[i][1], s.keys[i][2], s.keys[i][3] = serpentS[(35-i)%8](k[0], k[1], k[2], k[3])
	}
	clear(w[:])
	clear(padded[:])
	return s, nil
}

func (s *serpent) BlockSize() int { return blockSize }

func (s *serpent) Encrypt(dst, src []byte) {
	a, b, c, d := load(src)
	for i := range 32 {
		k := &s.keys[i]
		a, b, c, d = serpentS[i%8](a^k[0], b^k[1], c^k[2], d^k[3])
		if i == 31 {
			break
		}
		a = bits.RotateLeft32(a, 13)
		c = bits.RotateLeft32(c, 3)
		b ^= a ^ c
		d ^= c ^ a<<3
		b = bits.RotateLeft32(b, 1)
		d = bits.RotateLeft32(d, 7)
		a ^= b ^ d
		c ^= d ^ b<<7
		a = bits.RotateLeft32(a, 5)
		c = bits.RotateLeft32(c, 22)
	}
	k := &s.keys[32]
	store(dst, a^k[0], b^k[1], c^k[2], d^k[3])
}

func (s *serpent) Decrypt(dst, src []byte) {
	a, b, c, d := load(src)
	k := &s.keys[32]
	a, b, c, d = a^k[0], b^k[1], c^k[2], d^k[3]
	for i := 31; i >= 0; i-- {
		if i < 31 {
			c = bits.RotateLeft32(c, -22)
			a = bits.RotateLeft32(a, -5)
			c ^= d ^ b<<7
			a ^= b ^ d
			d = bits.RotateLeft32(d, -7)
			b = bits.RotateLeft32(b, -1)
			d ^= c ^ a<<3
			b ^= a ^ c
			c = bits.RotateLeft32(c, -3)
			a = bits.RotateLeft32(a, -13)
		}
		k := &s.keys[i]
		a, b, c, d = serpentInv[i%8](a, b, c, d)
		a, b, c, d = a^k[0], b^k[1], c^k[2], d^k[3]
	}
	store(dst, a, b, c, d)
}

func load(b []byte) (uint32, uint32, uint32, uint32) {
	le := binary.LittleEndian
	return le.Uint32(b), le.Uint32(b[4:]), le.Uint32(b[8:]), le.Uint32(b[12:])
}

func store(p []byte, a, b, c, d uint32) {
	le := binary.LittleEndian
	le.PutUint32(p, a)
	le.PutUint32(p[4:], b)
	le.PutUint32(p[8:], c)
	le.PutUint32(p[12:], d)
}
