package xts

import (
	"bytes"
	"crypto/aes"
	"encoding/binary"
	"encoding/hex"
	"testing"

	other "golang.org/x/crypto/xts"
)

func numbered(first uint64) func(int, *[16]byte) {
	return func(i int, iv *[16]byte) {
		*iv = [16]byte{}
		binary.LittleEndian.PutUint64(iv[:], first+uint64(i))
	}
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// TestVectors has vectors 1 to 3 of IEEE 1619-2007, annex B.
func TestVectors(t *testing.T) {
	for i, v := range []struct {
		key, plain, cipher string
		sector             uint64
	}{
		{"0000000000000000000000000000000000000000000000000000000000000000", "0000000000000000000000000000000000000000000000000000000000000000", "917cf69ebd68b2ec9b9fe9a3eadda692cd43d2f59598ed858c02c2652fbf922e", 0},
		{"1111111111111111111111111111111122222222222222222222222222222222", "4444444444444444444444444444444444444444444444444444444444444444", "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0", 0x3333333333},
		{"fffefdfcfbfaf9f8f7f6f5f4f3f2f1f022222222222222222222222222222222", "4444444444444444444444444444444444444444444444444444444444444444", "af85336b597afc1a900b2eb21ec949d292df4c047e0b21532186a5971a227a89", 0x3333333333},
	} {
		c, err := New(unhex(v.key), aes.NewCipher)
		if err != nil {
			t.Fatal(err)
		}
		b := unhex(v.cipher)
		c.Decrypt(b, len(b), numbered(v.sector))
		if !bytes.Equal(b, unhex(v.plain)) {
			t.Errorf("vector %d: %x", i+1, b)
		}
		c.Encrypt(b, len(b), numbered(v.sector))
		if !bytes.Equal(b, unhex(v.cipher)) {
			t.Errorf("vector %d, encrypted: %x", i+1, b)
		}
	}
}

// TestOther compares with golang.org/x/crypto/xts.
func TestOther(t *testing.T) {
	for _, keyLen := range []int{32, 64} {
		key := make([]byte, keyLen)
		for i := range key {
			key[i] = byte(i * 37)
		}
		c, err := New(key, aes.NewCipher)
		if err != nil {
			t.Fatal(err)
		}
		o, err := other.NewCipher(aes.NewCipher, key)
		if err != nil {
			t.Fatal(err)
		}
		for _, sector := range []int{16, 48, 512, 528, 4096, 8192 + 16} {
			plain := make([]byte, 5*sector)
			for i := range plain {
				plain[i] = byte(i * i >> 3)
			}
			enc := make([]byte, len(plain))
			for i := range 5 {
				o.Encrypt(enc[i*sector:], plain[i*sector:(i+1)*sector], 1<<40+uint64(i))
			}
			c.Decrypt(enc, sector, numbered(1<<40))
			if !bytes.Equal(enc, plain) {
				t.Errorf("a key of %d bytes, sectors of %d", keyLen, sector)
			}
		}
	}
}

func TestKeys(t *testing.T) {
	for _, n := range []int{0, 31, 33, 40} {
		if _, err := New(make([]byte, n), aes.NewCipher); err == nil {
			t.Errorf("a key of %d bytes was taken", n)
		}
	}
}

func BenchmarkDecrypt(b *testing.B) {
	for _, key := range []int{32, 64} {
		c, err := New(make([]byte, key), aes.NewCipher)
		if err != nil {
			b.Fatal(err)
		}
		o, err := other.NewCipher(aes.NewCipher, make([]byte, key))
		if err != nil {
			b.Fatal(err)
		}
		p := make([]byte, 64<<10)
		name := map[int]string{32: "AES-128", 64: "AES-256"}[key]
		for _, sector := range []int{512, 4096} {
			size := map[int]string{512: "512", 4096: "4096"}[sector]
			b.Run(name+"/"+size, func(b *testing.B) {
				b.SetBytes(int64(len(p)))
				for b.Loop() {
					c.Decrypt(p, sector, numbered(7))
				}
			})
			b.Run(name+"/"+size+"/x-crypto", func(b *testing.B) {
				b.SetBytes(int64(len(p)))
				for b.Loop() {
					for i := 0; i < len(p); i += sector {
						o.Decrypt(p[i:i+sector], p[i:i+sector], uint64(i))
					}
				}
			})
		}
	}
}
