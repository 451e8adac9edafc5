package fat_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/fat"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestCrossLinked says of two files that begin in one cluster what fsck says; a file
// that is read twice is none.
func TestCrossLinked(t *testing.T) {
	peers.Need(t, "mkfs.vfat", "fsck.vfat", "mcopy")
	dir := t.TempDir()
	img, src := filepath.Join(dir, "image"), filepath.Join(dir, "file")
	peers.Run(t, "mkfs.vfat", "-F", "16", "-s", "1", "-C", img, "4096")
	if err := os.WriteFile(src, bytes.Repeat([]byte("x"), 3000), 0o600); err != nil {
		t.Fatal(err)
	}
	peers.Run(t, "mcopy", "-i", img, src, "::ONE")
	peers.Run(t, "mcopy", "-i", img, src, "::TWO")
	b, err := os.ReadFile(img)
	if err != nil {
		t.Fatal(err)
	}
	read := func() []error {
		t.Helper()
		fsys, err := fat.Open(bytes.NewReader(b), nil)
		if err != nil {
			t.Fatal(err)
		}
		return testimg.ReadFiles(t, fsys, "ONE", "TWO", "ONE")
	}
	if p := read(); len(p) > 0 {
		t.Errorf("problems of a sound volume: %v", p)
	}
	one, two := bytes.Index(b, []byte("ONE     ")), bytes.Index(b, []byte("TWO     "))
	copy(b[two+26:two+28], b[one+26:one+28])
	if err := os.WriteFile(img, b, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := peers.Command(t, "fsck.vfat", "-n", img).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "share clusters") {
		t.Fatalf("fsck.vfat: %v\n%s", err, out)
	}
	if p := read(); len(p) != 1 || !errors.Is(p[0], block.ErrCorrupt) || !strings.Contains(p[0].Error(), "cross-linked") {
		t.Errorf("problems: %v", p)
	}
}
