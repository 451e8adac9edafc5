package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDigest has one digest for one disk in several formats.
func TestDigest(t *testing.T) {
	dir := t.TempDir()
	raw := filepath.Join(dir, "disk.raw")
	b := make([]byte, 5<<20+512)
	copy(b[1<<20:], bytes.Repeat([]byte("data"), 300<<10))
	copy(b[5<<20:], "end")
	if err := os.WriteFile(raw, b, 0o600); err != nil {
		t.Fatal(err)
	}
	want, _, _ := strings.Cut(gk(t, "digest", raw).out, " ")
	if len(want) != 64 {
		t.Fatalf("digest %q", want)
	}
	for _, name := range []string{"a.qcow2", "b.vmdk", "c.vhdx", "d.vdi"} {
		path := filepath.Join(dir, name)
		if r := gk(t, "convert", raw, path); r.code != 0 {
			t.Fatal(r.err)
		}
		if r := gk(t, "digest", path); r.out != want+"  "+path+"\n" {
			t.Errorf("%s: %+v, want %s", name, r, want)
		}
		if r := gk(t, "digest", "--json", path); !strings.Contains(r.out, want) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
