package journal

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Cursor is the text by which journalctl finds the entry again.
func (e *Entry) Cursor() string {
	return fmt.Sprintf("s=%s;i=%x;b=%s;m=%x;t=%x;x=%x", e.SeqnumID, e.Seqnum, e.BootID, e.Monotonic, e.Realtime, e.XorHash)
}

// A pair is a field of an entry that is not stored as one.
type pair struct{ name, value string }

// head lists what journalctl prints of an entry beside its fields.
func (e *Entry) head() []pair {
	return []pair{
		{"__CURSOR", e.Cursor()},
		{"__REALTIME_TIMESTAMP", strconv.FormatUint(e.Realtime, 10)},
		{"__MONOTONIC_TIMESTAMP", strconv.FormatUint(e.Monotonic, 10)},
		{"__SEQNUM", strconv.FormatUint(e.Seqnum, 10)},
		{"__SEQNUM_ID", e.SeqnumID.String()},
		{"_BOOT_ID", e.BootID.String()},
	}
}

// stored lists the fields by their names, each with all its values. Those that
// the head has are left out.
func (e *Entry) stored() (names []string, values map[string][][]byte, errs []error) {
	values = map[string][][]byte{}
	for v, err := range e.Fields() {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if v.Name == "_BOOT_ID" {
			continue
		}
		if _, ok := values[v.Name]; !ok {
			names = append(names, v.Name)
		}
		values[v.Name] = append(values[v.Name], v.Value)
	}
	return names, values, errs
}

// AppendJSON appends the entry as journalctl -o json --all prints it, without a
// line's end: an object whose values are strings, arrays of numbers for bytes
// that are no text, and arrays of these for a field of several values. The errors
// are those of fields that are left out.
func AppendJSON(b []byte, e *Entry) ([]byte, []error) {
	names, values, errs := e.stored()
	start := len(b)
	for _, p := range e.head() {
		// A field of such a name is not journald's: it comes behind, not instead.
		if list, ok := values[p.name]; ok {
			values[p.name] = append([][]byte{[]byte(p.value)}, list...)
			continue
		}
		b = appendString(append(b, ','), p.name)
		b = appendString(append(b, ':'), p.value)
	}
	for _, name := range names {
		b = appendString(append(b, ','), name)
		b = append(b, ':')
		list := values[name]
		if len(list) > 1 {
			b = append(b, '[')
		}
		for i, v := range list {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendValue(b, v)
		}
		if len(list) > 1 {
			b = append(b, ']')
		}
	}
	b[start] = '{' // for the first comma
	return append(b, '}'), errs
}

func appendString(b []byte, s string) []byte {
	plain := true
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x80 || c == '"' || c == '\\' {
			plain = false
			break
		}
	}
	if plain { // most are
		return append(append(append(b, '"'), s...), '"')
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.Encode(s) // a string always can be
	return append(b, bytes.TrimSuffix(out.Bytes(), []byte("\n"))...)
}

func appendValue(b, v []byte) []byte {
	if Printable(v, true) {
		return appendString(b, string(v))
	}
	b = append(b, '[')
	for i, c := range v {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(c), 10)
	}
	return append(b, ']')
}

// Printable reports whether bytes are UTF-8 without control characters other than
// tabs and, where they may be, line ends: what journalctl takes for text.
func Printable(b []byte, lines bool) bool {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && n <= 1,
			r == '\n' && !lines,
			r < ' ' && r != '\n' && r != '\t',
			r >= 0x7f && r <= 0x9f:
			return false
		}
		b = b[n:]
	}
	return true
}

// AppendExport appends the entry in the Journal Export Format, with the empty
// line that ends it. The errors are those of fields that are left out.
func AppendExport(b []byte, e *Entry) ([]byte, []error) {
	for _, p := range e.head() {
		b = fmt.Appendf(b, "%s=%s\n", p.name, p.value)
	}
	var errs []error
	for v, err := range e.Fields() {
		switch {
		case err != nil:
			errs = append(errs, err)
		case v.Name == "_BOOT_ID":
		case Printable(v.Value, false):
			b = append(append(append(append(b, v.Name...), '='), v.Value...), '\n')
		default:
			b = append(append(b, v.Name...), '\n')
			b = binary.LittleEndian.AppendUint64(b, uint64(len(v.Value)))
			b = append(append(b, v.Value...), '\n')
		}
	}
	return append(b, '\n'), errs
}
