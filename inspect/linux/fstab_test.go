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
