// Package guid prints and parses the GUIDs of Microsoft's and Intel's formats,
// whose first three fields are little-endian on disk.
package guid

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"
)

// A GUID is the sixteen bytes as they lie on disk.
type GUID [16]byte

// String returns the usual form, 8-4-4-4-12 digits in lower case.
func (g GUID) String() string {
	b := []byte{g[3], g[2], g[1], g[0], g[5], g[4], g[7], g[6]}
	s := hex.EncodeToString(append(b, g[8:]...))
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// IsZero reports whether all bytes are zero.
func (g GUID) IsZero() bool { return g == GUID{} }

var errForm = errors.New("guid: not of the form 8-4-4-4-12 hexadecimal digits")

// Parse reads the usual form, in either case and with or without braces.
func Parse(s string) (GUID, error) {
	if strings.HasPrefix(s, "{") && strings.HasSuffix(s, "}") {
		s = s[1 : len(s)-1]
	}
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return GUID{}, errForm
	}
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(b) != 16 {
		return GUID{}, errForm
	}
	g := GUID{b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6]}
	copy(g[8:], b[8:])
	return g, nil
}

// Must parses a GUID that the program itself states; a wrong one is the zero
// GUID, which no format uses.
func Must(s string) GUID {
	g, _ := Parse(s)
	return g
}

// New makes a random GUID (version 4).
func New() GUID {
	var g GUID
	rand.Read(g[:])
	g[7] = g[7]&0x0f | 0x40
	g[8] = g[8]&0x3f | 0x80
	return g
}

// A UUID is sixteen bytes that lie on disk in the order in which they are
// printed.
type UUID [16]byte

// String returns the usual form, 8-4-4-4-12 digits in lower case.
func (u UUID) String() string { return u.swapped().String() }

// IsZero reports whether all bytes are zero.
func (u UUID) IsZero() bool { return u == UUID{} }

// swapped has the bytes of the first three fields as a GUID has them.
func (u UUID) swapped() GUID {
	return GUID{u[3], u[2], u[1], u[0], u[5], u[4], u[7], u[6], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]}
}

// ParseUUID reads the usual form, in either case and with or without braces.
func ParseUUID(s string) (UUID, error) {
	g, err := Parse(s)
	return UUID(UUID(g).swapped()), err
}

// NewUUID makes a random UUID (version 4).
func NewUUID() UUID { return UUID(UUID(New()).swapped()) }
