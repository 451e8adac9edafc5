package testimg

import (
	"archive/tar"
	"io"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// Case returns the files of one case of a .tar.zst of fixtures.
func Case(t testing.TB, archive, want string) map[string][]byte {
	t.Helper()
	var out map[string][]byte
	walk(t, archive, func(name string, files map[string][]byte) bool {
		if name == want {
			out = files
		}
		return out == nil
	})
	if out == nil {
		t.Fatalf("%s has no case %s", archive, want)
	}
	return out
}

// Cases reads a .tar.zst of fixtures, one folder a case, and calls f with each
// folder's name and its files. Only one case is in memory at a time.
func Cases(t testing.TB, archive string, f func(name string, files map[string][]byte)) {
	t.Helper()
	walk(t, archive, func(name string, files map[string][]byte) bool {
		f(name, files)
		return true
	})
}

// walk is Cases until f has enough.
func walk(t testing.TB, archive string, f func(name string, files map[string][]byte) bool) {
	t.Helper()
	file, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := zstd.NewReader(file, zstd.WithDecoderMaxWindow(1<<27), zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	r := tar.NewReader(z)
	name, files := "", map[string][]byte{}
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", archive, err)
		}
		if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeGNUSparse {
			continue
		}
		dir, base := path.Split(strings.TrimPrefix(h.Name, "./"))
		if dir = path.Clean(dir); dir != name {
			if name != "" && !f(name, files) {
				return
			}
			name, files = dir, map[string][]byte{}
		}
		if files[base], err = io.ReadAll(r); err != nil {
			t.Fatalf("%s: %s: %v", archive, h.Name, err)
		}
	}
	if name != "" {
		f(name, files)
	}
}
