package evtx

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/guestkit/guestkit/internal/guid"
)

// The types of values. typeArray is a flag.
const (
	typeNull     = 0x00
	typeString   = 0x01
	typeANSI     = 0x02
	typeInt8     = 0x03
	typeUint8    = 0x04
	typeInt16    = 0x05
	typeUint16   = 0x06
	typeInt32    = 0x07
	typeUint32   = 0x08
	typeInt64    = 0x09
	typeUint64   = 0x0a
	typeReal32   = 0x0b
	typeReal64   = 0x0c
	typeBool     = 0x0d
	typeBinary   = 0x0e
	typeGUID     = 0x0f
	typeSize     = 0x10
	typeFiletime = 0x11
	typeSystime  = 0x12
	typeSID      = 0x13
	typeHex32    = 0x14
	typeHex64    = 0x15
	typeXML      = 0x21
	typeArray    = 0x80
)

// widths are the sizes of values of a fixed one.
var widths = map[byte]int{typeInt8: 1, typeUint8: 1, typeInt16: 2, typeUint16: 2, typeInt32: 4, typeUint32: 4, typeInt64: 8, typeUint64: 8,
	typeReal32: 4, typeReal64: 8, typeBool: 4, typeGUID: 16, typeFiletime: 8, typeSystime: 16, typeHex32: 4, typeHex64: 8}

// A Value is a piece of text with the type that it has in the log.
type Value struct {
	Type  byte    // as [MS-EVEN6] numbers them: 1 for a string
	Text  string  // as Windows shows it
	Items []Value // of an array, which Text joins with commas
}

// number reports whether JSON has the value as a number or a truth.
func (v *Value) number() bool {
	return v.Items == nil && (v.Type >= typeInt8 && v.Type <= typeBool) && v.Text != "NaN" && !strings.HasSuffix(v.Text, "Inf")
}

// join makes one value of several pieces.
func join(vs []Value) Value {
	if len(vs) == 1 {
		return vs[0]
	}
	out := Value{Type: typeNull}
	var text strings.Builder
	for _, v := range vs {
		if v.Type != typeNull {
			out.Type = typeString
		}
		text.WriteString(v.Text)
	}
	out.Text = text.String()
	return out
}

// value reads a value of a template instance: text, or the XML that it is.
func (p *parser) value(s slot, depth int) ([]Node, error) {
	if s.typ == typeXML {
		if s.len == 0 {
			return nil, nil
		}
		q := parser{c: p.c, pos: s.off, end: s.off + s.len, spent: p.spent}
		nodes, err := q.fragment(nil, false, depth+1)
		p.spent = q.spent
		return nodes, err
	}
	if err := p.count(2 * s.len); err != nil {
		return nil, err
	}
	b := p.c.b[s.off : s.off+s.len]
	at := *p
	at.pos = s.off
	var v Value
	var err error
	if s.typ&typeArray != 0 {
		v, err = at.array(s.typ&^typeArray, b)
	} else {
		v, err = at.scalar(s.typ, b)
	}
	return []Node{{Value: v}}, err
}

func (p *parser) array(typ byte, b []byte) (Value, error) {
	out := Value{Type: typ | typeArray, Items: []Value{}}
	var parts []string
	add := func(b []byte) error {
		v, err := p.scalar(typ, b)
		if err == nil {
			err = p.count(32)
		}
		out.Items = append(out.Items, v)
		parts = append(parts, v.Text)
		return err
	}
	switch width := widths[typ]; {
	case typ == typeString:
		for len(b) > 1 { // each with a NUL behind it
			n := 0
			for n+1 < len(b) && (b[n] != 0 || b[n+1] != 0) {
				n += 2
			}
			n = min(n, len(b))
			if err := add(b[:n]); err != nil {
				return out, err
			}
			b = b[min(n+2, len(b)):]
		}
	case typ == typeSID:
		for len(b) > 0 {
			if len(b) < 8 || len(b) < 8+4*int(b[1]) {
				return out, p.corrupt("an array of SIDs ends too soon")
			}
			n := 8 + 4*int(b[1])
			if err := add(b[:n]); err != nil {
				return out, err
			}
			b = b[n:]
		}
	case width == 0:
		return out, p.corrupt("an array of values of type %#x", typ)
	case len(b)%width != 0:
		return out, p.corrupt("an array of %d bytes of values of %d", len(b), width)
	default:
		for ; len(b) > 0; b = b[width:] {
			if err := add(b[:width]); err != nil {
				return out, err
			}
		}
	}
	out.Text = strings.Join(parts, ",")
	return out, nil
}

