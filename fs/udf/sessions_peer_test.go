package udf

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestSessions reads a disc that genisoimage wrote in two sessions of UDF, with the
// gap that a CD has between them, and what it was before the second.
func TestSessions(t *testing.T) {
	peers.Need(t, "genisoimage")
	const second = 12_000
	dir := t.TempDir()
	disc, part := filepath.Join(dir, "disc"), filepath.Join(dir, "part")
	f, err := os.Create(disc)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i, flags := range [][]string{nil, {"-C", fmt.Sprint("0,", second), "-M", disc}} {
		files := filepath.Join(dir, fmt.Sprint(i))
		if err := os.Mkdir(files, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(files, fmt.Sprint("file", i)), []byte(fmt.Sprint("session ", i)), 0o644); err != nil {
			t.Fatal(err)
		}
		peers.Run(t, "genisoimage", append(append([]string{"-quiet", "-udf", "-V", fmt.Sprint("S", i), "-o", part}, flags...), files)...)
		b, err := os.ReadFile(part)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(b, int64(i)*second*2048); err != nil {
			t.Fatal(err)
		}
	}
	r := testimg.File(t, disc)
	for label, r := range map[string]block.Reader{"S0": block.Section(block.Plain(r), 0, second*2048), "S1": r} {
		fsys, err := Open(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if i := fsys.Info(); i.Label != label || slices.Contains(i.Features, "multi_session") != (label == "S1") || len(fsys.Problems()) > 0 {
			t.Errorf("Info = %+v, problems %v", i, fsys.Problems())
		}
		b, err := fs.ReadFile(fsys, "file"+label[1:])
		if string(b) != "session "+label[1:] || err != nil {
			t.Errorf("%s: %q, %v", label, b, err)
		}
	}
}
