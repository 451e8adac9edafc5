package remedy_test

import (
	"testing"

	"github.com/guestkit/guestkit/internal/remedy"
)

func TestIn(t *testing.T) {
	w := remedy.Words{"Options.AllowDirs": "--allow-dir", "Options.Format": "-f", "Options.Unwrap": "", "vhd.SizeRule": "--vhd-size"}
	for text, want := range map[string]string{
		"":                    "",
		"nothing; of it":      "nothing; of it",
		"Options.Format":      "-f",
		"Options.Format raw":  "-f raw",
		"(Options.Format)":    "(-f)",
		"Options.Formats":     "Options.Formats",
		"myOptions.Format":    "myOptions.Format",
		"/Options.Format/x":   "/Options.Format/x",
		`"Options.Format"`:    `"Options.Format"`,
		"a; vhd.SizeRule too": "a; --vhd-size too",
		"a; Options.Unwrap b; Options.AllowDirs, Options.AllowDirs: c": "a; --allow-dir, --allow-dir: c",
		"x: not this; Options.Unwrap reads it":                         "x: not this",
		"Options.Other is kept":                                        "Options.Other is kept",
	} {
		if got := w.In(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
