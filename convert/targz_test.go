package convert

import (
	"context"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
)

func TestCarry(t *testing.T) {
	p := make([]byte, 1000)
	for i := range p {
		p[i] = byte(i * i)
	}
	for _, n := range []int{0, 1, 7, 512, 1000} {
		a, b := crc32.ChecksumIEEE(p[:1000-n]), crc32.ChecksumIEEE(p[1000-n:])
		m := carry(int64(n))
		if got, want := m.apply(a)^b, crc32.ChecksumIEEE(p); got != want {
			t.Errorf("%d bytes: %08x, want %08x", n, got, want)
		}
	}
}

// TestTarGz: the archive holds the disk, as gzip and tar read it.
func TestTarGz(t *testing.T) {
	peers.Need(t, "tar", "gzip", "cmp")
	dir := t.TempDir()
	raw := &Output{Path: filepath.Join(dir, "want"), Format: "raw"}
	src := bytesDisk(5<<20 + 256<<10)
	if _, err := ToFile(context.Background(), src, raw, nil); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "x.tar.gz")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	target, err := newTarGz(f, src.Size())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Run(context.Background(), src, target, nil); err != nil {
		t.Fatal(err)
	}
	if list := peers.Run(t, "tar", "-tvf", path); !strings.Contains(list, " 5505024 ") || !strings.HasSuffix(strings.TrimSpace(list), " disk.raw") {
		t.Errorf("tar lists %q", list)
	}
	peers.Run(t, "gzip", "-t", path)
	peers.Run(t, "sh", "-c", `tar -xOf "$1" | cmp - "$2"`, "sh", path, raw.Path)
}
