package erofs

import (
	"bytes"
	"errors"
	"io/fs"
	"testing"
	"testing/fstest"

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

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	return testimg.Unpack(t, "testdata/"+name+".img.gz")
}

func openFS(r block.Reader) (vfs.FS, error) { return Open(r, nil) }

func mustOpen(t testing.TB, b []byte) vfs.FS {
	t.Helper()
	fsys, err := Open(bytes.NewReader(b), nil)
	if err != nil {
		t.Fatal(err)
	}
	return fsys
}

func TestFixtures(t *testing.T) {
	for _, x := range fixtures {
		t.Run(x.name, func(t *testing.T) {
			fsys := mustOpen(t, fixture(t, x.name))
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
			sub, err := fs.Sub(fsys, "many")
			if err != nil {
				t.Fatal(err)
			}
			if err := fstest.TestFS(sub, "name-000007-x"); err != nil {
				t.Error(err)
			}
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
		fsys := mustOpen(t, fixture(t, x.name))
		for _, path := range []string{"size-0", "size-5000", "holes", "zeros", "noise", "size-12289"} {
			f, err := fsys.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			t.Run(x.name+"/"+path, func(t *testing.T) {
				want, err := fs.ReadFile(fsys, path)
				if err != nil {
					t.Fatal(err)
				}
				testimg.TestDevice(t, f.(*vfs.File), bytes.NewReader(want), 4096)
			})
		}
	}
	f, err := mustOpen(t, fixture(t, "plain")).Open("noise")
	if err != nil {
		t.Fatal(err)
	}
	if e, err := f.(*vfs.File).Extent(4097); err != nil || e.Host == nil {
		t.Errorf("%+v, %v", e, err)
	}
}
