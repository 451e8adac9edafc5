package bitlocker

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/guestkit/guestkit/internal/guid"
)

// stretchRounds is how often a passphrase is hashed; each round hashes two
// blocks.
const stretchRounds = 1 << 20

// stretch makes a key of the hash of a passphrase.
func stretch(ctx context.Context, hash [32]byte, salt []byte) ([]byte, error) {
	// The hash of the round before, the first hash, the salt, the round.
	var b [88]byte
	copy(b[32:], hash[:])
	copy(b[64:], salt)
	defer clear(b[:])
	for i := range uint64(stretchRounds) {
		if i%(1<<16) == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		binary.LittleEndian.PutUint64(b[80:], i)
		sum := sha256.Sum256(b[:])
		copy(b[:], sum[:])
	}
	return bytes.Clone(b[:32]), nil
}

// passphraseHash is what a passphrase is stretched from.
func passphraseHash(p []byte) [32]byte {
	u := utf16.Encode([]rune(string(p)))
	b := make([]byte, 0, 2*len(u))
	for _, c := range u {
		b = binary.LittleEndian.AppendUint16(b, c)
	}
	clear(u)
	defer clear(b)
	sum := sha256.Sum256(b)
	return sha256.Sum256(sum[:])
}

// recoveryHash is what a recovery password is stretched from: eight groups of
// six digits, each a multiple of 11 below 11 times 65,536, with anything or
// nothing between them.
func recoveryHash(p []byte) (hash [32]byte, ok bool) {
	if len(p) > 128 || !utf8.Valid(p) {
		return hash, false
	}
	digits := strings.Map(func(r rune) rune {
		if r == '-' || r == ' ' || r == '\n' || r == '\r' {
			return -1
		}
		return r
	}, string(p))
	if len(digits) != 48 {
		return hash, false
	}
	var key [16]byte
	defer clear(key[:])
	for i := range 8 {
		n, err := strconv.ParseUint(digits[6*i:6*i+6], 10, 32)
		if err != nil || n%11 != 0 || n/11 > 0xffff {
			return hash, false
		}
		binary.LittleEndian.PutUint16(key[2*i:], uint16(n/11))
	}
	return sha256.Sum256(key[:]), true
}

// startupKey returns the key in a startup key file (.BEK), and the protector
// that it is for.
func startupKey(p []byte) (id guid.GUID, key []byte, ok bool) {
	if len(p) < datasetSize || len(p) > maxInfo {
		return id, nil, false
	}
	var h datasetHeader
	h.decode(p)
	if h.version != 1 || int64(h.size) > int64(len(p)) {
		return id, nil, false
	}
	entries, ok := h.entries(p)
	if !ok {
		return id, nil, false
	}
	data, err := parseData(entries, 0, 0)
	if err != nil {
		return id, nil, false
	}
	e := first(data, roleStartupKey, typeExternal)
	if e == nil {
		return id, nil, false
	}
	_, key = first(e.properties, -1, typeKey).key()
	return e.guid(), key, len(key) == 32
}

// unwrap decrypts an entry that AES-CCM wraps (RFC 3610 with a nonce of 12
// bytes and a tag of 16) and parses what is in it. Nil means another key.
func (d *datum) unwrap(key []byte) *datum {
	const nonce, tag = 12, 16
	if len(d.body) < nonce+tag+datumSize {
		return nil
	}
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil
	}
	text := bytes.Clone(d.body[nonce+tag:])
	var ctr [16]byte
	ctr[0] = 2 // three bytes of length
	copy(ctr[1:], d.body[:nonce])
	var s0 [16]byte
	stream := cipher.NewCTR(b, ctr[:])
	stream.XORKeyStream(s0[:], s0[:])
	stream.XORKeyStream(text, text)

	mac := new([16]byte)
	mac[0] = 8*(tag-2)/2 + 2
	copy(mac[1:], d.body[:nonce])
	mac[13], mac[14], mac[15] = byte(len(text)>>16), byte(len(text)>>8), byte(len(text))
	b.Encrypt(mac[:], mac[:])
	for rest := text; len(rest) > 0; rest = rest[min(16, len(rest)):] {
		subtle.XORBytes(mac[:], mac[:], rest[:min(16, len(rest))])
		b.Encrypt(mac[:], mac[:])
	}
	subtle.XORBytes(mac[:], mac[:], s0[:])
	if subtle.ConstantTimeCompare(mac[:], d.body[nonce:nonce+tag]) != 1 {
		clear(text)
		return nil
	}
	data, err := parseData(text, d.off, 0)
	if err != nil || len(data) == 0 {
		clear(text)
		return nil
	}
	return &data[0]
}
