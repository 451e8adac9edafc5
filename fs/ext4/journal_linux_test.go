package ext4_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/ext4"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// copyFile copies an image, holes and all.
func copyFile(t testing.TB, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	peers.Run(t, "cp", "--sparse=always", from, to)
	return to
}

func hashOf(t testing.TB, path string) [32]byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return [32]byte(h.Sum(nil))
}

// churn changes a mounted filesystem in rounds, each committed to the journal by
// an fsync: files, renames, directories that are removed so that their blocks
// are revoked and used again for data, and data that looks like a journal.
func churn(t testing.TB, dir string, rounds int) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	p := func(format string, args ...any) string { return filepath.Join(dir, fmt.Sprintf(format, args...)) }
	sync := func(path string) {
		f, err := os.Open(path)
		must(err)
		must(f.Sync())
		must(f.Close())
	}
	must(os.WriteFile(p("old-name"), []byte("old"), 0o600))
	for r := range rounds {
		must(os.MkdirAll(p("round-%d/sub", r), 0o755))
		for i := range 60 {
			must(os.WriteFile(p("round-%d/sub/file-%d", r, i), bytes.Repeat([]byte{byte(r), byte(i)}, 100*i), 0o644))
		}
		must(os.Symlink(strings.Repeat("l", 200), p("round-%d/link", r)))
		sync(p("round-%d", r))
		if r > 0 {
			must(os.RemoveAll(p("round-%d/sub", r-1)))
			sync(dir)
			must(os.WriteFile(p("magic-%d", r), bytes.Repeat([]byte{0xC0, 0x3B, 0x39, 0x98, 0, 0, 0, byte(1 + r%5), 0, 0, 0, byte(r)}, 20000), 0o644))
			sync(p("magic-%d", r))
		}
	}
	must(os.Rename(p("old-name"), p("new-name")))
	sync(p("new-name"))
	sync(dir)
}

var dirtyConfigs = []struct {
	name   string
	args   []string
	mount  []string
	rounds int
}{
	{"ext3-1k", []string{"-t", "ext3", "-b", "1024"}, nil, 4},
	{"ext4", []string{"-t", "ext4"}, nil, 4},
	{"ext4-1k", []string{"-t", "ext4", "-b", "1024"}, nil, 4},
	{"no-csum", []string{"-t", "ext4", "-O", "^metadata_csum"}, nil, 4},
	{"no-64bit", []string{"-t", "ext4", "-O", "^64bit"}, nil, 4},
	{"csum-v1", []string{"-t", "ext4", "-O", "^metadata_csum,^64bit"}, []string{"journal_checksum"}, 4},
	{"async", []string{"-t", "ext4", "-O", "^metadata_csum"}, []string{"journal_async_commit", "data=writeback"}, 4},
	{"data-journal", []string{"-t", "ext4", "-b", "1024"}, []string{"data=journal"}, 6},
	{"data-journal-3", []string{"-t", "ext3", "-b", "4096"}, []string{"data=journal"}, 6},
	{"wrap", []string{"-t", "ext4", "-b", "1024", "-J", "size=2"}, []string{"data=journal"}, 12},
	{"inline", []string{"-t", "ext4", "-O", "inline_data"}, nil, 4},
}

// TestDirtyJournal copies an image while the kernel has it mounted, with changes
// that are committed to the journal and nowhere else, and compares what is read
// from it with what the kernel shows after its own recovery.
func TestDirtyJournal(t *testing.T) {
	peers.NeedRoot(t)
	for _, c := range dirtyConfigs {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			image := mkfs(t, "96M", c.args...)
			dir := peers.Mount(t, image, "ext4", append(c.mount, "noatime", "commit=300")...)
			churn(t, dir, c.rounds)
			dirty := copyFile(t, image)
			peers.Unmount(t, dir)
			compareRecovery(t, dirty)
		})
	}
}

// compareRecovery compares what is read of an image with a dirty journal with
// the kernel's view after it has recovered a copy.
func compareRecovery(t *testing.T, image string) { compareRecovered(t, image, nil) }

