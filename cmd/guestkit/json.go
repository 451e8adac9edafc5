package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/internal/terminal"
)

// schema names the form of a command's document. A form is only ever
// extended; docs/json.md describes them all.
func schema(command string) string { return "guestkit." + command + "/v1" }

// jsonFlag gives a command the flag --json.
func (a *app) jsonFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&a.json, "json", false, "print a JSON document; docs/json.md describes it")
}

// document prints one JSON document over several lines.
func (a *app) document(v any) error { return a.encode(v, "  ") }

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
