package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestResize takes sizes as qemu-img does, in every place of the line.
func TestResize(t *testing.T) {
	for _, x := range []struct {
		args []string // IMAGE stands for the name
		code int
		size int64
	}{
		{[]string{"IMAGE", "+1M"}, 0, 4 << 20},
		{[]string{"IMAGE", "5M"}, 0, 5 << 20},
		{[]string{"--shrink", "IMAGE", "-1M"}, 0, 2 << 20},
		{[]string{"IMAGE", "-1M", "--shrink"}, 0, 2 << 20},
		{[]string{"-q", "--shrink", "IMAGE", "-1.5M"}, 0, 3 << 19},
		{[]string{"--shrink", "--", "IMAGE", "-1M"}, 0, 2 << 20},
		{[]string{"-f", "raw", "IMAGE", "--shrink", "1M"}, 0, 1 << 20},
		{[]string{"IMAGE", "-1M"}, exitFailed, 3 << 20},
		{[]string{"IMAGE", "1M"}, exitFailed, 3 << 20},
		{[]string{"--shrink", "IMAGE", "-9M"}, exitUsage, 3 << 20},
		{[]string{"IMAGE", "-x"}, exitUsage, 3 << 20},
		{[]string{"IMAGE"}, exitUsage, 3 << 20},
	} {
		path := filepath.Join(t.TempDir(), "disk.raw")
		if err := os.WriteFile(path, make([]byte, 3<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		args := append([]string{"resize"}, x.args...)
		args[slices.Index(args, "IMAGE")] = path
		r := gk(t, args...)
		fi, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if r.code != x.code || fi.Size() != x.size {
			t.Errorf("%q: code %d, %d bytes, %s", x.args, r.code, fi.Size(), r.err)
		}
	}
}
