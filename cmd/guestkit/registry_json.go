package main

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf16"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/regf"
)

type registryDoc struct {
	Schema   string      `json:"schema"`
	Hives    []hiveDoc   `json:"hives"`
	Keys     []regKeyDoc `json:"keys"`
	Problems []string    `json:"problems"`
}

type hiveDoc struct {
	Name string `json:"name"`
	File string `json:"file"`
}

type regKeyDoc struct {
	Path    string        `json:"path"`
	Mtime   string        `json:"mtime,omitempty"`
	Class   string        `json:"class,omitempty"`
	Values  []regValueDoc `json:"values"`
	Subkeys []string      `json:"subkeys"`
}

type regValueDoc struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	Text    *string  `json:"text,omitempty"`
	Strings []string `json:"strings,omitempty"`
	Number  *uint64  `json:"number,omitempty"`
	Data    *[]byte  `json:"data,omitempty"`
	Error   string   `json:"error,omitempty"`
}

// maxDocument bounds one document, which is made in memory: the data in it, and
// all names, paths and errors.
const maxDocument = 256 << 20

func newRegKeyDoc(m mounted, k *regf.Key) regKeyDoc {
	return regKeyDoc{Path: m.path(k), Mtime: timeText(k.ModTime()), Values: []regValueDoc{}, Subkeys: []string{}}
}

func (r *registry) keyDoc(m mounted, k *regf.Key) (regKeyDoc, error) {
	d := newRegKeyDoc(m, k)
	var err error
	if d.Class, err = k.Class(); err != nil {
		r.fail(m, err)
	}
	for v, err := range k.Values() {
		if err != nil {
			r.fail(m, err)
			continue
		}
		value, err := r.valueDoc(m, v)
		if err != nil {
			return d, err
		}
		if err := r.hold(m, value.Name, value.Error); err != nil {
			return d, err
		}
		d.Values = append(d.Values, value)
	}
	for sub, err := range k.Subkeys() {
		if err != nil {
			r.fail(m, err)
			continue
		}
		if err := r.hold(m, sub.Name()); err != nil {
			return d, err
		}
		d.Subkeys = append(d.Subkeys, sub.Name())
	}
	return d, r.hold(m, d.Path, d.Class)
}

// hold counts texts that the document keeps, and fails once that is too large.
func (r *registry) hold(m mounted, texts ...string) error {
	for _, s := range texts {
		r.held += int64(len(s))
	}
	if r.held > maxDocument-(m.size-r.budget) {
		return m.fail(block.Errorf("regf", "hive", -1, block.ErrLimit, "more than one JSON document takes; ask for fewer keys"))
	}
	return nil
}

func (r *registry) valueDoc(m mounted, v *regf.Value) (regValueDoc, error) {
	d := regValueDoc{Name: v.Name(), Type: v.Type().String()}
	b, fault, err := r.read(m, v)
	if err != nil {
		return d, err
	}
	if fault != nil {
		d.Error = fault.Error()
		return d, nil
	}
	form := decode(v.Type(), b)
	d.Text, d.Strings, d.Number = form.text, form.strings, form.number
	if !form.whole {
		d.Data = &b
	}
	return d, nil
}

// document prints the keys.
func (r *registry) document(m mounted, keys []regKeyDoc) error {
	problems := append(m.problems(), r.errs.All()...)
	if m.tree != nil {
		problems = append(m.tree.Problems(), problems...)
	}
	return r.a.document(registryDoc{schema("registry"), []hiveDoc{{m.name, m.file}}, keys, texts(problems)})
}

// decode gives data the form that its type asks for, as far as it has it.
func decode(typ regf.Type, b []byte) data {
	d := data{bytes: b}
	switch typ {
	case regf.SZ, regf.ExpandSZ, regf.Link:
		s, ok := decodeText(b)
		text, _, _ := strings.Cut(s, "\x00")
		d.text, d.whole = &text, ok && s == text+"\x00"
	case regf.MultiSZ:
		s, ok := decodeText(b)
		d.strings = []string{}
		whole := ""
		for text := range strings.SplitSeq(s, "\x00") {
			if text == "" {
				break
			}
			d.strings = append(d.strings, text)
			whole += text + "\x00"
		}
		d.whole = ok && s == whole+"\x00" && len(d.strings) > 0
	case regf.DWORD, regf.DWORDBigEndian:
		if len(b) == 4 {
			n := uint64(binary.LittleEndian.Uint32(b))
			if typ == regf.DWORDBigEndian {
				n = uint64(binary.BigEndian.Uint32(b))
			}
			d.number, d.whole, d.hex = &n, true, 8
		}
	case regf.QWORD:
		if len(b) == 8 {
			n := binary.LittleEndian.Uint64(b)
			d.number, d.whole, d.hex = &n, true, 16
		}
	}
	return d
}

// decodeText decodes UTF-16, and tells whether the text is all that the bytes
// say.
func decodeText(b []byte) (string, bool) {
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	s := string(utf16.Decode(u))
	return s, bytes.Equal(encodeText(s), b)
}

func encodeText(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}
