//go:build qemu && linux

package qemuimg

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
)

// TestNoBacking: even past the check that refuses it, a backing file is not
// opened: what the image has not itself are zeros.
func TestNoBacking(t *testing.T) {
	for _, format := range []string{"qcow", "qcow2"} {
		path := filepath.Join(t.TempDir(), "image")
		peers.Run(t, "qemu-img", "create", "-q", "-f", format, "-b", "/etc/passwd", "-F", "raw", path, "1M")
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		scratch, err := newScratch(1 << 20)
		if err != nil {
			t.Fatal(err)
		}
		defer scratch.Close()
		if err := convert(f, scratch, format); err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(scratch)
		if err != nil || len(b) != 1<<20 {
			t.Fatalf("%d bytes, %v", len(b), err)
		}
		for off, c := range b {
			if c != 0 {
				t.Fatalf("%s: byte %d is %q", format, off, c)
			}
		}
	}
}

// TestComplaint: an error has what qemu-img says.
func TestComplaint(t *testing.T) {
	peers.Need(t, "qemu-img")
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := Describe(f, "qcow"); err == nil || !strings.Contains(err.Error(), "Could not open") {
		t.Errorf("an empty file: %v", err)
	}
}

// TestEnvironment: what runs learns nothing of the environment, and one that
// complains without end is cut short.
func TestEnvironment(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\n/usr/bin/env >&2\nwhile echo and so on; do :; done 2>/dev/null | /usr/bin/head -c 300000 >&2\nexit 1\n"
	if err := os.WriteFile(filepath.Join(dir, "qemu-img"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	t.Setenv("GUESTKIT_TEST_SECRET", "1")
	_, _, err := run(nil, "info")
	if err == nil {
		t.Fatal("no error")
	}
	text := err.Error()
	if !strings.Contains(text, "LC_ALL=C") || strings.Contains(text, "SECRET") || len(text) > 2*maxError {
		t.Errorf("an error of %d bytes: %.200s", len(text), text)
	}
}
