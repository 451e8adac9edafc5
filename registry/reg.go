package registry

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrNoReg says that a name holds a character that a .reg file cannot: a line's
// end would begin what regedit takes for another key.
var ErrNoReg = errors.New("its name holds a character that a .reg file cannot; it is left out")

// A RegWriter writes keys as the .reg file of version 5 that regedit exports and
// imports. It is for one goroutine.
type RegWriter struct {
	line func(string) error
	walk *Walk
	err  error // of writing
}

// RegLines writes the lines of a .reg file as regedit does: UTF-16 with a byte
// order mark, and CR LF after each.
func RegLines(w io.Writer) func(string) error {
	first := "\ufeff"
	return func(s string) error {
		_, err := w.Write(encodeText(first + s + "\r\n"))
		first = ""
		return err
	}
}

// NewRegWriter writes the head of a .reg file, by line: [RegLines], or a function
// that shows each line to a person.
func NewRegWriter(walk *Walk, line func(string) error) *RegWriter {
	w := &RegWriter{line: line, walk: walk}
	w.put("Windows Registry Editor Version 5.00")
	w.put("")
	return w
}

func (w *RegWriter) put(s string) {
	if w.err == nil {
		w.err = w.line(s)
	}
}

// unfit tells the names that would end a line of the file early, and so be read
// as something else.
func unfit(name string) bool { return strings.ContainsAny(name, "\r\n\x00") }

// Key writes one key, under the path that it has in the registry, with those of
// its values. What cannot be written is given to fail and left out: names that
// a .reg file cannot hold ([ErrNoReg]) and values that cannot be read. The error
// is one of writing, or that of [Walk.Bytes].
func (w *RegWriter) Key(path string, k *Key, values []*Value, fail func(error)) error {
	for at := k; at != nil; at = at.Parent() {
		if at.Parent() != nil && (unfit(at.Name()) || strings.Contains(at.Name(), `\`)) {
			fail(fmt.Errorf("key %q: %w", path, ErrNoReg))
			return nil
		}
	}
	w.put("[" + path + "]")
	for _, v := range values {
		if unfit(v.Name()) {
			fail(fmt.Errorf("value %q of key %q: %w", v.Name(), path, ErrNoReg))
			continue
		}
		b, fault, err := w.walk.Bytes(v)
		if err != nil {
			return err
		}
		if fault != nil {
			fail(fault)
			continue
		}
		name := "@"
		if v.Name() != "" {
			name = quote(v.Name())
		}
		w.value(name+"=", v.Type(), b)
	}
	w.put("")
	return w.err
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// value writes one value: text that a line can hold and numbers as such, all
// else in hexadecimal over lines of at most 80 columns.
func (w *RegWriter) value(name string, typ Type, b []byte) {
	d := Decode(typ, b)
	switch {
	case typ == SZ && d.Whole && !unfit(*d.Text):
		w.put(name + quote(*d.Text))
		return
	case typ == DWORD && d.Whole:
		w.put(fmt.Sprintf("%sdword:%08x", name, *d.Number))
		return
	case typ == Binary:
		name += "hex:"
	default:
		name += fmt.Sprintf("hex(%x):", uint32(typ))
	}
	var line strings.Builder
	line.WriteString(name)
	columns := len([]rune(name))
	for i, c := range b {
		if columns > 76 {
			w.put(line.String() + `\`)
			line.Reset()
			line.WriteString("  ")
			columns = 2
		}
		if fmt.Fprintf(&line, "%02x", c); i < len(b)-1 {
			line.WriteByte(',')
		}
		columns += 3
	}
	w.put(line.String())
}
