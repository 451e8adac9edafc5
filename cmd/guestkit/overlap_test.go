package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestConvertOverlap has an image in which two blocks lie at one place: the
// data of one is lost.
func TestConvertOverlap(t *testing.T) {
	dir := t.TempDir()
	raw, vdi, out := filepath.Join(dir, "a.raw"), filepath.Join(dir, "a.vdi"), filepath.Join(dir, "out.raw")
	if err := os.WriteFile(raw, append(bytes.Repeat([]byte("a"), 1<<20), bytes.Repeat([]byte("b"), 1<<20)...), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := gk(t, "convert", raw, vdi); r.code != 0 {
		t.Fatal(r.err)
	}
	b, err := os.ReadFile(vdi)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	copy(b[le.Uint32(b[0x154:])+4:], make([]byte, 4)) // where block 0 lies
	if err := os.WriteFile(vdi, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{vdi, out}, {"--length", "64k", vdi, out}, {vdi, "-"}} {
		r := gk(t, append([]string{"convert"}, args...)...)
		if _, err := os.Stat(out); r.code != exitFailed || !strings.Contains(r.err, "is over something else") || len(r.out) > 0 || err == nil {
			t.Errorf("%q: %+v, %v", args, r, err)
		}
	}
	if r := gk(t, "convert", "--salvage", "--json", vdi, out); r.code != exitFailed || !strings.Contains(r.out, `"overlap": "vdi: `) {
		t.Errorf("salvage: %+v", r)
	}
	if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, bytes.Repeat([]byte("a"), 2<<20)) {
		t.Errorf("salvage gives %d bytes, %v", len(got), err)
	}
}
