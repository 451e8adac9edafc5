package terminal

import (
	"io"
	"strings"
	"unicode/utf8"
)

// A TextWriter writes the content of files to a terminal: lines and tabs stay,
// all else is escaped like a name.
type TextWriter struct {
	w    io.Writer
	part []byte // the start of a character whose end was not written yet
}

// NewTextWriter makes a TextWriter.
func NewTextWriter(w io.Writer) *TextWriter { return &TextWriter{w: w} }

func (t *TextWriter) Write(p []byte) (int, error) {
	b := append(t.part, p...)
	t.part = nil
	// Keep back at most one character that the next Write may complete.
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if c := b[len(b)-n]; utf8.RuneStart(c) {
			if c >= utf8.RuneSelf && !utf8.FullRune(b[len(b)-n:]) {
				t.part = append([]byte(nil), b[len(b)-n:]...)
				b = b[:len(b)-n]
			}
			break
		}
	}
	if err := t.write(string(b)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close writes what was kept back.
func (t *TextWriter) Close() error {
	part := string(t.part)
	t.part = nil
	return t.write(part)
}

func (t *TextWriter) write(s string) error {
	var out strings.Builder
	for s != "" {
		i := strings.IndexAny(s, "\n\t")
		if i < 0 {
			out.WriteString(Escape(s))
			break
		}
		out.WriteString(Escape(s[:i]))
		out.WriteByte(s[i])
		s = s[i+1:]
	}
	_, err := io.WriteString(t.w, out.String())
	return err
}
