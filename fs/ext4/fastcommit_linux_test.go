package ext4_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// fastChurn changes a mounted filesystem so that the kernel makes fast commits of
// it: each step is an fsync of what changed.
func fastChurn(t *testing.T, dir string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	p := func(format string, args ...any) string { return filepath.Join(dir, fmt.Sprintf(format, args...)) }
	write := func(name string, off int64, b []byte) {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o644)
		must(err)
		_, err = f.WriteAt(b, off)
		must(err)
		must(f.Sync())
		must(f.Close())
	}
	sync := func(name string) {
		f, err := os.Open(name)
		must(err)
		must(f.Sync())
		must(f.Close())
	}
	must(os.Symlink("somewhere", p("old/link"))) // of which it makes none: a whole transaction
	for i := range 20 {
		write(p("new-%d", i), 0, bytes.Repeat([]byte{byte(i)}, 700*i+1))
	}
	write(p("old/grown"), 1<<20, bytes.Repeat([]byte("grown"), 9000)) // behind a hole
	write(p("old/grown"), 64<<10, bytes.Repeat([]byte("middle"), 3000))
	must(os.Truncate(p("old/cut"), 5000))
	sync(p("old/cut"))
	must(os.Link(p("old/linked"), p("old/another name")))
	sync(p("old/linked"))
	must(os.Remove(p("old/gone")))
	must(os.Rename(p("old/moved"), p("moved here")))
	sync(p("moved here"))
	must(os.Mkdir(p("made"), 0o750))
	must(os.Mkdir(p("made/below"), 0o711))
	for i := range 30 {
		write(p("made/below/%s-%d", strings.Repeat("n", 60), i), 0, []byte(fmt.Sprint(i)))
	}
	must(os.Chmod(p("old/mode"), 0o4711))
	must(os.Chown(p("old/mode"), 1000, 100000))
	sync(p("old/mode"))
	must(os.Rename(p("new-3"), p("new-4"))) // over another
	must(os.Remove(p("new-5")))
	sync(p("new-4"))
	write(p("last"), 0, []byte("last"))
}

// TestFastCommit copies an image whose last changes are fast commits, and
// compares what is read with what the kernel makes of a copy.
func TestFastCommit(t *testing.T) {
	peers.NeedRoot(t)
	for _, c := range []struct {
		name string
		args []string
	}{
		{"4k", nil},
		{"1k", []string{"-b", "1024"}},
		{"no-csum", []string{"-O", "^metadata_csum,^64bit"}},
		{"inline", []string{"-O", "inline_data"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			image := mkfs(t, "64M", append([]string{"-t", "ext4", "-O", "fast_commit"}, c.args...)...)
			dir := peers.Mount(t, image, "ext4", "commit=300", "noatime")
			old := filepath.Join(dir, "old")
			if err := os.Mkdir(old, 0o755); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"grown", "cut", "linked", "gone", "moved", "mode"} {
				if err := os.WriteFile(filepath.Join(old, name), bytes.Repeat([]byte(name), 8000), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			peers.Run(t, "sync", "-f", dir)
			fastChurn(t, dir)
			dirty := copyFile(t, image)
			peers.Unmount(t, dir)
			if area := fastArea(t, dirty); !bytes.Contains(area, []byte("last\x06\x00")) && !bytes.Contains(area, []byte("last\x02\x00")) && !bytes.Contains(area, []byte("last\x08\x00")) {
				t.Fatal("the kernel made no fast commit of the last file")
			}
			// The kernel's replay touches directories as if names were made now,
			// counts no links of those below, and makes blocks for names.
			compareRecovered(t, dirty, func(got, want testimg.Node) testimg.Node {
				if got.Mode.IsDir() {
					got.Mtime, got.Ctime, got.Nlink, got.Size = want.Mtime, want.Ctime, want.Nlink, want.Size
				}
				return got
			})
		})
	}
}

// fastArea reads the last MiB of the journal, where the fast commits are.
func fastArea(t *testing.T, image string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "journal")
	peers.Run(t, "debugfs", "-R", "dump <8> "+out, image)
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestMakeFastFixture makes testdata/fast.img.gz; testdata/make.sh runs it.
func TestMakeFastFixture(t *testing.T) {
	if os.Getenv("GUESTKIT_MAKE_FIXTURES") == "" {
		t.Skip("run testdata/make.sh")
	}
	peers.NeedRoot(t)
	image := mkfs(t, "3M", "-t", "ext4", "-b", "1024", "-O", "fast_commit", "-N", "128", "-J", "size=1,fast_commit_size=256")
	dir := peers.Mount(t, image, "ext4", "commit=300", "noatime")
	old := filepath.Join(dir, "old")
	if err := os.Mkdir(old, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"grown", "cut", "linked", "gone", "moved", "mode"} {
		if err := os.WriteFile(filepath.Join(old, name), bytes.Repeat([]byte(name), 1000), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	peers.Run(t, "sync", "-f", dir)
	fastChurn(t, dir)
	dirty := copyFile(t, image)
	peers.Unmount(t, dir)
	keep(t, "fast", dirty, nil)
}
