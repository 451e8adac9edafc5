package erofs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

// fixtures are the images of testdata, made with the arguments of mkfs.erofs.
var fixtures = []struct{ name, args string }{
	{"plain", "--chunksize=4096 -Enoinline_data"},
	{"inline", ""},
	{"lz4", "-zlz4 -Elegacy-compress"},
	{"lz4hc-big", "-zlz4hc -C16384 -Eztailpacking"},
	{"lzma", "-zlzma -C65536 -Efragments,dedupe"},
	{"deflate", "-zdeflate -Eall-fragments"},
	{"zstd-48bit", "-zzstd:lz4hc -C8192 -E48bit,fragments"},
	{"metabox", "-zlz4hc:zstd -m4096:zstd -E48bit"},
}

func openFS(r block.Reader) (vfs.FS, error) { return Open(r, nil) }

func TestFixtures(t *testing.T) {
	for _, x := range fixtures {
		t.Run(x.name, func(t *testing.T) {
			fsys := testimg.MustOpen(t, testimg.Fixture(t, x.name), openFS)
			tree, err := testimg.ReadTree(fsys, testimg.TreeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			testimg.CompareListings(t, testimg.Listing(tree), string(testimg.Unpack(t, "testdata/"+x.name+".tree.gz")))
			if p := fsys.Problems(); len(p) > 0 {
				t.Errorf("problems: %v", p)
			}
			info := fsys.Info()
			if info.Type != "erofs" || info.Label != "a label" || info.UUID != "6f6b6579-0000-4000-8000-000000000001" || info.BlockSize != 4096 {
				t.Errorf("Info = %+v", info)
			}
			testimg.TestSub(t, fsys, "many", "name-000007-x")
			es, err := fsys.ReadDir("many")
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range es {
				for _, no := range []string{e.Name() + "x", e.Name()[:len(e.Name())-1]} {
					if _, err := fsys.Stat("many/" + no); !errors.Is(err, fs.ErrNotExist) {
						t.Errorf("%s: %v", no, err)
					}
				}
			}
		})
	}
}

// TestContent runs the conformance test of devices on files of every shape.
func TestContent(t *testing.T) {
	for _, x := range fixtures {
		fsys := testimg.MustOpen(t, testimg.Fixture(t, x.name), openFS)
		t.Run(x.name, func(t *testing.T) {
			testimg.TestFiles(t, fsys, 4096, "size-0", "size-5000", "holes", "zeros", "noise", "size-12289")
		})
	}
	f, err := testimg.MustOpen(t, testimg.Fixture(t, "plain"), openFS).Open("noise")
	if err != nil {
		t.Fatal(err)
	}
	if e, err := f.(*vfs.File).Extent(4097); err != nil || e.Host == nil {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestMerged reads a filesystem whose files lie in two others, which it calls by their
// UUIDs, in whatever order they are given.
func TestMerged(t *testing.T) {
	image := func(name string) block.Reader { return bytes.NewReader(testimg.Fixture(t, name)) }
	m, a, b, other := image("merged"), image("merged-a"), image("merged-b"), image("plain")
	seq := func(from, to int) (s string) {
		for i := from; i <= to; i++ {
			s += fmt.Sprintln(i)
		}
		return s
	}
	want := map[string]string{"one": "one\n", "sub/big": seq(1, 3000), "big2": seq(5000, 9000)}
	for _, c := range []struct {
		among   []block.Reader
		missing int
	}{{[]block.Reader{m, other, b, a}, 0}, {[]block.Reader{a, m}, 1}, {[]block.Reader{b, a, a}, 1}, {nil, 2}} {
		fsys, err := Open(m, &Options{Among: c.among})
		if err != nil {
			t.Fatal(err)
		}
		p := fsys.Problems()
		if len(p) != c.missing || c.missing > 0 && !errors.Is(p[0], block.ErrMissing) {
			t.Errorf("of %d devices: %v", len(c.among), p)
		}
		failed := 0
		for name, text := range want {
			switch b, err := fs.ReadFile(fsys, name); {
			case errors.Is(err, block.ErrMissing):
				failed++
			case err != nil || string(b) != text:
				t.Errorf("of %d devices: %s: %d bytes, %v", len(c.among), name, len(b), err)
			}
		}
		if (failed > 0) != (c.missing > 0) {
			t.Errorf("of %d devices: %d files lack one", len(c.among), failed)
		}
	}
}
