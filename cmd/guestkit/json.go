package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"

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

func (a *app) encode(v any, indent string) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := a.raw.Write(terminal.EscapeJSON(b.Bytes()))
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
		out[i] = err.Error()
	}
	return out
}
