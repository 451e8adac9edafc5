package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/guestkit/guestkit/internal/regf"
)

// A regWriter writes a .reg file: in UTF-16 with the line ends of Windows, as
// regedit does and as it wants to have them, or escaped to a terminal.
type regWriter struct {
	a   *app
	w   io.Writer
	err error // of writing
}

func (r *registry) regWriter() *regWriter { return &regWriter{a: r.a, w: r.a.raw} }

func (w *regWriter) line(s string) {
	switch {
	case w.err != nil:
	case w.a.outTerminal:
		w.a.out.Printf("%s\n", s)
		w.err = w.a.out.Err()
	default:
		if _, err := w.w.Write(encodeText(s + "\r\n")); err != nil {
			w.err = &outputError{err}
		}
	}
}

func (w *regWriter) head() {
	if !w.a.outTerminal {
		if _, err := w.w.Write([]byte{0xff, 0xfe}); err != nil {
			w.err = &outputError{err}
		}
	}
	w.line("Windows Registry Editor Version 5.00")
	w.line("")
}

// export writes a key and all below.
func (r *registry) export(m mounted, k *regf.Key) error {
	w := r.regWriter()
	w.head()
	return r.walk(m, k, true, func(k *regf.Key) error {
		var values []*regf.Value
		for v, err := range k.Values() {
			if err != nil {
				r.fail(m, err)
				continue
			}
			values = append(values, v)
		}
		if err := r.regKey(m, w, k, values); err != nil {
			return err
		}
		return w.err
	})
}

var errNoReg = errors.New("its name holds a character that a .reg file cannot; it is left out")

// unfit tells the names that would end a line of the file early, and so be read
// as something else.
func unfit(name string) bool { return strings.ContainsAny(name, "\r\n\x00") }

// regKey writes a key with some values.
func (r *registry) regKey(m mounted, w *regWriter, k *regf.Key, values []*regf.Value) error {
	for at := k; at != nil; at = at.Parent() {
		if unfit(at.Name()) && at.Parent() != nil || strings.Contains(at.Name(), `\`) && at.Parent() != nil {
			r.fail(m, fmt.Errorf("key %q: %w", m.path(k), errNoReg))
			return nil
		}
	}
	w.line("[" + m.path(k) + "]")
	for _, v := range values {
		if unfit(v.Name()) {
			r.fail(m, fmt.Errorf("value %q of key %q: %w", v.Name(), m.path(k), errNoReg))
			continue
		}
		b, fault, err := r.read(m, v)
		if err != nil {
			return err
		}
		if fault != nil {
			continue
		}
		name := "@"
		if v.Name() != "" {
			name = quote(v.Name())
		}
		w.value(name+"=", v.Type(), b)
	}
	w.line("")
	return nil
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// value writes one value: text that a line can hold and numbers as such, all
// else in hexadecimal over lines of at most 80 columns.
func (w *regWriter) value(name string, typ regf.Type, b []byte) {
	d := decode(typ, b)
	switch {
	case typ == regf.SZ && d.whole && !unfit(*d.text):
		w.line(name + quote(*d.text))
		return
	case typ == regf.DWORD && d.whole:
		w.line(fmt.Sprintf("%sdword:%08x", name, *d.number))
		return
	case typ == regf.Binary:
		name += "hex:"
	default:
		name += fmt.Sprintf("hex(%x):", uint32(typ))
	}
	var line strings.Builder
	line.WriteString(name)
	columns := len([]rune(name))
	for i, c := range b {
		if columns > 76 {
			w.line(line.String() + `\`)
			line.Reset()
			line.WriteString("  ")
			columns = 2
		}
		if fmt.Fprintf(&line, "%02x", c); i < len(b)-1 {
			line.WriteByte(',')
		}
		columns += 3
	}
	w.line(line.String())
}
