package registry

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/guestkit/guestkit/block"
)

// A Type says what the data of a value is. It may be any number.
type Type uint32

// The types that Windows defines.
const (
	None                     Type = iota
	SZ                            // text
	ExpandSZ                      // text with %variables%
	Binary                        // bytes
	DWORD                         // a number of 32 bits, little-endian
	DWORDBigEndian                // a number of 32 bits, big-endian
	Link                          // text: the key that a link leads to
	MultiSZ                       // a list of texts
	ResourceList                  // of hardware
	FullResourceDescriptor        // of hardware
	ResourceRequirementsList      // of hardware
	QWORD                         // a number of 64 bits, little-endian
)

var typeNames = [...]string{"REG_NONE", "REG_SZ", "REG_EXPAND_SZ", "REG_BINARY", "REG_DWORD", "REG_DWORD_BIG_ENDIAN", "REG_LINK", "REG_MULTI_SZ",
	"REG_RESOURCE_LIST", "REG_FULL_RESOURCE_DESCRIPTOR", "REG_RESOURCE_REQUIREMENTS_LIST", "REG_QWORD"}

// String returns the name of the type in Windows, or its number: "REG_SZ",
// "REG_0x12".
func (t Type) String() string {
	if int64(t) < int64(len(typeNames)) {
		return typeNames[t]
	}
	return fmt.Sprintf("REG_%#x", uint32(t))
}

// ErrType is wrapped by the error for data that is asked for as what its type
// is not.
var ErrType = errors.New("value of another type")

const (
	valueSize = 20
	// bigData is how long data may be in one cell, from version 1.4 on; more
	// is cut into parts of this size.
	bigData = 16344
)

// keyValue is a value on disk.
type keyValue struct {
	signature [2]byte // 0x00 "vk"
	nameLen   uint16  // 0x02 in bytes
	size      uint32  // 0x04 of the data; the top bit says that data is it
	data      uint32  // 0x08 offset of the data, or itself
	typ       uint32  // 0x0c
	flags     uint16  // 0x10
	// 0x12 spare, 0x14 name
}

const (
	valueCompressed = 1          // the name is Latin-1
	resident        = 0x80000000 // in the size
)

func (v *keyValue) decode(p []byte) {
	le := binary.LittleEndian
	copy(v.signature[:], p)
	v.nameLen = le.Uint16(p[0x02:])
	v.size = le.Uint32(p[0x04:])
	v.data = le.Uint32(p[0x08:])
	v.typ = le.Uint32(p[0x0c:])
	v.flags = le.Uint16(p[0x10:])
}

// A Value is a value of a key. It is immutable and safe for concurrent use.
type Value struct {
	k    *Key
	off  int64
	rec  keyValue
	name string
}

// value reads the value at an offset.
func (k *Key) value(what string, offset uint32) (*Value, error) {
	c, err := k.h.cell(what, offset)
	if err != nil {
		return nil, err
	}
	b, err := c.view(0, valueSize)
	if err != nil {
		return nil, err
	}
	v := &Value{k: k, off: c.off}
	v.rec.decode(b)
	if string(v.rec.signature[:]) != "vk" {
		return nil, c.corrupt("it is no value")
	}
	if b, err = c.view(valueSize, int64(v.rec.nameLen)); err != nil {
		return nil, err
	}
	v.name = name(b, v.rec.flags&valueCompressed != 0)
	return v, nil
}

// Name returns the name of the value, "" for the default one. It may hold any
// character, backslashes among them.
func (v *Value) Name() string { return v.name }

// Type returns what the data is said to be.
func (v *Value) Type() Type { return Type(v.rec.typ) }

// Size returns how many bytes of data there are, without reading them. It is
// what the hive says, which may be a lie.
func (v *Value) Size() int64 { return int64(v.rec.size &^ resident) }

func (v *Value) what() string { return fmt.Sprintf("value %q of key %q", v.name, v.k.name) }

func (v *Value) fail(class error, detail string, args ...any) error {
	return block.Errorf(format, v.what(), v.off, class, detail, args...)
}

