package ext4_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io/fs"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/ext4"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

// fixtures are the images in testdata that have a listing of what the kernel
// showed of them.
var fixtures = []string{"ext2", "ext3", "ext4", "inline", "dirty", copied}

func openFS(r block.Reader) (vfs.FS, error) { return ext4.Open(r, nil) }

// copied names the fixture that mke2fs has copied from a folder, and that no
// kernel has mounted: what mke2fs adds or does not copy is not listed.
const copied = "huge-blocks"

// listing writes a tree as text: a line for each path.
func listing(name string, tree map[string]testimg.Node) string {
	var lines []string
	for p, n := range tree {
		if name == copied {
			if p == "." || p == "lost+found" {
				continue
			}
			if n.Mode.IsDir() {
				n.Size = 0
			}
			n.Mtime, n.Ctime = n.Mtime.Truncate(time.Second), n.Ctime.Truncate(time.Second)
		}
		content := n.SHA256
		if n.Mode&fs.ModeSymlink != 0 {
			content = "-> " + quote(n.Target)
		}
		if n.Mode&fs.ModeDevice != 0 {
			content = fmt.Sprintf("%d:%d", n.Major, n.Minor)
		}
		var xs []string
		for k, v := range n.Xattrs {
			if len(v) > 64 {
				v = "..." + v[len(v)-64:]
			}
			xs = append(xs, quote(k)+"="+hex.EncodeToString([]byte(v)))
		}
		sort.Strings(xs)
		lines = append(lines, strings.TrimRight(fmt.Sprintf("%s %v %d:%d links=%d size=%d mtime=%d.%09d ctime=%d %s %s", quote(p), n.Mode, n.UID, n.GID, n.Nlink, n.Size,
			n.Mtime.Unix(), n.Mtime.Nanosecond(), n.Ctime.Unix(), content, strings.Join(xs, ",")), " "))
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n") + "\n"
}

// quote makes any bytes one word of ASCII.
func quote(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c > ' ' && c < 0x7F && c != '%' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// TestFixtures compares the images in testdata with what the kernel showed of
// them when they were made.
func TestFixtures(t *testing.T) {
	for _, name := range fixtures {
		t.Run(name, func(t *testing.T) {
			fsys, err := ext4.Open(bytes.NewReader(testimg.Fixture(t, name)), nil)
			if err != nil {
				t.Fatal(err)
			}
			tree, err := testimg.ReadTree(fsys, testimg.TreeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			compareLines(t, listing(name, tree), string(testimg.Unpack(t, "testdata/"+name+".tree.gz")))
			if p := fsys.Problems(); len(p) > 0 {
				t.Errorf("problems: %v", p)
			}
			if info := fsys.Info(); info.Dirty != (name == "dirty") || info.Replayed != info.Dirty {
				t.Errorf("Info = %+v", info)
			}
		})
	}
}

func compareLines(t *testing.T, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for _, line := range w {
		if _, ok := slices.BinarySearch(g[:len(g)-1], line); !ok && line != "" {
			t.Errorf("missing: %s", line)
		}
	}
	for _, line := range g {
		if _, ok := slices.BinarySearch(w[:len(w)-1], line); !ok && line != "" {
			t.Errorf("not in the kernel's view: %s", line)
		}
	}
}

// TestFS runs the tests that io/fs has for its implementations, on trees
// without dangling links and backslashes, which those take amiss.
func TestFS(t *testing.T) {
	for _, name := range []string{"ext2", "ext4", "inline"} {
		t.Run(name, func(t *testing.T) {
			fsys, err := ext4.Open(bytes.NewReader(testimg.Fixture(t, name)), nil)
			if err != nil {
				t.Fatal(err)
			}
			for dir, file := range map[string]string{"deep": "0/1/2", "many": "name-000001-x", "times": "9", "gone": "7", "attrs": "dir/inherits", "small-dir": "e8"} {
				testimg.TestSub(t, fsys, dir, file)
			}
		})
	}
}

// TestInlineAllocated compares how much a file occupies that lies in its inode with
// what stat says of it: the kernel rounds it up to sectors, and i_blocks is 0.
func TestInlineAllocated(t *testing.T) {
	fsys, err := ext4.Open(bytes.NewReader(testimg.Fixture(t, "inline")), nil)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	err = fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		st := testimg.Stat(t, fsys, p)
		if st.Size == 0 || st.Size > 60 {
			return nil
		}
		seen++
		if st.Allocated%4096 != 512 {
			t.Errorf("%s of %d bytes occupies %d", p, st.Size, st.Allocated)
		}
		return nil
	})
	if err != nil || seen == 0 {
		t.Errorf("%d files, %v", seen, err)
	}
}

// TestContent runs the conformance test of devices on files of every shape.
func TestContent(t *testing.T) {
	for _, name := range []string{"ext2", "ext4", "inline", copied} {
		fsys, err := ext4.Open(bytes.NewReader(testimg.Fixture(t, name)), nil)
		if err != nil {
			t.Fatal(err)
		}
		files, err := fs.Glob(fsys, "*")
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			if fi, err := fsys.Lstat(path); err != nil || !fi.Mode().IsRegular() {
				continue
			}
			f, err := fsys.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			d, ok := f.(block.Device)
			if !ok || d.Size() > 8<<20 {
				continue
			}
			t.Run(name+"/"+path, func(t *testing.T) {
				want, err := fs.ReadFile(fsys, path)
				if err != nil {
					t.Fatal(err)
				}
				testimg.TestDevice(t, d, bytes.NewReader(want), int64(fsys.Info().BlockSize))
			})
		}
	}
}
