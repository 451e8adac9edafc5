package exfat

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestCrossLinked says of two files that they begin in one cluster.
func TestCrossLinked(t *testing.T) {
	image := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, make([]byte, 6<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	peers.Run(t, "mkfs.exfat", "-c", "4096", image)
	dir := mount(t, image)
	for _, name := range []string{"one", "two"} {
		if err := os.WriteFile(filepath.Join(dir, name), bytes.Repeat([]byte("x"), 9000), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	peers.Unmount(t, dir)
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	read := func() []error {
		t.Helper()
		fsys, err := Open(bytes.NewReader(b), nil)
		if err != nil {
			t.Fatal(err)
		}
		return testimg.ReadFiles(t, fsys, "one", "two", "one")
	}
	if p := read(); len(p) > 0 {
		t.Errorf("problems of a sound volume: %v", p)
	}
	set := func(name string) []byte { // its entry, stream and name
		i := bytes.Index(b, []byte(name[:1]+"\x00"+name[1:2]+"\x00"+name[2:]+"\x00")) - 2 - 2*entryLen
		if i < 0 || b[i] != 0x85 || b[i+entryLen] != 0xC0 {
			t.Fatal("no entry of", name)
		}
		return b[i : i+3*entryLen]
	}
	two := set("two")
	copy(two[entryLen+20:entryLen+24], set("one")[entryLen+20:])
	sum := uint16(0)
	for i, c := range two {
		if i != 2 && i != 3 {
			sum = sum<<15 | sum>>1
			sum += uint16(c)
		}
	}
	binary.LittleEndian.PutUint16(two[2:], sum)
	if p := read(); len(p) != 1 || !errors.Is(p[0], block.ErrCorrupt) || !strings.Contains(p[0].Error(), "cross-linked") {
		t.Errorf("problems: %v", p)
	}
}
