package testimg

import (
	"bytes"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/fs/vfs"
)

// Fixture returns the image NAME.img.gz of the package's testdata, to change.
func Fixture(t testing.TB, name string) []byte {
	t.Helper()
	return Unpack(t, "testdata/"+name+".img.gz")
}

// MustOpen opens a filesystem in memory.
func MustOpen(t testing.TB, image []byte, open Opener) vfs.FS {
	t.Helper()
	fsys, err := open(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	return fsys
}

// Inode looks up an inode as vfs does: "." is the root.
func Inode[N vfs.Inode](t testing.TB, d vfs.Driver, path string) N {
	t.Helper()
	n, err := d.Root()
	for name := range strings.SplitSeq(path, "/") {
		if err != nil || path == "." {
			break
		}
		n, err = n.Lookup(name)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return n.(N)
}

// TestFiles runs TestDevice on files of a filesystem.
func TestFiles(t *testing.T, fsys vfs.FS, blockSize int64, paths ...string) {
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			want, err := fs.ReadFile(fsys, path)
			if err != nil {
				t.Fatal(err)
			}
			f, err := fsys.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			TestDevice(t, f.(*vfs.File), bytes.NewReader(want), blockSize)
		})
	}
}

// TestSub runs the tests that io/fs has for its implementations on a directory in
// which it is to find file. They take dangling links and backslashes amiss.
func TestSub(t *testing.T, fsys fs.FS, dir, file string) {
	t.Helper()
	sub, err := fs.Sub(fsys, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(sub, file); err != nil {
		t.Errorf("%s: %v", dir, err)
	}
}
