package fat

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

var widths = []string{"fat12", "fat16", "fat32"}

// fixture unpacks a volume of testdata.
func openFS(r block.Reader) (vfs.FS, error) { return Open(r, nil) }

// fixtureTree reads tree.tsv: what was copied into each of the fixtures.
func fixtureTree(t *testing.T) map[string]testimg.Node {
	t.Helper()
	b, err := os.ReadFile("testdata/tree.tsv")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]testimg.Node{}
	for line := range strings.Lines(string(b)) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		sec, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		out[f[0]] = testimg.Node{Mode: 0o755, Mtime: time.Unix(sec, 0), SHA256: f[2]}
	}
	return out
}

// treeOptions leaves out what FAT does not have.
var treeOptions = testimg.TreeOptions{NoOwner: true, NoNlink: true, NoDirSize: true, NoAtime: true, NoCtime: true, NoMode: true, TimeWithin: 2 * time.Second}

func readTree(t *testing.T, fsys vfs.FS) map[string]testimg.Node {
	t.Helper()
	got, err := testimg.ReadTree(fsys, treeOptions)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestFixtures(t *testing.T) {
	for _, name := range widths {
		t.Run(name, func(t *testing.T) {
			fsys := testimg.MustOpen(t, testimg.Fixture(t, name), openFS)
			got, want := readTree(t, fsys), fixtureTree(t)
			for p, n := range got {
				if n.Mode.IsDir() {
					delete(got, p)
				} else if w, ok := want[p]; ok { // sizes are in the hashes
					w.Size = n.Size
					want[p] = w
				}
			}
			testimg.CompareTrees(t, got, want, treeOptions)
			if p := fsys.Problems(); len(p) > 0 {
				t.Errorf("problems: %v", p)
			}
			i := fsys.Info()
			if i.Type != "vfat" || i.Version != strings.ToUpper(name) || i.Label != "GUEST KIT" || i.UUID != "1234-ABCD" || i.Dirty || !i.CaseInsensitive {
				t.Errorf("%+v", i)
			}
			if (i.Free < 0) != (name != "fat32") || i.Free > i.Size {
				t.Errorf("free %d of %d", i.Free, i.Size)
			}
		})
	}
}

func TestFS(t *testing.T) {
	for _, name := range widths {
		if err := fstest.TestFS(testimg.MustOpen(t, testimg.Fixture(t, name), openFS), "EFI/BOOT/BOOTX64.EFI", "deep/er/still/file", "many/file number 150", "Größe ÄÖÜ.txt"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNames covers lookups by names in other case and by 8.3 names.
func TestLookup(t *testing.T) {
	fsys := testimg.MustOpen(t, testimg.Fixture(t, "fat16"), openFS)
	for name, want := range map[string]int64{
		"EFI/BOOT/BOOTX64.EFI": 5000, "efi/Boot/bootx64.efi": 5000,
		"a LONG name WITH spaces.TXT": 700, "ALONGN~1.TXT": 700, "alongn~1.txt": 700,
		"größe äöü.TXT": 512, "LOWER.TXT": 1, "upper.txt": 511, "mixed.txt": 1024, "NoExt": 103,
		"many/FILE NUMBER 77": 77,
	} {
		if fi, err := fs.Stat(fsys, name); err != nil || fi.Size() != want {
			t.Errorf("%s: %v, %v", name, fi, err)
		}
	}
	for _, name := range []string{"nothing", "EFI/BOOT/BOOTX64.EF", "a long name with spaces", "GUEST KIT", "ALONGN~2.TXT"} {
		if fi, err := fs.Stat(fsys, name); err == nil || !strings.Contains(err.Error(), fs.ErrNotExist.Error()) {
			t.Errorf("%s: %v, %v", name, fi, err)
		}
	}
}

func TestStat(t *testing.T) {
	fsys := testimg.MustOpen(t, testimg.Fixture(t, "fat16"), openFS)
	fi, err := fsys.Lstat("readonly.txt")
	if err != nil {
		t.Fatal(err)
	}
	st, _ := vfs.StatOf(fi)
	when := time.Date(2024, 6, 15, 12, 30, 44, 0, time.UTC)
	if st.Mode != 0o555 || st.Size != 105 || st.Allocated != 2048 || st.Nlink != 1 || st.UID != 0 ||
		!st.Mtime.Equal(when) || !st.Ctime.IsZero() || !st.Atime.Equal(when.Truncate(24*time.Hour)) || st.Native != ReadOnly|Hidden|Archive {
		t.Errorf("%+v", st)
	}
	fi, err = fsys.Lstat("EFI")
	if err != nil {
		t.Fatal(err)
	}
	if st, _ := vfs.StatOf(fi); st.Mode != fs.ModeDir|0o755 || st.Size != 2048 {
		t.Errorf("%+v", st)
	}
	fi, err = fsys.Lstat(".")
	if err != nil {
		t.Fatal(err)
	}
	if st, _ := vfs.StatOf(fi); st.Mode != fs.ModeDir|0o755 || st.Ino != 1 || !st.Mtime.IsZero() {
		t.Errorf("%+v", st)
	}
}

// TestFragments checks that a file in many pieces is a device whose extents
// are exact.
func TestFragments(t *testing.T) {
	want := bytes.Repeat([]byte("fragments\n"), 6000)
	for _, name := range widths {
		t.Run(name, func(t *testing.T) {
			image := testimg.Fixture(t, name)
			v, err := openVolume(bytes.NewReader(image), nil)
			if err != nil {
				t.Fatal(err)
			}
			n, err := v.root().Lookup("fragments")
			if err != nil {
				t.Fatal(err)
			}
			d, err := n.Content()
			if err != nil {
				t.Fatal(err)
			}
			testimg.TestDevice(t, d, bytes.NewReader(want), v.cluster)
			if runs := d.(*file).runs; len(runs) < 5 {
				t.Errorf("%d runs", len(runs))
			}
		})
	}
}

// TestThin checks a file with more pieces than are kept.
func TestThin(t *testing.T) {
	v := &volume{}
	c := &chain{v: v}
	var want []uint32
	for i := range uint32(40 * maxRuns) {
		cluster := 2 + 2*i // no two are neighbours
		if i%1000 < 4 {
			cluster = 1<<24 + i // some are
		}
		c.add(cluster)
		want = append(want, cluster)
		if len(c.runs) > maxRuns {
			t.Fatalf("%d runs after %d clusters", len(c.runs), i)
		}
	}
	checked := 0
	for _, r := range c.runs {
		for k := range r.n {
			if want[r.index+int64(k)] != r.cluster+k {
				t.Fatalf("run %+v", r)
			}
			checked++
		}
	}
	for i := 1; i < len(c.runs); i++ {
		if d := c.runs[i].index - c.runs[i-1].index; d > 1000 {
			t.Fatalf("%d clusters from run to run", d)
		}
	}
	if checked < maxRuns/2 {
		t.Errorf("only %d clusters are in runs", checked)
	}
}

// TestThinRead reads a file with a thinned chain through the FAT.
func TestThinRead(t *testing.T) {
	image := testimg.Fixture(t, "fat32")
	v, err := openVolume(bytes.NewReader(image), nil)
	if err != nil {
		t.Fatal(err)
	}
	n, err := v.root().Lookup("fragments")
	if err != nil {
		t.Fatal(err)
	}
	d, err := n.Content()
	if err != nil {
		t.Fatal(err)
	}
	f := d.(*file)
	f.thin()
	f.thin()
	testimg.TestDevice(t, f, bytes.NewReader(bytes.Repeat([]byte("fragments\n"), 6000)), v.cluster)
}

func TestConcurrent(t *testing.T) {
	fsys, err := Open(bytes.NewReader(testimg.Fixture(t, "fat12")), &Options{CacheBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	want := readTree(t, fsys)
	t.Run("readers", func(t *testing.T) {
		for i := range 4 {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				testimg.CompareTrees(t, readTree(t, fsys), want, treeOptions)
			})
		}
	})
}

// TestLookupIsIndexed bounds what the many lookups of one directory read.
func TestLookupIsIndexed(t *testing.T) {
	trace := &testimg.Trace{Reader: bytes.NewReader(testimg.Fixture(t, "fat32"))}
	fsys, err := Open(trace, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for i := 1; i <= 150; i++ {
			if _, err := fsys.Stat(path.Join("many", "file number "+strconv.Itoa(i))); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := trace.Bytes(); n > 256<<10 {
		t.Errorf("%d bytes were read for 300 lookups", n)
	}
}
