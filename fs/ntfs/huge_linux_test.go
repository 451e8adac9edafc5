package ntfs_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/fs/ntfs"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestHugeDirectory looks names up in a directory of many, which must not be
// read for it. GUESTKIT_NAMES says how many: 100000 take ntfs-3g a while.
func TestHugeDirectory(t *testing.T) {
	peers.Need(t, "mkntfs", "ntfs-3g")
	n := 4000
	if s := os.Getenv("GUESTKIT_NAMES"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	img := mkntfs(t, 64<<20+int64(n)*2048)
	dir, unmount := mount3g(t, img)
	f := newFiller(t, dir)
	f.mkdir("d")
	name := func(i int) string { return fmt.Sprintf("d/Name %06d", i) }
	for i := range n {
		f.must(os.WriteFile(f.path(name(i*7919%n)), nil, 0o666)) // in no order
	}
	unmount()
	trace := &testimg.Trace{Reader: testimg.File(t, img)}
	fsys, err := ntfs.Open(trace, nil)
	if err != nil {
		t.Fatal(err)
	}
	before := trace.Bytes()
	for i := 0; i < n; i += n / 7 {
		for _, path := range []string{name(i), strings.ToUpper(name(i)), strings.ToLower(name(i))} {
			if _, err := fsys.Stat(path); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
		if _, err := fsys.Stat(name(i) + "x"); err == nil {
			t.Errorf("%sx exists", name(i))
		}
		// Each is in a part of its own: a few blocks of the index, and a page of
		// the MFT.
		read := trace.Bytes() - before
		before = trace.Bytes()
		if read > 256<<10 {
			t.Errorf("%s: %d bytes were read", name(i), read)
		}
		t.Logf("%s: %d KiB were read", name(i), read>>10)
	}
	es, err := fsys.ReadDir("d")
	if err != nil || len(es) != n {
		t.Errorf("it lists %d names, %v; want %d", len(es), err, n)
	}
}
