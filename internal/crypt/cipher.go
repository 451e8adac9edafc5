package crypt

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"strings"

	//lint:ignore SA1019 for disks that have it
	"golang.org/x/crypto/twofish"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/xts"
)

// A Cipher decrypts runs of sectors in place. Implementations are safe for
// concurrent use.
type Cipher interface {
	// Decrypt decrypts p, a run of whole sectors. first is the number of the
	// first one, by which the others are counted.
	Decrypt(p []byte, first uint64)
}

// blockSize is that of all ciphers here.
const blockSize = 16

// A Spec names a cipher as dm-crypt does: cipher-mode-iv[:options].
type Spec struct {
	Cipher string // "aes"
	Mode   string // "xts"
	IV     string // "plain64", "essiv"
	Hash   string // of essiv
}

// ParseSpec splits "aes-cbc-essiv:sha256" and checks that the parts are known.
// The error is of class block.ErrUnsupported and names what is not.
func ParseSpec(s string) (Spec, error) {
	var c Spec
	rest := ""
	c.Cipher, rest, _ = strings.Cut(s, "-")
	c.Mode, c.IV, _ = strings.Cut(rest, "-")
	c.IV, c.Hash, _ = strings.Cut(c.IV, ":")
	unsupported := func(what, name string) (Spec, error) {
		return c, fmt.Errorf("%w: %s %q of %q", block.ErrUnsupported, what, name, s)
	}
	if c.Cipher == "cipher_null" && c.Mode == "ecb" {
		return c, nil
	}
	switch c.Cipher {
	case "aes", "twofish", "serpent":
	default:
		return unsupported("cipher", c.Cipher)
	}
	switch c.Mode {
	case "ecb":
		return c, nil
	case "xts", "cbc", "ctr":
	default:
		return unsupported("mode", c.Mode)
	}
	switch c.IV {
	case "plain", "plain64", "plain64be", "null":
	case "essiv":
		if _, err := hashOf(c.Hash); err != nil {
			return unsupported("hash", c.Hash)
		}
	default:
		return unsupported("IV", c.IV)
	}
	return c, nil
}

func (s Spec) String() string {
	t := s.Cipher + "-" + s.Mode
	if s.IV != "" {
		t += "-" + s.IV
	}
	if s.Hash != "" {
		t += ":" + s.Hash
	}
	return t
}

func (s Spec) block(key []byte) (cipher.Block, error) {
	switch s.Cipher {
	case "aes":
		return aes.NewCipher(key)
	case "twofish":
		return twofish.NewCipher(key)
	case "serpent":
		return newSerpent(key)
	}
	return nil, fmt.Errorf("%w: cipher %q", block.ErrUnsupported, s.Cipher)
}

// KeySize reports whether a key of n bytes fits the cipher.
func (s Spec) KeySize(n int) bool {
	if s.Mode == "xts" {
		if n%2 != 0 {
			return false
		}
		n /= 2
	}
	return n == 16 || n == 24 || n == 32 || s.Cipher == "cipher_null"
}

// New makes the cipher with that key, of which it keeps nothing but what it
// expands. Sectors have the given size in bytes, and a sector counts as step
// numbers: LUKS2 counts sectors of 512 bytes whatever their size is.
func (s Spec) New(key []byte, sector int, step uint64) (Cipher, error) {
	if sector < 512 || sector%512 != 0 {
		return nil, fmt.Errorf("%w: sectors of %d bytes", block.ErrUnsupported, sector)
	}
	if s.Cipher == "cipher_null" {
		return null{}, nil
	}
	if !s.KeySize(len(key)) {
		return nil, fmt.Errorf("%w: a key of %d bits for %s", block.ErrCorrupt, len(key)*8, s)
	}
	iv, err := s.iv(key)
	if err != nil {
		return nil, err
	}
	base := sectors{iv: iv, sector: sector, step: step}
	if s.Mode == "xts" {
		c, err := xts.New(key, s.block)
		if err != nil {
			return nil, err
		}
		return &xtsCipher{base, c}, nil
	}
	b, err := s.block(key)
	if err != nil {
		return nil, err
	}
	return &blockCipher{base, s.Mode, b}, nil
}

// sectors is how the sectors of a run are numbered.
type sectors struct {
	iv     func(n uint64, iv *[blockSize]byte)
	sector int
	step   uint64
}

// iv returns the generator of initialisation vectors.
func (s Spec) iv(key []byte) (func(uint64, *[blockSize]byte), error) {
	switch s.IV {
	case "plain":
		return func(n uint64, iv *[blockSize]byte) {
			clear(iv[:])
			binary.LittleEndian.PutUint32(iv[:], uint32(n))
		}, nil
	case "plain64be":
		return func(n uint64, iv *[blockSize]byte) {
			clear(iv[:])
			binary.BigEndian.PutUint64(iv[8:], n)
		}, nil
	case "essiv":
		h, err := hashOf(s.Hash)
		if err != nil {
			return nil, err
		}
		sum := h()
		sum.Write(key)
		salt := sum.Sum(nil)
		defer clear(salt)
		b, err := s.block(salt)
		if err != nil {
			return nil, fmt.Errorf("%w: essiv by %s for %s", block.ErrUnsupported, s.Hash, s.Cipher)
		}
		return func(n uint64, iv *[blockSize]byte) {
			clear(iv[:])
			binary.LittleEndian.PutUint64(iv[:], n)
			b.Encrypt(iv[:], iv[:])
		}, nil
	case "null", "":
		return func(n uint64, iv *[blockSize]byte) { clear(iv[:]) }, nil
	}
	return func(n uint64, iv *[blockSize]byte) { // plain64
		clear(iv[:])
		binary.LittleEndian.PutUint64(iv[:], n)
	}, nil
}

type null struct{}

func (null) Decrypt([]byte, uint64) {}

type xtsCipher struct {
	sectors
	c *xts.Cipher
}

func (x *xtsCipher) Decrypt(p []byte, first uint64) {
	x.c.Decrypt(p, x.sector, func(i int, iv *[blockSize]byte) { x.iv(first+uint64(i)*x.step, iv) })
}

type blockCipher struct {
	sectors
	mode  string
	block cipher.Block
}

func (c *blockCipher) Decrypt(p []byte, first uint64) {
	iv := new([blockSize]byte)
	for ; len(p) >= c.sector; p = p[c.sector:] {
		s := p[:c.sector]
		c.iv(first, iv)
		first += c.step
		switch c.mode {
		case "cbc":
			cipher.NewCBCDecrypter(c.block, iv[:]).CryptBlocks(s, s)
		case "ctr":
			cipher.NewCTR(c.block, iv[:]).XORKeyStream(s, s)
		case "ecb":
			for b := s; len(b) > 0; b = b[blockSize:] {
				c.block.Decrypt(b, b)
			}
		}
	}
}
