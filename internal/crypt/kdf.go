package crypt

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"hash"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/blake2b"
	"golang.org/x/crypto/blake2s"
	//lint:ignore SA1019 for disks that have it
	"golang.org/x/crypto/ripemd160"

	"github.com/guestkit/guestkit/block"
)

// hashes are those that cryptsetup and qemu name. Whirlpool, Streebog and SM3
// have no package that is kept well.
var hashes = map[string]func() hash.Hash{
	"sha1":      sha1.New,
	"sha224":    sha256.New224,
	"sha256":    sha256.New,
	"sha384":    sha512.New384,
	"sha512":    sha512.New,
	"sha3-224":  func() hash.Hash { return sha3.New224() },
	"sha3-256":  func() hash.Hash { return sha3.New256() },
	"sha3-384":  func() hash.Hash { return sha3.New384() },
	"sha3-512":  func() hash.Hash { return sha3.New512() },
	"ripemd160": ripemd160.New,
	"blake2b-512": func() hash.Hash {
		h, _ := blake2b.New512(nil) // fails for long keys alone
		return h
	},
	"blake2s-256": func() hash.Hash {
		h, _ := blake2s.New256(nil)
		return h
	},
}

func hashOf(name string) (func() hash.Hash, error) {
	if h, ok := hashes[name]; ok {
		return h, nil
	}
	return nil, fmt.Errorf("%w: hash %q", block.ErrUnsupported, name)
}

// Limits bounds what making a key of a passphrase may cost. Zero values stand
// for the defaults.
type Limits struct {
	// Memory bounds what argon2 may take, in bytes. The default is 1 GiB, the
	// most that cryptsetup uses on its own.
	Memory int64
	// Work bounds one derivation, and TotalWork all those of one volume. A unit
	// is one iteration of PBKDF2 for each hash of its result, or one pass of
	// argon2 over 1 KiB: about a microsecond. The defaults are 32 and 256
	// million.
	Work, TotalWork int64
}

func (l Limits) withDefaults() Limits {
	if l.Memory == 0 {
		l.Memory = 1 << 30
	}
	if l.Work == 0 {
		l.Work = 32e6
	}
	if l.TotalWork == 0 {
		l.TotalWork = 256e6
	}
	return l
}

// A KDF makes a key of a passphrase.
type KDF struct {
	Type       string // "pbkdf2", "argon2i" or "argon2id"
	Hash       string // of PBKDF2
	Iterations int64  // of PBKDF2; passes over the memory for argon2
	Memory     int64  // of argon2, in bytes
	Lanes      int    // of argon2
	Salt       []byte
}

// Validate checks all that does not depend on limits.
func (k *KDF) Validate() error {
	switch k.Type {
	case "pbkdf2":
		if _, err := hashOf(k.Hash); err != nil {
			return err
		}
	case "argon2i", "argon2id":
		if k.Lanes < 1 || k.Lanes > 64 {
			return fmt.Errorf("%w: %s with %d lanes", block.ErrCorrupt, k.Type, k.Lanes)
		}
		if k.Memory < 8<<10*int64(k.Lanes) || k.Memory > 4<<40 {
			return fmt.Errorf("%w: %s with %d bytes of memory", block.ErrCorrupt, k.Type, k.Memory)
		}
	default:
		return fmt.Errorf("%w: key derivation %q", block.ErrUnsupported, k.Type)
	}
	if k.Iterations < 1 || k.Iterations > 1<<32-1 {
		return fmt.Errorf("%w: %s of %d iterations", block.ErrCorrupt, k.Type, k.Iterations)
	}
	if len(k.Salt) == 0 || len(k.Salt) > 4096 {
		return fmt.Errorf("%w: %s with a salt of %d bytes", block.ErrCorrupt, k.Type, len(k.Salt))
	}
	return nil
}