func (p *parser) scalar(typ byte, b []byte) (Value, error) {
	v := Value{Type: typ}
	if width := widths[typ]; width > 0 && len(b) != width {
		if len(b) == 0 {
			v.Type = typeNull
			return v, nil
		}
		if typ != typeBool || len(b) > 8 { // some programs log a truth in a byte
			return v, p.corrupt("a value of type %#x has %d bytes", typ, len(b))
		}
	}
	le := binary.LittleEndian
	switch typ {
	case typeNull:
	case typeString:
		v.Text = utf16String(b)
	case typeANSI: // its code page is not said; most are ASCII
		v.Text = latin(b)
	case typeInt8:
		v.Text = strconv.FormatInt(int64(int8(b[0])), 10)
	case typeUint8:
		v.Text = strconv.FormatUint(uint64(b[0]), 10)
	case typeInt16:
		v.Text = strconv.FormatInt(int64(int16(le.Uint16(b))), 10)
	case typeUint16:
		v.Text = strconv.FormatUint(uint64(le.Uint16(b)), 10)
	case typeInt32:
		v.Text = strconv.FormatInt(int64(int32(le.Uint32(b))), 10)
	case typeUint32:
		v.Text = strconv.FormatUint(uint64(le.Uint32(b)), 10)
	case typeInt64:
		v.Text = strconv.FormatInt(int64(le.Uint64(b)), 10)
	case typeUint64:
		v.Text = strconv.FormatUint(le.Uint64(b), 10)
	case typeReal32:
		v.Text = strconv.FormatFloat(float64(math.Float32frombits(le.Uint32(b))), 'g', -1, 32)
	case typeReal64:
		v.Text = strconv.FormatFloat(math.Float64frombits(le.Uint64(b)), 'g', -1, 64)
	case typeBool:
		v.Text = "false"
		for _, c := range b {
			if c != 0 {
				v.Text = "true"
			}
		}
	case typeBinary:
		v.Text = fmt.Sprintf("%X", b)
	case typeGUID:
		v.Text = "{" + strings.ToLower(guid.GUID(b).String()) + "}"
	case typeFiletime:
		v.Text = filetime(le.Uint64(b)).Format(timeLayout)
	case typeSystime:
		f := func(i int) int { return int(le.Uint16(b[2*i:])) }
		v.Text = fmt.Sprintf("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", f(0), f(1), f(3), f(4), f(5), f(6), f(7))
	case typeSID:
		return p.sid(b)
	case typeHex32, typeHex64, typeSize:
		switch len(b) {
		case 4:
			v.Text = fmt.Sprintf("0x%x", le.Uint32(b))
		case 8:
			v.Text = fmt.Sprintf("0x%x", le.Uint64(b))
		default:
			return v, p.corrupt("a value of type %#x has %d bytes", typ, len(b))
		}
	default:
		return v, p.corrupt("a value of type %#x, which there is not", typ)
	}
	return v, nil
}

// sid reads a security identifier.
func (p *parser) sid(b []byte) (Value, error) {
	v := Value{Type: typeSID}
	if len(b) < 8 || len(b) != 8+4*int(b[1]) {
		return v, p.corrupt("an SID of %d bytes", len(b))
	}
	authority := uint64(binary.BigEndian.Uint16(b[2:]))<<32 | uint64(binary.BigEndian.Uint32(b[4:]))
	v.Text = fmt.Sprintf("S-%d-%d", b[0], authority)
	for i := range int(b[1]) {
		v.Text += "-" + strconv.FormatUint(uint64(binary.LittleEndian.Uint32(b[8+4*i:])), 10)
	}
	return v, nil
}

func latin(b []byte) string {
	out := make([]rune, 0, len(b))
	for _, c := range b {
		if c == 0 {
			break
		}
		out = append(out, rune(c))
	}
	return string(out)
}

// timeLayout is that of Windows, to 100 nanoseconds.
const timeLayout = "2006-01-02T15:04:05.0000000Z"

// filetime turns 100-nanosecond units since 1601 into a time.
func filetime(n uint64) time.Time {
	const epoch = 11_644_473_600 // seconds from 1601 to 1970
	return time.Unix(int64(n/1e7)-epoch, int64(n%1e7)*100).UTC()
}
