package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"

	"github.com/guestkit/guestkit/internal/terminal"
)

// schema names the form of a command's document. A form is only ever
// extended; docs/json.md describes them all.
func schema(command string) string { return "guestkit." + command + "/v1" }

// document prints one JSON document over several lines.
func (a *app) document(v any) error { return a.encode(v, "  ") }

// documentBeside prints the document of a command whose output is a stream on
// standard output: then it goes to standard error, as one line.
func (a *app) documentBeside(stream bool, v any) error {
	if !stream {
		return a.document(v)
	}
	b, err := json.Marshal(v)
	if err == nil {
		a.err.Printf("%s\n", string(b))
	}
	return err
}

// line prints one JSON document on one line.
func (a *app) line(v any) error { return a.encode(v, "") }

func (a *app) encode(v any, indent string) error { return encode(a.raw, v, "", indent) }

// encode writes the JSON of v, safe for a terminal.
func encode(w io.Writer, v any, prefix, indent string) error {
	enc := json.NewEncoder(terminal.JSONWriter{Writer: w})
	enc.SetEscapeHTML(false)
	enc.SetIndent(prefix, indent)
	return enc.Encode(v)
}

// marshal makes the JSON of v, safe for a terminal.
func marshal(v any, prefix, indent string) ([]byte, error) {
	var b bytes.Buffer
	err := encode(&b, v, prefix, indent)
	return b.Bytes(), err
}

// A listWriter prints a document whose last part is a list, an element at a
// time: the list may be longer than memory is.
type listWriter struct {
	a      *app
	tail   []byte
	prefix string // of the lines of an element
	tight  bool   // the brackets of the list are on the lines of the first and the last one
	any    bool
}

// list begins a document, which holds one empty list as its last value.
func (a *app) list(doc any) (*listWriter, error) {
	b, err := marshal(doc, "", "  ")
	if err != nil {
		return nil, err
	}
	i := bytes.LastIndex(b, []byte("[]")) + 1
	l := &listWriter{a: a, tail: b[i:], prefix: "  "}
	if i > 1 {
		l.prefix = "    "
	}
	_, err = a.raw.Write(b[:i])
	return l, err
}

// add prints an element, which is JSON on one line.
func (l *listWriter) add(b []byte) error {
	if l.any {
		l.a.raw.WriteByte(',')
	}
	if l.any || !l.tight {
		l.a.raw.WriteByte('\n')
		l.a.raw.WriteString(l.prefix)
	}
	l.any = true
	_, err := l.a.raw.Write(b)
	return err
}

// end ends the document. Without it the document is no whole one.
func (l *listWriter) end() error {
	if l.any && !l.tight {
		l.a.raw.WriteString("\n" + l.prefix[2:])
	}
	_, err := l.a.raw.Write(l.tail)
	return err
}

// rawBytes is the base64 form of a guest's bytes where the string that JSON
// shows is not them, "" where it is.
func rawBytes(shown, raw string) string {
	if shown == raw {
		return ""
	}
	return base64.StdEncoding.EncodeToString([]byte(raw))
}

// texts makes strings of errors. It never returns nil, which JSON would show
// as null.
func texts(errs []error) []string {
	out := make([]string, len(errs))
	for i, err := range errs {
		out[i] = inFlags(err)
	}
	return out
}