// Work returns what a key of n bytes costs, in the units of Limits.
func (k *KDF) Work(n int) int64 {
	if k.Type != "pbkdf2" {
		return k.Iterations * (k.Memory >> 10)
	}
	h, err := hashOf(k.Hash)
	if err != nil {
		return 0
	}
	size := h().Size()
	return k.Iterations * int64((n+size-1)/size)
}

// String says what the function costs: "argon2id, 4 passes over 1024 MiB".
func (k *KDF) String() string {
	if k.Type == "pbkdf2" {
		return fmt.Sprintf("pbkdf2 of %s, %d iterations", k.Hash, k.Iterations)
	}
	if k.Memory < 1<<20 {
		return fmt.Sprintf("%s, %d passes over %d KiB", k.Type, k.Iterations, k.Memory>>10)
	}
	return fmt.Sprintf("%s, %d passes over %d MiB", k.Type, k.Iterations, k.Memory>>20)
}

// A Budget holds one volume to its Limits. It is not safe for concurrent use.
type Budget struct {
	lim  Limits
	used int64
}

// NewBudget makes a Budget of which nothing is used.
func NewBudget(l Limits) *Budget { return &Budget{lim: l.withDefaults()} }

// Check returns an error of class block.ErrLimit that names the cost if k may
// not make a key of n bytes.
func (b *Budget) Check(k *KDF, n int) error {
	switch work := k.Work(n); {
	case k.Type != "pbkdf2" && k.Memory > b.lim.Memory:
		return fmt.Errorf("%w: %s, more than the %d MiB that are allowed", block.ErrLimit, k, b.lim.Memory>>20)
	case work > b.lim.Work:
		return fmt.Errorf("%w: %s, which is %d million steps, more than the %d million that are allowed", block.ErrLimit, k, work/1e6, b.lim.Work/1e6)
	case work > b.lim.TotalWork-b.used:
		return fmt.Errorf("%w: %s, and %d million steps were spent on keys of this volume; %d million are allowed", block.ErrLimit, k, b.used/1e6, b.lim.TotalWork/1e6)
	}
	return nil
}

// Derive makes a key of n bytes of a passphrase, within the Budget. It stops
// early when ctx is done, but not within argon2.
func (b *Budget) Derive(ctx context.Context, k *KDF, passphrase []byte, n int) ([]byte, error) {
	if err := k.Validate(); err != nil {
		return nil, err
	}
	if err := b.Check(k, n); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b.used += k.Work(n)
	switch k.Type {
	case "argon2i":
		return argon2.Key(passphrase, k.Salt, uint32(k.Iterations), uint32(k.Memory>>10), uint8(k.Lanes), uint32(n)), nil
	case "argon2id":
		return argon2.IDKey(passphrase, k.Salt, uint32(k.Iterations), uint32(k.Memory>>10), uint8(k.Lanes), uint32(n)), nil
	}
	h, err := hashOf(k.Hash)
	if err != nil {
		return nil, err
	}
	return pbkdf2(ctx, h, passphrase, k.Salt, int(k.Iterations), n)
}

// pbkdf2 is that of RFC 8018. The standard library's cannot be stopped.
func pbkdf2(ctx context.Context, h func() hash.Hash, passphrase, salt []byte, iterations, n int) ([]byte, error) {
	mac := hmac.New(h, passphrase)
	size := mac.Size()
	out := make([]byte, 0, n+size)
	u := make([]byte, 0, size)
	for i := uint32(1); len(out) < n; i++ {
		mac.Reset()
		mac.Write(salt)
		mac.Write(binary.BigEndian.AppendUint32(nil, i))
		at := len(out)
		out = mac.Sum(out)
		t := out[at:]
		u = append(u[:0], t...)
		for j := 1; j < iterations; j++ {
			if j%(1<<16) == 0 && ctx.Err() != nil {
				return nil, ctx.Err()
			}
			mac.Reset()
			mac.Write(u)
			u = mac.Sum(u[:0])
			for k := range t {
				t[k] ^= u[k]
			}
		}
	}
	clear(u)
	clear(out[n:])
	return out[:n], nil
}