// Bytes reads the data as it is on disk.
func (v *Value) Bytes() ([]byte, error) {
	n := v.Size()
	if v.rec.size&resident != 0 {
		if n > 4 {
			return nil, v.fail(block.ErrCorrupt, "%d bytes are said to lie in its record", n)
		}
		return binary.LittleEndian.AppendUint32(nil, v.rec.data)[:n], nil
	}
	if n == 0 {
		return []byte{}, nil
	}
	if n > v.k.h.o.MaxValueBytes {
		return nil, v.fail(block.ErrLimit, "it has %d bytes, more than %d", n, v.k.h.o.MaxValueBytes)
	}
	c, err := v.k.h.cell(v.what(), v.rec.data)
	if err != nil {
		return nil, err
	}
	if n <= c.size {
		return c.read(nil, 0, n)
	}
	if n > bigData && v.k.h.base.minor > 3 && c.is("db") {
		return v.parts(c, n)
	}
	return nil, c.corrupt("its %d bytes do not fit into its cell of %d bytes", n, c.size)
}

// parts joins the parts of big data, all of which are full but the last.
func (v *Value) parts(c cell, n int64) ([]byte, error) {
	b, err := c.view(0, 8)
	if err != nil {
		return nil, err
	}
	count := int64(binary.LittleEndian.Uint16(b[2:]))
	if want := (n + bigData - 1) / bigData; count != want {
		return nil, c.corrupt("it has %d parts where %d bytes take %d", count, n, want)
	}
	list, err := v.k.h.cell(v.what(), binary.LittleEndian.Uint32(b[4:]))
	if err != nil {
		return nil, err
	}
	if count > list.size/4 {
		return nil, list.corrupt("its %d parts do not fit into its cell of %d bytes", count, list.size)
	}
	var out []byte
	for i := range count {
		b, err := list.view(4*i, 4)
		if err != nil {
			return nil, err
		}
		part, err := v.k.h.cell(v.what(), binary.LittleEndian.Uint32(b))
		if err != nil {
			return nil, err
		}
		if out, err = part.read(out, 0, min(bigData, n-int64(len(out)))); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Text reads the data of a REG_SZ, REG_EXPAND_SZ or REG_LINK, up to its first
// NUL. An odd byte at its end is left out.
func (v *Value) Text() (string, error) {
	switch v.Type() {
	case SZ, ExpandSZ, Link:
	default:
		return "", v.fail(ErrType, "%s is no text", v.Type())
	}
	b, err := v.Bytes()
	if err != nil {
		return "", err
	}
	s, _, _ := strings.Cut(utf16le(b), "\x00")
	return s, nil
}

// Strings reads the data of a REG_MULTI_SZ: texts that end with a NUL each, up
// to an empty one.
func (v *Value) Strings() ([]string, error) {
	if v.Type() != MultiSZ {
		return nil, v.fail(ErrType, "%s is no list of texts", v.Type())
	}
	b, err := v.Bytes()
	if err != nil {
		return nil, err
	}
	out := []string{}
	for s := range strings.SplitSeq(utf16le(b), "\x00") {
		if s == "" {
			break
		}
		out = append(out, s)
	}
	return out, nil
}

// Uint reads the number of a REG_DWORD, REG_DWORD_BIG_ENDIAN or REG_QWORD.
func (v *Value) Uint() (uint64, error) {
	var want int
	switch v.Type() {
	case DWORD, DWORDBigEndian:
		want = 4
	case QWORD:
		want = 8
	default:
		return 0, v.fail(ErrType, "%s is no number", v.Type())
	}
	b, err := v.Bytes()
	switch {
	case err != nil:
		return 0, err
	case len(b) != want:
		return 0, v.fail(block.ErrCorrupt, "a %s of %d bytes", v.Type(), len(b))
	case v.Type() == DWORDBigEndian:
		return uint64(binary.BigEndian.Uint32(b)), nil
	case want == 4:
		return uint64(binary.LittleEndian.Uint32(b)), nil
	}
	return binary.LittleEndian.Uint64(b), nil
}
