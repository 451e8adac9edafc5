package ntfs_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/ntfs"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// A filler writes files through ntfs-3g.
type filler struct {
	t   testing.TB
	dir string
	rng *rand.Rand
}

func newFiller(t testing.TB, dir string) *filler {
	return &filler{t, dir, rand.New(rand.NewPCG(1, 2))}
}

func (f *filler) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *filler) path(name string) string { return filepath.Join(f.dir, name) }

func (f *filler) mkdir(name string) { f.t.Helper(); f.must(os.MkdirAll(f.path(name), 0o777)) }

func (f *filler) write(name string, b []byte) {
	f.t.Helper()
	f.mkdir(filepath.Dir(name))
	f.must(os.WriteFile(f.path(name), b, 0o666))
}

func (f *filler) random(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(f.rng.Uint32())
	}
	return b
}

// text makes bytes that compress.
func (f *filler) text(n int) []byte {
	b := make([]byte, 0, n+64)
	for len(b) < n {
		b = fmt.Appendf(b, "line %d of %s\n", f.rng.IntN(1000), strings.Repeat("=", f.rng.IntN(40)))
	}
	return b[:n]
}

// parts writes the blocks at the given offsets of a file and sets its size.
func (f *filler) parts(name string, size int64, block []byte, offs ...int64) {
	f.t.Helper()
	f.mkdir(filepath.Dir(name))
	h, err := os.Create(f.path(name))
	f.must(err)
	for _, off := range offs {
		_, err := h.WriteAt(block, off)
		f.must(err)
	}
	f.must(h.Truncate(size))
	f.must(h.Close())
}

func (f *filler) xattr(name, attr string, value []byte) {
	f.t.Helper()
	f.must(unix.Lsetxattr(f.path(name), attr, value, 0))
}

// compress marks a directory: what is made in it later is compressed.
func (f *filler) compress(name string) {
	f.t.Helper()
	f.mkdir(name)
	f.xattr(name, "system.ntfs_attrib_be", binary.BigEndian.AppendUint32(nil, 0x800))
}

var treeOptions = testimg.TreeOptions{NoOwner: true, NoDirSize: true}

