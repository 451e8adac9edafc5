package linux

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
)

// escapes are lines of an fstab and what their fields say. findmnt is the judge.
const escapes = `LABEL=end\040 /a\134 ext4 x-a=b\054
LABEL=\101\011b /mid\040dle/\043x auto ro
/dev/sda1 /plain\04 ext4 a\
/dev/sda2 /\0401 ext4 \134040
/dev/sda3 /short xfs
`

var unescaped = [][3]string{
	{"LABEL=end ", "/a\\", "x-a=b,"}, {"LABEL=A\tb", "/mid dle/#x", "ro"}, {"/dev/sda1", "/plain\\04", "a\\"}, {"/dev/sda2", "/ 1", "\\040"}, {"/dev/sda3", "/short", ""},
}

func TestFstabEscapes(t *testing.T) {
	got := parseFstab([]byte(escapes))
	if len(got) != len(unescaped) {
		t.Fatalf("%d entries", len(got))
	}
	for i, w := range unescaped {
		if g := ([3]string{got[i].spec, got[i].path, got[i].options}); g != w {
			t.Errorf("line %d: %q, want %q", i+1, g, w)
		}
	}
	if !peers.Has(t, "findmnt") {
		return
	}
	path := filepath.Join(t.TempDir(), "fstab")
	if err := os.WriteFile(path, []byte(escapes), 0o600); err != nil {
		t.Fatal(err)
	}
	out := strings.Split(strings.TrimSpace(peers.Run(t, "findmnt", "--tab-file", path, "-P", "-n", "-o", "SOURCE,TARGET,OPTIONS")), "\n")
	if len(out) != len(unescaped) {
		t.Fatalf("findmnt lists %d entries", len(out))
	}
	undo := strings.NewReplacer(`\x5c`, `\`, `\x09`, "\t")
	for i, w := range unescaped {
		var says [3]string
		for j, m := range regexp.MustCompile(`="([^"]*)"`).FindAllStringSubmatch(out[i], 3) {
			says[j] = undo.Replace(m[1])
		}
		if says != w {
			t.Errorf("findmnt reads line %d as %q, want %q", i+1, says, w)
		}
	}
}

// TestFstabFields: fstab(5) has six fields, of which mount(8) needs two; an escape is
// three octal digits of a byte.
func TestFstabFields(t *testing.T) {
	for line, want := range map[string]fstabEntry{
		"/dev/sda1":                   {},
		"/dev/sda1 /":                 {spec: "/dev/sda1", path: "/", typ: "auto"},
		"/dev/sda1 / ext4":            {spec: "/dev/sda1", path: "/", typ: "ext4"},
		"/dev/sda1 / ext4 ro":         {spec: "/dev/sda1", path: "/", typ: "ext4", options: "ro"},
		`/\377\077 /\400 a\1 0 0 0 0`: {spec: "/\xff?", path: `/\400`, typ: `a\1`, options: "0"},
		`\177\070 \080 \0:0 \0/0`:     {spec: "\x7f8", path: `\080`, typ: `\0:0`, options: `\0/0`},
	} {
		got := parseFstab([]byte(line))
		if want.spec == "" {
			if len(got) != 0 {
				t.Errorf("%q: %+v", line, got)
			}
			continue
		}
		if len(got) != 1 {
			t.Errorf("%q: %d entries", line, len(got))
			continue
		}
		if got[0].line = 0; got[0] != want {
			t.Errorf("%q: %+v, want %+v", line, got[0], want)
		}
	}
	for s, want := range map[string]string{
		`a\x20b`: "a b", `\x2f`: "/", `\x2F`: "/", `\xff`: "\xff", `\x2`: `\x2`, `\x2g`: `\x2g`, `\xg2`: `\xg2`, `\x`: `\x`, `\x20\x21`: " !", `x20`: "x20", `\x5cx20`: `\x20`,
		`\x0a`: "\n", `\xa0`: "\xa0",
	} {
		if got := unhex(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
	for options, want := range map[string]bool{"": false, "ro": true, "rw,ro": true, "ro,rw": true, "x-ro,roo": false} {
		if got := hasOption(options, "ro"); got != want {
			t.Errorf("%q: %v", options, got)
		}
	}
}