// compareRecovered is compareRecovery but for what differs in a way that alike
// evens out.
func compareRecovered(t *testing.T, image string, alike func(got, want testimg.Node) testimg.Node) {
	t.Helper()
	before := hashOf(t, image)
	fsys := openImage(t, image)
	got, err := testimg.ReadTree(fsys, testimg.TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if info := fsys.Info(); !info.Dirty || !info.Replayed {
		t.Errorf("Info = %+v, want dirty and replayed", info)
	}
	if p := fsys.Problems(); len(p) > 0 {
		t.Errorf("problems: %v", p)
	}
	if hashOf(t, image) != before {
		t.Error("the image was changed")
	}
	stale, err := ext4.Open(openFile(t, image), &ext4.Options{NoReplay: true})
	if err != nil {
		t.Fatal(err)
	}
	if info := stale.Info(); !info.Dirty || info.Replayed {
		t.Errorf("Info without replay = %+v", info)
	}
	if p := stale.Problems(); len(p) == 0 || !errors.Is(p[0], block.ErrDirty) {
		t.Errorf("problems without replay: %v", p)
	}
	if old, err := testimg.ReadTree(stale, testimg.TreeOptions{}); err == nil && len(old) == len(got) {
		t.Error("the journal changes nothing: the test proves nothing")
	}
	dir := peers.Mount(t, copyFile(t, image), "ext4", "noatime")
	want, err := testimg.HostTree(dir, testimg.TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for p, n := range got {
		if w, ok := want[p]; ok && alike != nil {
			got[p] = alike(n, w)
		}
	}
	testimg.CompareTrees(t, got, want, testimg.TreeOptions{})
}

// TestDebugfsJournal has debugfs write transactions with each kind of checksum
// and block number, with blocks that it revokes.
func TestDebugfsJournal(t *testing.T) {
	peers.NeedRoot(t)
	for _, c := range []struct{ name, features, open string }{
		{"plain", "^metadata_csum,^64bit", "jo"},
		{"plain-64bit", "^metadata_csum,64bit", "jo"},
		{"v2", "metadata_csum,^64bit", "jo -v 2 -c"},
		{"v2-64bit", "metadata_csum,64bit", "jo -v 2 -c"},
		{"v3", "metadata_csum,^64bit", "jo -v 3 -c"},
		{"v3-64bit", "metadata_csum,64bit", "jo -v 3 -c"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			image := mkfs(t, "32M", "-t", "ext4", "-b", "1024", "-O", c.features)
			dir := peers.Mount(t, image, "ext4")
			for _, name := range []string{"one", "two", "three"} {
				if err := os.WriteFile(filepath.Join(dir, name), bytes.Repeat([]byte(name), 1000), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			peers.Unmount(t, dir)
			blockOf := func(name string) string {
				out := peers.Run(t, "debugfs", "-R", "bmap "+name+" 0", image)
				return strings.TrimSpace(out)
			}
			data := filepath.Join(t.TempDir(), "data")
			if err := os.WriteFile(data, bytes.Repeat(append([]byte{0xC0, 0x3B, 0x39, 0x98}, bytes.Repeat([]byte("N"), 1020)...), 2), 0o600); err != nil {
				t.Fatal(err)
			}
			script := filepath.Join(t.TempDir(), "script")
			text := fmt.Sprintf("%s\njw -b %s,%s %s\njc\n%s\njw -r %s\njc\n%s\njw -b %s %s\njc\n", c.open, blockOf("one"), blockOf("two"), data,
				"jo", blockOf("two"), "jo", blockOf("three"), data)
			if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			peers.Run(t, "debugfs", "-w", "-f", script, image)
			compareDebugfs(t, image)
		})
	}
}

func compareDebugfs(t *testing.T, image string) {
	t.Helper()
	fsys := openImage(t, image)
	dir := peers.Mount(t, copyFile(t, image), "ext4", "noatime")
	got, err := testimg.ReadTree(fsys, testimg.TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want, err := testimg.HostTree(dir, testimg.TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	testimg.CompareTrees(t, got, want, testimg.TreeOptions{})
	if info := fsys.Info(); !info.Replayed || len(fsys.Problems()) > 0 {
		t.Errorf("Info = %+v, problems %v", info, fsys.Problems())
	}
	stale, err := ext4.Open(openFile(t, image), &ext4.Options{NoReplay: true})
	if err != nil {
		t.Fatal(err)
	}
	old, err := testimg.ReadTree(stale, testimg.TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name, changed := range map[string]bool{"one": true, "two": false, "three": true} {
		if (got[name].SHA256 != old[name].SHA256) != changed {
			t.Errorf("%s: replay changed it %v, want %v", name, !changed, changed)
		}
	}
}

// TestManyRevokes replays a log that revokes millions of blocks, most of which it
// never logged: one of those that it did counts.
func TestManyRevokes(t *testing.T) {
	peers.NeedRoot(t)
	peers.Need(t, "debugfs")
	image := mkfs(t, "12G", "-t", "ext4", "-b", "4096", "-J", "size=64", "-E", "lazy_itable_init=1")
	dir := peers.Mount(t, image, "ext4", "noinit_itable")
	for _, name := range []string{"one", "two", "three"} {
		if err := os.WriteFile(filepath.Join(dir, name), bytes.Repeat([]byte(name), 1000), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	peers.Unmount(t, dir)
	blockOf := func(name string) string {
		return strings.TrimSpace(peers.Run(t, "debugfs", "-R", "bmap "+name+" 0", image))
	}
	data := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(data, bytes.Repeat([]byte("N"), 3*4096), 0o600); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "script")
	text := fmt.Sprintf("jo -v 3 -c\njw -b %s,%s %s\njc\njo\njw -r %s,1000000-2000000,2100000-3100000\njc\njo\njw -b %s %s\njc\n",
		blockOf("one"), blockOf("two"), data, blockOf("two"), blockOf("three"), data)
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	peers.Run(t, "debugfs", "-w", "-f", script, image)
	compareDebugfs(t, image)
}
