package vfs_test

import (
	"io/fs"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/guestkit/guestkit/fs/vfs"
)

func TestEscape(t *testing.T) {
	for raw, want := range map[string]string{
		"plain":             "plain",
		"ünï\U0001F600":     "ünï\U0001F600",
		"back\\slash":       "back\\slash",
		"\x1b[31m\n":        "\x1b[31m\n",
		"a/b":               "a\uEF2Fb",
		"nul\x00":           "nul\uEF00",
		"latin1-\xe9":       "latin1-\uEFE9",
		"cut\xe2\x82":       "cut\uEFE2\uEF82",
		"\uFFFD":            "\uFFFD",             // a real replacement character is one
		"\xed\xa0\x80":      "\uEFED\uEFA0\uEF80", // half of a surrogate pair is none
		".":                 "\uEF2E",
		"..":                "\uEF2E\uEF2E",
		"...":               "...",
		"own \uEF41":        "own \uEFEE\uEFBD\uEF81",
		"":                  "",
		"\uEEFF and \uF000": "\uEEFF and \uF000", // the neighbours of the range
	} {
		got := vfs.Escape(raw)
		if got != want {
			t.Errorf("Escape(%q) = %q, want %q", raw, got, want)
		}
		if back := vfs.Unescape(got); back != raw {
			t.Errorf("Unescape(%q) = %q, want %q", got, back, raw)
		}
	}
	if got := vfs.EscapeTarget("../a/\xe9/."); got != "../a/\uEFE9/." {
		t.Errorf("EscapeTarget keeps slashes and dots: %q", got)
	}
}

// FuzzEscape checks that every name has an escaped form of its own which io/fs
// accepts.
func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "a", ".", "..", "a/b", "\xff", "\uEF41", "\xee\xbc", "\xee\xbc\x80", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got := vfs.Escape(raw)
		if back := vfs.Unescape(got); back != raw {
			t.Errorf("%q becomes %q, which becomes %q", raw, got, back)
		}
		if raw != "" && (!fs.ValidPath(got) || got == "." || strings.Contains(got, "/")) {
			t.Errorf("%q becomes %q, which is no path element", raw, got)
		}
		if again := vfs.Escape(vfs.Unescape(got)); again != got {
			t.Errorf("%q has two escaped forms: %q and %q", raw, got, again)
		}
		target := vfs.EscapeTarget(raw)
		if back := vfs.Unescape(target); back != raw || !utf8.ValidString(target) || strings.Count(target, "/") != strings.Count(raw, "/") {
			t.Errorf("the target %q becomes %q, which becomes %q", raw, target, back)
		}
	})
}
