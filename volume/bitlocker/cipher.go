package bitlocker

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"math/bits"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/crypt"
)

// method is a way to encrypt a volume.
type method struct {
	name     string
	keyLen   int // of the FVEK
	xts      bool
	diffuser bool
}

var methods = map[uint16]method{
	0x8000: {"AES-CBC-128 with Elephant diffuser", 64, false, true},
	0x8001: {"AES-CBC-256 with Elephant diffuser", 64, false, true},
	0x8002: {"AES-CBC-128", 16, false, false},
	0x8003: {"AES-CBC-256", 32, false, false},
	0x8004: {"AES-XTS-128", 32, true, false},
	0x8005: {"AES-XTS-256", 64, true, false},
}

// newCipher makes the cipher of a volume. Sectors are counted by their size.
func newCipher(typ uint16, key []byte, sector int) (crypt.Cipher, error) {
	m, ok := methods[typ]
	if !ok {
		return nil, block.Errorf(format, "FVEK", -1, block.ErrUnsupported, "encryption method %#x", typ)
	}
	if len(key) != m.keyLen {
		return nil, block.Errorf(format, "FVEK", -1, block.ErrCorrupt, "a key of %d bits for %s", len(key)*8, m.name)
	}
	if m.xts {
		return crypt.Spec{Cipher: "aes", Mode: "xts", IV: "plain64"}.New(key, sector, 1)
	}
	n := len(key)
	if m.diffuser {
		n = 16 << (typ & 1)
	}
	data, err := aes.NewCipher(key[:n])
	if err != nil {
		return nil, err
	}
	c := &cbc{block: data, sector: sector}
	if m.diffuser {
		if c.tweak, err = aes.NewCipher(key[32 : 32+n]); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// cbc is AES-CBC whose IV is the encrypted offset of the sector, with or
// without the diffuser.
type cbc struct {
	block, tweak cipher.Block // tweak is nil without the diffuser
	sector       int
}

func (c *cbc) Decrypt(p []byte, first uint64) {
	var off, iv [16]byte
	words := make([]uint32, c.sector/4)
	var key [32]byte
	for ; len(p) >= c.sector; p = p[c.sector:] {
		s := p[:c.sector]
		binary.LittleEndian.PutUint64(off[:], first*uint64(c.sector))
		first++
		c.block.Encrypt(iv[:], off[:])
		cipher.NewCBCDecrypter(c.block, iv[:]).CryptBlocks(s, s)
		if c.tweak == nil {
			continue
		}
		for i := range words {
			words[i] = binary.LittleEndian.Uint32(s[4*i:])
		}
		undiffuseB(words)
		undiffuseA(words)
		for i, w := range words {
			binary.LittleEndian.PutUint32(s[4*i:], w)
		}
		c.tweak.Encrypt(key[:16], off[:])
		off[15] = 0x80
		c.tweak.Encrypt(key[16:], off[:])
		off[15] = 0
		for at := 0; at < len(s); at += len(key) {
			subtle.XORBytes(s[at:], s[at:], key[:])
		}
	}
}

// undiffuseA and undiffuseB undo the two diffusers. A sector has a power of two
// of words.
func undiffuseA(w []uint32) {
	mask := len(w) - 1
	rotate := [4]int{9, 0, 13, 0}
	for range 5 {
		for i := range w {
			w[i] += w[(i-2)&mask] ^ bits.RotateLeft32(w[(i-5)&mask], rotate[i&3])
		}
	}
}

func undiffuseB(w []uint32) {
	mask := len(w) - 1
	rotate := [4]int{0, 10, 0, 25}
	for range 3 {
		for i := range w {
			w[i] += w[(i+2)&mask] ^ bits.RotateLeft32(w[(i+5)&mask], rotate[i&3])
		}
	}
}
