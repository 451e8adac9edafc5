package bitlocker

import (
	"encoding/binary"
	"unicode/utf16"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/guid"
)

// The roles of entries.
const (
	roleProperty    = 0x0000
	roleVMK         = 0x0002
	roleFVEK        = 0x0003
	roleStartupKey  = 0x0006
	roleDescription = 0x0007
)

// The types of entries.
const (
	typeKey      = 0x0001
	typeUnicode  = 0x0002
	typeStretch  = 0x0003
	typeUse      = 0x0004
	typeWrapped  = 0x0005 // by AES-CCM
	typeVMK      = 0x0008
	typeExternal = 0x0009
)

const (
	datumSize = 8
	maxData   = 256 // of one list
)

// bodies is how many bytes stand before the properties of an entry of a type
// that has them.
var bodies = map[uint16]int{typeStretch: 20, typeUse: 4, typeVMK: 28, typeExternal: 24}

// datum is an entry of the metadata.
type datum struct {
	size  uint16 // 0x00 with this header
	role  uint16 // 0x02
	typ   uint16 // 0x04
	flags uint16 // 0x06

	off        int64
	body       []byte // without the properties
	properties []datum
}

func (d *datum) decode(b []byte) {
	le := binary.LittleEndian
	d.size = le.Uint16(b)
	d.role = le.Uint16(b[0x02:])
	d.typ = le.Uint16(b[0x04:])
	d.flags = le.Uint16(b[0x06:])
}

// parseData splits a list of entries, which lies at off.
func parseData(b []byte, off int64, depth int) ([]datum, error) {
	var out []datum
	for at := 0; len(b)-at >= datumSize; {
		var d datum
		d.decode(b[at:])
		d.off = off + int64(at)
		n := int(d.size)
		if n == 0 {
			break // the rest is padding
		}
		if n < datumSize || n > len(b)-at {
			return nil, block.Errorf(format, "metadata entry", d.off, block.ErrCorrupt, "%d bytes, %d are left", n, len(b)-at)
		}
		if len(out) == maxData {
			return nil, block.Errorf(format, "metadata entry", d.off, block.ErrLimit, "more than %d entries", maxData)
		}
		d.body = b[at+datumSize : at+n]
		if head, ok := bodies[d.typ]; ok {
			if len(d.body) < head {
				return nil, block.Errorf(format, "metadata entry", d.off, block.ErrCorrupt, "%d bytes for type %#x", n, d.typ)
			}
			// Properties do not have properties of their own beyond a few levels.
			if depth < 4 {
				var err error
				if d.properties, err = parseData(d.body[head:], d.off+datumSize+int64(head), depth+1); err != nil {
					return nil, err
				}
			}
			d.body = d.body[:head]
		}
		out = append(out, d)
		at += n
	}
	return out, nil
}

// first returns the first entry of a type, and of a role if it is not -1.
func first(data []datum, role int, typ uint16) *datum {
	for i := range data {
		if d := &data[i]; d.typ == typ && (role < 0 || int(d.role) == role) {
			return d
		}
	}
	return nil
}

// text returns the string of an entry of type Unicode.
func (d *datum) text() string {
	if d == nil {
		return ""
	}
	var u []uint16
	for b := d.body; len(b) >= 2; b = b[2:] {
		c := binary.LittleEndian.Uint16(b)
		if c == 0 {
			break
		}
		u = append(u, c)
	}
	return string(utf16.Decode(u))
}

// guid returns the identifier that begins a VMK or an external key.
func (d *datum) guid() (g guid.GUID) {
	copy(g[:], d.body)
	return g
}

// key returns what an entry of type key holds: the type of key and its bytes.
func (d *datum) key() (typ uint16, key []byte) {
	if d == nil || d.typ != typeKey || len(d.body) < 4 {
		return 0, nil
	}
	return binary.LittleEndian.Uint16(d.body), d.body[4:]
}
