package terminal

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"":                                  "",
		"/etc/os-release":                   "/etc/os-release",
		"Größe 日本 ✓":                        "Größe 日本 ✓",
		"a\x1b[31mred":                      `a\x1b[31mred`,
		"two\nlines\tand\r":                 `two\x0alines\x09and\x0d`,
		"del\x7f":                           `del\x7f`,
		"c1 \u009b31m":                      `c1 \u009b31m`,
		"exe\u202egpj":                      `exe\u202egpj`,
		"\u200e\u200f\u2066\u2069":          `\u200e\u200f\u2066\u2069`,
		"braille\u2800":                     `braille\u2800`,
		"zero\u200bwidth\u00ad\u180e\u115f": `zero\u200bwidth\u00ad\u180e\u115f`,
		"tag\U000e0041":                     `tag\U000e0041`,
		"latin1 \xe9":                       `latin1 \xe9`,
		"\xff\xfe":                          `\xff\xfe`,
		"kept \uFFFD":                       "kept \uFFFD",
		"vfs " + string(rune(0xEF00+0xe9)):  `vfs \xe9`,
		`C:\Windows`:                        `C:\Windows`,
	} {
		if got := Escape(in); got != want {
			t.Errorf("Escape(%q) = %q, want %q", in, got, want)
		}
	}
}

type family string

func TestPrinterEscapesEveryKind(t *testing.T) {
	var b strings.Builder
	p := NewPrinter(&b, false)
	p.Printf("%s %s %s %s %d\n", "\x1b", errors.New("\x07"), family("\u202e"), []string{"\x00"}, 7)
	if got, want := b.String(), `\x1b \x07 \u202e [\x00] 7`+"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestColor(t *testing.T) {
	var plain, color strings.Builder
	NewPrinter(&plain, false).Printf("%s|%s\n", Bold.In("a\x1b"), Plain.In("b"))
	NewPrinter(&color, true).Printf("%s|%s\n", Bold.In("a\x1b"), Plain.In("b"))
	if got, want := plain.String(), `a\x1b|b`+"\n"; got != want {
		t.Errorf("plain: %q, want %q", got, want)
	}
	if got, want := color.String(), "\x1b[1m"+`a\x1b`+"\x1b[0m|b\n"; got != want {
		t.Errorf("colour: %q, want %q", got, want)
	}
}

func TestTable(t *testing.T) {
	tab := Table{Indent: 2, Right: "-r"}
	tab.Head("NAME", "SIZE", "WHAT")
	tab.Row("a", 5, "x")
	tab.Row("日本", 12345, "")
	tab.Row("a\nb", "", "y")
	var b strings.Builder
	NewPrinter(&b, false).Table(&tab)
	want := "" +
		"  NAME     SIZE  WHAT\n" +
		"  a           5  x\n" +
		"  日本    12345\n" +
		"  a\\x0ab         y\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	var c strings.Builder
	NewPrinter(&c, true).Table(&tab)
	if stripped := strings.NewReplacer("\x1b[2m", "", "\x1b[0m", "").Replace(c.String()); stripped != want {
		t.Errorf("colour moves the columns:\n%s", stripped)
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{-1: "unknown", 0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.5 KiB",
		64 << 20: "64 MiB", 1<<30 - 1: "1 GiB", 10<<30 + 700<<20: "10.7 GiB", 1<<63 - 1: "8 EiB"} {
		if got := Size(n); got != want {
			t.Errorf("Size(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestEscapeJSON(t *testing.T) {
	in := map[string]string{"name": "a\u202eb\u009b\x7f\x1b", "vfs": "\uEFE9"}
	raw, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	got := EscapeJSON(raw)
	if want := `{"name":"a\u202eb\u009b\u007f\u001b","vfs":"` + "\uEFE9" + `"}`; string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var out map[string]string
	if err := json.Unmarshal(got, &out); err != nil || out["name"] != in["name"] || out["vfs"] != in["vfs"] {
		t.Errorf("the meaning changed: %v %q", err, out)
	}
}

// FuzzPrinter states the promise of this package: whatever is printed, nothing
// leaves that a terminal would obey.
func FuzzPrinter(f *testing.F) {
	f.Add("\x1b]0;title\x07", "a\r\nb")
	f.Add("\u202e\xff\x80", "\u009b31m")
	f.Fuzz(func(t *testing.T, a, b string) {
		var out strings.Builder
		p := NewPrinter(&out, false)
		p.Printf("%s: %s\n", a, errors.New(b))
		tab := Table{Indent: 1}
		tab.Head("A", "B")
		tab.Row(a, Bold.In(b))
		p.Table(&tab)
		s := out.String()
		if !utf8.ValidString(s) {
			t.Errorf("not UTF-8: %q", s)
		}
		if strings.Count(s, "\n") != 3 {
			t.Errorf("a line more than was meant: %q", s)
		}
		for _, r := range s {
			if r != '\n' && dangerous(r) {
				t.Errorf("%U got through: %q", r, s)
			}
		}
	})
}

func TestTextWriter(t *testing.T) {
	const in = "Käse\tund\r\nBrot\x1b[31m\u202e\xff 日本\n\xe6\x97"
	const want = "Käse\tund\\x0d\nBrot\\x1b[31m\\u202e\\xff 日本\n\\xe6\\x97"
	for step := 1; step <= len(in); step++ {
		var b strings.Builder
		w := NewTextWriter(&b)
		for i := 0; i < len(in); i += step {
			part := in[i:min(i+step, len(in))]
			if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
				t.Fatal(n, err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if b.String() != want {
			t.Errorf("in steps of %d: %q, want %q", step, b.String(), want)
		}
	}
}

// TestEscapeInvisible holds the table to what Unicode says of these characters.
func TestEscapeInvisible(t *testing.T) {
	for r := rune(0x80); r < 0xE1000; r++ {
		ignorable := unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) || unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r) || unicode.Is(unicode.Variation_Selector, r)
		// Marks of Egyptian hieroglyphs are format characters that are shown.
		if ignorable && !(r >= 0x13430 && r <= 0x1345F) && Escape(string(r)) == string(r) {
			t.Errorf("%U is not escaped", r)
		}
	}
	b := EscapeJSON([]byte("\"a\U000e0041\u200b\""))
	var s string
	if err := json.Unmarshal(b, &s); err != nil || s != "a\U000e0041\u200b" || strings.ContainsFunc(string(b), func(r rune) bool { return r > 0x7F }) {
		t.Errorf("%s: %q, %v", b, s, err)
	}
}
