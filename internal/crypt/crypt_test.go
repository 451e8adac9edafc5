package crypt

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
)

// TestSerpentBoxes holds the expressions to the tables of the specification.
func TestSerpentBoxes(t *testing.T) {
	for i, table := range []string{"3 8 f 1 a 6 5 b e d 4 2 7 0 9 c", "f c 2 7 9 0 5 a 1 b e 8 6 d 3 4", "8 6 7 9 3 c a f d 1 e 4 0 b 5 2", "0 f b 8 c 9 6 3 d 1 2 4 a 7 5 e",
		"1 f 8 3 c 0 b 6 2 5 4 a 9 e 7 d", "f 5 2 b 4 a 9 c 0 3 e 8 d 6 7 1", "7 2 c 5 8 4 6 b e 9 1 f d 3 a 0", "1 d f 0 e 8 2 b 7 4 c a 9 3 5 6"} {
		s, err := hex.DecodeString("0" + strings.ReplaceAll(table, " ", "0"))
		if err != nil {
			t.Fatal(err)
		}
		for in, out := range s {
			if got := box(serpentS[i], uint32(in)); got != uint32(out) {
				t.Errorf("S%d(%x) = %x, want %x", i, in, got, out)
			}
			if got := box(serpentInv[i], uint32(out)); got != uint32(in) {
				t.Errorf("the inverse of S%d(%x) = %x, want %x", i, out, got, in)
			}
		}
	}
}

func box(f func(a, b, c, d uint32) (uint32, uint32, uint32, uint32), n uint32) uint32 {
	a, b, c, d := f(n&1, n>>1&1, n>>2&1, n>>3&1)
	return a&1 | b&1<<1 | c&1<<2 | d&1<<3
}

func TestSerpentInverse(t *testing.T) {
	for _, n := range []int{16, 24, 32} {
		c, err := newSerpent(bytes.Repeat([]byte{7}, n))
		if err != nil {
			t.Fatal(err)
		}
		b, want := []byte("sixteen bytes it"), []byte("sixteen bytes it")
		c.Encrypt(b, b)
		if bytes.Equal(b, want) {
			t.Error("nothing was encrypted")
		}
		if c.Decrypt(b, b); !bytes.Equal(b, want) {
			t.Errorf("%d bytes: %q", n, b)
		}
	}
}

// TestPBKDF2 has vectors 2, 3 and 5 of RFC 6070.
func TestPBKDF2(t *testing.T) {
	for _, c := range []struct {
		pass, salt, want string
		n                int64
	}{
		{"password", "salt", "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957", 2},
		{"password", "salt", "4b007901b765489abead49d926f721d065a429c1", 4096},
		{"passwordPASSWORDpassword", "saltSALTsaltSALTsaltSALTsaltSALTsalt", "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038", 4096},
	} {
		want, err := hex.DecodeString(c.want)
		if err != nil {
			t.Fatal(err)
		}
		k := KDF{Type: "pbkdf2", Hash: "sha1", Iterations: c.n, Salt: []byte(c.salt)}
		got, err := NewBudget(Limits{}).Derive(context.Background(), &k, []byte(c.pass), len(want))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%x, %v, want %s", got, err, c.want)
		}
	}
}

// TestBudget refuses what costs too much before it runs.
func TestBudget(t *testing.T) {
	salt := []byte("salt")
	for _, c := range []struct {
		k     KDF
		class error
	}{
		{KDF{Type: "argon2id", Iterations: 4, Memory: 64 << 30, Lanes: 4, Salt: salt}, block.ErrLimit},
		{KDF{Type: "argon2id", Iterations: 1 << 31, Memory: 1 << 20, Lanes: 1, Salt: salt}, block.ErrLimit},
		{KDF{Type: "argon2i", Iterations: 1, Memory: 1 << 10, Lanes: 1, Salt: salt}, block.ErrCorrupt},
		{KDF{Type: "argon2i", Iterations: 1, Memory: 1 << 20, Lanes: 0, Salt: salt}, block.ErrCorrupt},
		{KDF{Type: "argon2d", Iterations: 1, Memory: 1 << 20, Lanes: 1, Salt: salt}, block.ErrUnsupported},
		{KDF{Type: "pbkdf2", Hash: "sha256", Iterations: 1<<32 - 1, Salt: salt}, block.ErrLimit},
		{KDF{Type: "pbkdf2", Hash: "sha256", Iterations: 20e6, Salt: salt}, block.ErrLimit}, // twice, for 64 bytes
		{KDF{Type: "pbkdf2", Hash: "sha256", Iterations: 0, Salt: salt}, block.ErrCorrupt},
		{KDF{Type: "pbkdf2", Hash: "whirlpool", Iterations: 1, Salt: salt}, block.ErrUnsupported},
	} {
		if _, err := NewBudget(Limits{}).Derive(context.Background(), &c.k, nil, 64); !errors.Is(err, c.class) {
			t.Errorf("%s: %v, want %v", c.k.String(), err, c.class)
		}
	}
}

func TestSpecs(t *testing.T) {
	for s, ok := range map[string]bool{
		"aes-xts-plain64": true, "aes-cbc-essiv:sha256": true, "aes-ecb": true, "twofish-xts-plain": true, "serpent-ctr-plain64": true,
		"cipher_null-ecb": true, "aes-xts-null": true,
		"": false, "aes": false, "aes-xts": false, "aes-lrw-benbi": false, "camellia-xts-plain64": false, "aes-cbc-essiv": false,
		"aes-cbc-essiv:whirlpool": false, "capi:xts(aes)-plain64": false, "aes-gcm-random": false, "aes-xts-plain128": false,
	} {
		if _, err := ParseSpec(s); (err == nil) != ok || err != nil && !errors.Is(err, block.ErrUnsupported) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	for _, c := range []struct {
		spec string
		key  int
	}{{"aes-xts-plain64", 64}, {"aes-xts-plain64", 32}, {"aes-cbc-essiv:sha256", 32}, {"serpent-xts-plain64", 64}, {"twofish-xts-plain64", 64}} {
		spec, err := ParseSpec(c.spec)
		if err != nil {
			b.Fatal(err)
		}
		cipher, err := spec.New(make([]byte, c.key), 512, 1)
		if err != nil {
			b.Fatal(err)
		}
		const size = 1 << 20
		d := NewDevice(block.Plain(bytes.NewReader(make([]byte, size))), cipher, 512, 1, []Segment{{Len: size}})
		p := make([]byte, 64<<10)
		b.Run(c.spec+"/"+map[int]string{32: "256", 64: "512"}[c.key], func(b *testing.B) {
			b.SetBytes(int64(len(p)))
			for b.Loop() {
				if _, err := d.ReadAt(p, 512); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