// compare3g compares a volume with what ntfs-3g says of it: every path, mode,
// size, time, link and stream.
func compare3g(t *testing.T, img string, o testimg.TreeOptions) vfs.FS {
	t.Helper()
	dir, unmount := mount3g(t, img, "ro")
	want, err := testimg.HostTree(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	unmount()
	for name, n := range want { // ntfs-3g gives the length of the file that says "device"
		if n.Mode&fs.ModeDevice != 0 {
			n.Size = 0
			want[name] = n
		}
	}
	fsys, _ := openImage(t, img, nil)
	start := time.Now()
	got, err := testimg.ReadTree(fsys, o)
	t.Logf("read %d files in %v", len(got), time.Since(start))
	if err != nil {
		t.Fatal(err)
	}
	testimg.CompareTrees(t, got, want, o)
	if p := fsys.Problems(); len(p) > 0 {
		t.Errorf("problems of a sound volume: %v", p)
	}
	return fsys
}

// TestGeometries reads volumes of every pair of cluster and sector size that
// mkntfs makes.
func TestGeometries(t *testing.T) {
	peers.Need(t, "mkntfs", "ntfs-3g", "blkid")
	for sector := 512; sector <= 4096; sector *= 2 {
		for cluster := sector; cluster <= 2<<20; cluster *= 2 {
			t.Run(fmt.Sprintf("%d-%d", sector, cluster), func(t *testing.T) {
				size := max(int64(cluster)*2048, 16<<20)
				img := mkntfs(t, size, "-s", fmt.Sprint(sector), "-c", fmt.Sprint(cluster), "-L", "Größe")
				dir, unmount := mount3g(t, img)
				f := newFiller(t, dir)
				f.write("resident", []byte("in the record"))
				f.write("small", f.random(cluster-1))
				f.write("exact", f.text(2*cluster))
				c := int64(cluster)
				f.parts("holes", 12*c-5, f.random(min(cluster+3, 100_000)), c, 5*c-1, 9*c)
				for i := range 200 {
					f.write(fmt.Sprintf("dir/a rather long name of file %d", i), []byte(fmt.Sprint(i)))
				}
				if cluster <= 4096 {
					f.compress("packed")
					f.write("packed/text", f.text(200_000))
				}
				unmount()
				fsys := compare3g(t, img, treeOptions)
				info := fsys.Info()
				if info.BlockSize != cluster || info.Label != "Größe" || info.Version != "3.1" || info.Dirty || info.Hibernated {
					t.Errorf("info: %+v", info)
				}
				if uuid := strings.TrimSpace(peers.Run(t, "blkid", "-p", "-s", "UUID", "-o", "value", img)); info.UUID != uuid {
					t.Errorf("UUID %s, want %s", info.UUID, uuid)
				}
				if want := freeClusters(t, img) * c; info.Free != want {
					t.Errorf("free: %d bytes, want %d", info.Free, want)
				}
			})
		}
	}
}

// freeClusters asks ntfsinfo.
func freeClusters(t *testing.T, img string) (n int64) {
	t.Helper()
	for line := range strings.Lines(peers.Run(t, "ntfsinfo", "-fm", img)) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "Free Clusters:"); ok {
			if _, err := fmt.Sscanf(rest, "%d", &n); err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("ntfsinfo names no free clusters")
	return 0
}

// TestEverything compares one volume that has each kind of file.
func TestEverything(t *testing.T) {
	peers.Need(t, "mkntfs", "ntfs-3g")
	img := mkntfs(t, 128<<20, "-c", "4096")
	dir, unmount := mount3g(t, img, "compression")
	f := newFiller(t, dir)

	f.write("empty", nil)
	f.write("hard/one", []byte("linked"))
	for i := range 300 { // names that one record does not hold
		f.must(os.Link(f.path("hard/one"), f.path(fmt.Sprintf("hard/%s-%d", strings.Repeat("x", 180), i))))
	}
	f.must(os.Symlink("hard/one", f.path("link")))
	f.must(os.Symlink("/hard/none", f.path("dangling")))
	f.must(os.Symlink(strings.Repeat("ü/", 500), f.path("long link")))
	f.must(syscall.Mkfifo(f.path("fifo"), 0o666))
	f.must(syscall.Mknod(f.path("char"), syscall.S_IFCHR|0o666, int(unix.Mkdev(5, 300))))
	f.must(syscall.Mknod(f.path("block"), syscall.S_IFBLK|0o666, int(unix.Mkdev(8, 17))))
	f.must(syscall.Mknod(f.path("socket"), syscall.S_IFSOCK|0o666, 0))

	var every []int64
	for i := range int64(3000) {
		every = append(every, i*8192)
	}
	f.parts("fragments", 3000*8192+77, f.random(4096), every...)
	f.parts("all hole", 1<<40, nil)
	f.parts("unwritten tail", 10<<20, f.text(5000), 0)

	f.compress("packed")
	f.write("packed/text", f.text(1_234_567))
	f.write("packed/noise", f.random(300_000))
	f.write("packed/zeros", make([]byte, 400_000))
	f.write("packed/mixed", append(append(f.text(70_000), f.random(150_000)...), f.text(90_000)...))
	f.write("packed/tiny", []byte("abc"))
	f.parts("packed/holes", 3_000_001, f.text(10_000), 65_536-7, 400_000, 2_000_000)
	f.parts("packed/fragments", 20<<20, f.text(20_000), every[:1200]...)

	for i := range 60 { // streams that one record does not hold
		f.xattr("empty", fmt.Sprintf("user.stream %d", i), f.text(i*17))
	}
	f.xattr("hard", "user.of a directory", []byte("zone"))
	f.xattr("packed/text", "user.big", f.text(60_000))

	odd := []string{"Case", "case", "CASE", "a:b", "a*?<>|\"b", `back\slash`, "trailing.", "trailing ", " ", "...", "tab\tnew\nline", "\u202eevil", "😀 astral",
		"\xed\xa0\x80 lone", strings.Repeat("n", 255), strings.Repeat("😀", 127), "ÀÉÎõü", "àéîÕÜ", "ﬀ", "\uefff private", "con"}
	for _, name := range odd {
		if err := os.WriteFile(f.path("odd/"+name), []byte(name), 0o666); err != nil {
			f.mkdir("odd")
			f.must(os.WriteFile(f.path("odd/"+name), []byte(name), 0o666))
		}
	}
	for i := range 5000 {
		f.write(fmt.Sprintf("huge/%x", f.rng.Uint64()|uint64(i)), nil)
	}
	deep := "deep"
	for range 60 {
		deep += "/d"
	}
	f.write(deep+"/x", []byte("far down"))
	for i, when := range []time.Time{time.Unix(0, 0), time.Date(1601, 1, 2, 3, 4, 5, 600, time.UTC), time.Date(1950, 1, 1, 0, 0, 1, 0, time.UTC) /* ntfs-3g gets fractions before 1970 wrong */, time.Date(2107, 12, 31, 23, 59, 59, 999_999_900, time.UTC)} {
		f.write(fmt.Sprintf("time/%d", i), nil)
		f.must(os.Chtimes(f.path(fmt.Sprintf("time/%d", i)), when, when))
	}
	unmount()
	o := treeOptions
	o.SkipPaths = map[string]bool{"all hole": true} // a terabyte to hash
	fsys := compare3g(t, img, o)

	t.Run("hole", func(t *testing.T) {
		h, err := fsys.Open("all hole")
		if err != nil {
			t.Fatal(err)
		}
		d := h.(block.Device)
		e, err := d.Extent(0)
		if err != nil || d.Size() != 1<<40 || !e.Zero || !e.Unset || e.Len < 1<<40 {
			t.Errorf("size %d, extent %+v, %v", d.Size(), e, err)
		}
	})
	t.Run("lookup", func(t *testing.T) {
		for _, c := range []struct{ path, want string }{
			{"odd/Case", "Case"}, {"odd/case", "case"}, {"odd/CASE", "CASE"},
			{"HARD/ONE", "linked"}, {"LINK", "linked"}, {"odd/àéîÕÜ", "àéîÕÜ"}, {"odd/ÀÉÎõü", "ÀÉÎõü"}, {"ODD/CON", "con"},
			{"odd/a:b", "a:b"}, {"hard:of a directory", "zone"}, {"HARD:OF A DIRECTORY:$data", "zone"}, {"hard/one::$DATA", "linked"},
		} {
			if b, err := fs.ReadFile(fsys, c.path); err != nil || string(b) != c.want {
				t.Errorf("%s: %q, %v", c.path, b, err)
			}
		}
		for _, path := range []string{"odd/cASe/x", "hard/two", "hard:none", "hard/one:x:$INDEX_ALLOCATION", "odd/" + strings.Repeat("n", 256)} {
			if _, err := fsys.Stat(path); err == nil {
				t.Errorf("%s exists", path)
			}
		}
	})
	t.Run("devices", func(t *testing.T) {
		for _, name := range []string{"fragments", "packed/mixed", "packed/holes", "packed/fragments", "packed/text", "unwritten tail", "hard/one"} {
			b, err := fs.ReadFile(fsys, name)
			if err != nil {
				t.Fatal(err)
			}
			h, err := fsys.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			testimg.TestDevice(t, h.(block.Device), bytes.NewReader(b), 65536)
		}
	})
	t.Run("small cache", func(t *testing.T) {
		small, _ := openImage(t, img, &ntfs.Options{CacheBytes: 1})
		o := o
		o.SkipPaths = map[string]bool{"all hole": true, "huge": true, "fragments": true, "deep": true}
		got, err := testimg.ReadTree(small, o)
		if err != nil {
			t.Fatal(err)
		}
		want, err := testimg.ReadTree(fsys, o)
		if err != nil {
			t.Fatal(err)
		}
		testimg.CompareTrees(t, got, want, o)
	})
}

// TestFullVolume fragments the MFT and a file by filling a volume, making
// holes between its files and filling those.
func TestFullVolume(t *testing.T) {
	peers.Need(t, "mkntfs", "ntfs-3g")
	img := mkntfs(t, 24<<20, "-c", "1024", "-z", "1")
	dir, unmount := mount3g(t, img)
	f := newFiller(t, dir)
	full := func(err error) bool {
		if errors.Is(err, syscall.ENOSPC) {
			return true
		}
		f.must(err)
		return false
	}
	f.mkdir("fill")
	n := 0
	for ; n < 20_000; n++ {
		if full(os.WriteFile(f.path(fmt.Sprintf("fill/%d", n)), f.random(1024), 0o666)) {
			break
		}
	}
	for i := 0; i < n; i += 2 {
		f.must(os.Remove(f.path(fmt.Sprintf("fill/%d", i))))
	}
	h, err := os.Create(f.path("fragmented"))
	f.must(err)
	for range n / 3 {
		if _, err := h.Write(f.random(1024)); full(err) {
			break
		}
	}
	h.Close()
	for i := range 1000 {
		if full(os.WriteFile(f.path(fmt.Sprintf("fill/again %d", i)), f.random(900), 0o666)) {
			break
		}
	}
	unmount()
	fsys := compare3g(t, img, treeOptions)
	for _, name := range []string{"fragmented", "$MFT"} {
		h, err := fsys.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		d, runs := h.(block.Device), 0
		for _, err := range block.Extents(d, 0, d.Size()) {
			if err != nil {
				t.Fatal(err)
			}
			runs++
		}
		t.Logf("%s: %d bytes in %d fragments", name, d.Size(), runs)
		if runs < 20 {
			t.Errorf("%s has %d fragments; the test needs more", name, runs)
		}
	}
}
