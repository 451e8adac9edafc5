package crypt

import (
	"crypto/subtle"
	"encoding/binary"
	"hash"
)

// MergeAF undoes the anti-forensic splitter of LUKS: p holds stripes of n bytes
// each, of which all are needed for the n bytes of the key. It uses p as
// working space. The hash has been checked by HashSize.
func MergeAF(p []byte, n, stripes int, hashName string) ([]byte, error) {
	h, err := hashOf(hashName)
	if err != nil {
		return nil, err
	}
	key := make([]byte, n)
	sum := h()
	for i := range stripes {
		subtle.XORBytes(key, key, p[i*n:(i+1)*n])
		if i < stripes-1 {
			diffuse(key, sum)
		}
	}
	return key, nil
}

// diffuse hashes every part of b, of the size of the hash, behind its number.
func diffuse(b []byte, h hash.Hash) {
	var sum [64]byte
	for i := uint32(0); len(b) > 0; i++ {
		n := min(len(b), h.Size())
		h.Reset()
		h.Write(binary.BigEndian.AppendUint32(sum[:0], i))
		h.Write(b[:n])
		copy(b[:n], h.Sum(sum[:0]))
		b = b[n:]
	}
}

// KnownHash reports an error of class block.ErrUnsupported for the name of a
// hash that is not known.
func KnownHash(name string) error {
	_, err := hashOf(name)
	return err
}
