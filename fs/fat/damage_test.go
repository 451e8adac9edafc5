package fat

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

// readAll opens the volume and reads every file of it. It returns the first
// error and goes on.
func readAll(r block.Reader) error {
	fsys, err := Open(r, nil)
	if err != nil {
		return err
	}
	var first error
	keep := func(err error) {
		if first == nil {
			first = err
		}
	}
	visits := 0
	fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			keep(err)
			return nil
		}
		if visits++; visits > 500 { // files may be shared by many names
			return fs.SkipAll
		}
		if d.Type().IsRegular() {
			keep(readFile(fsys, p))
		}
		return nil
	})
	return first
}

// readFile reads the first MiB of a file, which may say that it has 4 GiB.
func readFile(fsys vfs.FS, p string) error {
	f, err := fsys.Open(p)
	if err != nil {
		return err
	}
	defer f.Close()
	d := f.(*vfs.File)
	_, err = block.ReadBytes(d, 0, min(d.Size(), 1<<20), 1<<20)
	return err
}

// place finds the 8.3 entry of a file of the root.
func place(t *testing.T, image []byte, name string) (v *volume, off int64) {
	t.Helper()
	v, err := openVolume(bytes.NewReader(image), nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := v.readDir(v.rootCluster)
	if err != nil {
		t.Fatal(err)
	}
	i, ok := d.index[fold(name)]
	if !ok {
		t.Fatalf("no %s", name)
	}
	return v, d.names[i].off
}

func put16(b []byte, off int64, n uint16) { binary.LittleEndian.PutUint16(b[off:], n) }
func put32(b []byte, off int64, n uint32) { binary.LittleEndian.PutUint32(b[off:], n) }

// TestRecipesF are the hostile volumes F01 to F07, and others of their kind.
func TestRecipesF(t *testing.T) {
	clean := testimg.Fixture(t, "fat16")
	v, file := place(t, clean, "upper.txt")
	_, dir := place(t, clean, "EFI")
	fileCluster := int64(binary.LittleEndian.Uint16(clean[file+26:]))
	dirCluster := int64(binary.LittleEndian.Uint16(clean[dir+26:]))
	for _, c := range []struct {
		name  string
		poke  func(b []byte)
		class error
		text  string
	}{
		{"F01 no sector", func(b []byte) { put16(b, 11, 0) }, block.ErrCorrupt, "sectors of 0 bytes"},
		{"sector of 513", func(b []byte) { put16(b, 11, 513) }, block.ErrCorrupt, "sectors of 513 bytes"},
		{"F02 no cluster", func(b []byte) { b[13] = 0 }, block.ErrCorrupt, "clusters of 0 sectors"},
		{"cluster of 3", func(b []byte) { b[13] = 3 }, block.ErrCorrupt, "clusters of 3 sectors"},
		{"F03 chain loop", func(b []byte) {
			put16(b, v.fatOff+2*fileCluster, uint16(fileCluster))
			put32(b, file+28, 0xffffffff)
		}, block.ErrLoop, "comes back to cluster"},
		{"long chain loop", func(b []byte) {
			put16(b, v.fatOff+2*fileCluster, 7000)
			for c := int64(7000); c < 8000; c++ {
				put16(b, v.fatOff+2*c, uint16(c+1))
			}
			put16(b, v.fatOff+2*8000, 7123)
			put32(b, file+28, 100<<20)
		}, block.ErrLoop, "comes back to cluster"},
		{"F04 directory chain loop", func(b []byte) { put16(b, v.fatOff+2*dirCluster, uint16(dirCluster)) }, block.ErrLoop, "directory"},
		{"F05 directory in itself", func(b []byte) {
			e := b[v.offset(uint32(dirCluster))+96:]
			copy(e, "LOOP       \x10")
			clear(e[12:64])
			put16(e, 26, uint16(dirCluster))
		}, block.ErrLoop, "contains itself"},
		{"F06 FAT larger than the volume", func(b []byte) { put16(b, 22, 0xffff); b[16] = 0xff }, block.ErrCorrupt, "leave no room"},
		{"F07 cluster out of range", func(b []byte) {
			put16(b, v.fatOff+2*fileCluster, 0xfff0)
			put32(b, file+28, 0x7fffffff)
		}, block.ErrCorrupt, "cluster 65520 of"},
		{"free cluster in a chain", func(b []byte) { put16(b, v.fatOff+2*fileCluster, 0); put32(b, file+28, 4096) }, block.ErrCorrupt, "a free cluster follows"},
		{"bad cluster in a chain", func(b []byte) { put16(b, v.fatOff+2*fileCluster, 0xfff7); put32(b, file+28, 4096) }, block.ErrCorrupt, "a bad cluster follows"},
		{"chain too short", func(b []byte) { put32(b, file+28, 4096) }, block.ErrCorrupt, "ends after 1 of 2 clusters"},
		{"file at cluster 1", func(b []byte) { put16(b, file+26, 1) }, block.ErrCorrupt, "starts at cluster 1"},
		{"directory at cluster 0", func(b []byte) { put16(b, dir+26, 0) }, block.ErrCorrupt, "a directory at a free cluster"},
		{"no reserved sectors", func(b []byte) { put16(b, 14, 0) }, block.ErrCorrupt, "no reserved"},
		{"no FAT", func(b []byte) { b[16] = 0 }, block.ErrCorrupt, "no FAT"},
		{"media", func(b []byte) { b[21] = 0x12 }, block.ErrCorrupt, "media type 0x12"},
		{"root entries", func(b []byte) { put16(b, 17, 511) }, block.ErrCorrupt, "511 entries"},
		{"no root entries", func(b []byte) { put16(b, 17, 0) }, block.ErrCorrupt, "0 entries"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bytes.Clone(clean)
			c.poke(b)
			err := readAll(bytes.NewReader(b))
			var e *block.Error
			if !errors.Is(err, c.class) || !errors.As(err, &e) || e.Format != "vfat" || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v", err)
			}
		})
	}
	if _, err := Open(bytes.NewReader(make([]byte, 1<<20)), nil); !errors.Is(err, block.ErrFormat) {
		t.Errorf("zeros: %v", err)
	}
	if _, err := Open(bytes.NewReader(clean[:100]), nil); !errors.Is(err, block.ErrFormat) {
		t.Errorf("100 bytes: %v", err)
	}
	if err := readAll(bytes.NewReader(clean[:v.dataOff+4096])); !errors.Is(err, block.ErrTruncated) {
		t.Errorf("cut off: %v", err)
	}
}

func TestRecipesFAT32(t *testing.T) {
	clean := testimg.Fixture(t, "fat32")
	for _, c := range []struct {
		name  string
		poke  func(b []byte)
		class error
		text  string
	}{
		{"version", func(b []byte) { put16(b, 0x2A, 0x0100) }, block.ErrUnsupported, "FAT32 version 1.0"},
		{"root cluster", func(b []byte) { put32(b, 0x2C, 0) }, block.ErrCorrupt, "starts at cluster 0"},
		{"active FAT", func(b []byte) { put16(b, 0x28, 0x82) }, block.ErrCorrupt, "FAT 2 is the active one, of 2"},
		{"root entries", func(b []byte) { put16(b, 17, 16) }, block.ErrCorrupt, "16 entries"},
	} {
		b := bytes.Clone(clean)
		c.poke(b)
		if err := readAll(bytes.NewReader(b)); !errors.Is(err, c.class) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	// With mirroring off the second FAT counts, and the first may be garbage.
	b := bytes.Clone(clean)
	put16(b, 0x28, 0x81)
	v, _ := place(t, b, "EFI")
	clear(b[v.fatOff-v.fatLen : v.fatOff])
	if err := readAll(bytes.NewReader(b)); err != nil {
		t.Errorf("second FAT: %v", err)
	}
	// A free count that cannot be is not repeated.
	b = bytes.Clone(clean)
	put32(b, 512+0x1E8, 1<<30)
	if free := testimg.MustOpen(t, b, openFS).Info().Free; free != -1 {
		t.Errorf("free: %d", free)
	}
}

func TestDirty(t *testing.T) {
	for _, name := range widths {
		b := testimg.Fixture(t, name)
		if testimg.MustOpen(t, b, openFS).Info().Dirty {
			t.Errorf("%s is dirty", name)
		}
		state := 0x25
		if name == "fat32" {
			state = 0x41
		}
		b[state] |= 1
		if !testimg.MustOpen(t, b, openFS).Info().Dirty {
			t.Errorf("%s: the state in the boot sector does not count", name)
		}
		b[state] = 0
		v, _ := place(t, b, "EFI")
		switch name {
		case "fat16":
			b[v.fatOff+3] &^= 0x80
		case "fat32":
			b[v.fatOff+7] &^= 0x08
		default:
			continue
		}
		if !testimg.MustOpen(t, b, openFS).Info().Dirty {
			t.Errorf("%s: the bit in the FAT does not count", name)
		}
	}
}

// TestLongNames breaks long names; each falls back to the 8.3 name with a
// problem. Recipe F08 is among them.
func TestLongNames(t *testing.T) {
	clean := testimg.Fixture(t, "fat16")
	_, off := place(t, clean, "twenty-six characters long") // in two slots
	if clean[off-64] != 0x42 || clean[off-32] != 0x01 {
		t.Fatal("the slots are not where they are thought")
	}
	const short, long = "TWENTY~1", "twenty-six characters long"
	for _, c := range []struct {
		name string
		poke func(b []byte)
		want string // of the problem
	}{
		{"checksum of one slot", func(b []byte) { b[off-32+13]++ }, "different checksums"},
		{"checksum of both", func(b []byte) { b[off-32+13]++; b[off-64+13]++ }, "not that of the 8.3 name"},
		{"255 parts", func(b []byte) { b[off-64] = 0xFF }, "too many parts"},
		{"no part", func(b []byte) { b[off-64] = 0x40 }, "too many parts"},
		{"order", func(b []byte) { b[off-32] = 2 }, "out of order"},
		{"no last part", func(b []byte) { b[off-64] = 0xE5 }, "last part is missing"},
		{"more parts than there are", func(b []byte) { b[off-64] = 0x43 }, "out of order"},
		{"two last parts", func(b []byte) { b[off-32] = 0x41 }, "a new name starts"},
		{"a cluster", func(b []byte) { b[off-32+26] = 1 }, "malformed"},
		{"ends early", func(b []byte) { clear(b[off-32+1 : off-32+3]) }, "0 characters"},
		{"ends in the first part", func(b []byte) { clear(b[off-32+3 : off-32+5]) }, "ends before its last part"},
		{"first part deleted", func(b []byte) { b[off-32] = 0xE5 }, "belongs to no file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bytes.Clone(clean)
			c.poke(b)
			fsys := testimg.MustOpen(t, b, openFS)
			if err := readFile(fsys, short); err != nil {
				t.Error(err)
			}
			if _, err := fsys.Stat(long); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("by the long name: %v", err)
			}
			problems := fsys.Problems()
			if len(problems) != 1 || !errors.Is(problems[0], block.ErrCorrupt) || !strings.Contains(problems[0].Error(), c.want) {
				t.Errorf("problems: %v", problems)
			}
		})
	}
	// Half a surrogate pair, a slash and NUL stay what they are.
	b := bytes.Clone(clean)
	put16(b, off-32+1, 0xD83D)
	put16(b, off-32+3, '/')
	n, err := testimg.MustOpen(t, b, openFS).ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, e := range n {
		found = found || vfs.RawName(e) == "\xED\xA0\xBD/"+long[2:]
	}
	if !found {
		t.Errorf("the name with half a surrogate pair is not there: %v", n)
	}
}

func TestShortName(t *testing.T) {
	raw := func(s string) [11]byte { return [11]byte([]byte(s)) }
	for _, c := range []struct {
		raw   string
		flags byte
		want  string
	}{
		{"README  TXT", 0, "README.TXT"},
		{"README  TXT", lowerBase, "readme.TXT"},
		{"README  TXT", lowerExt, "README.txt"},
		{"README  TXT", lowerBase | lowerExt, "readme.txt"},
		{"NOEXT      ", 0, "NOEXT"},
		{"A B     C  ", 0, "A B.C"},
		{"\x05ABC       ", 0, "σABC"},
		{"GR\x99\xE1E   \x8E  ", lowerBase, "grÖße.Ä"},
		{"\xFF          ", 0, "\u00A0"},
		{"           ", 0, ""},
	} {
		if got := shortName(raw(c.raw), c.flags); got != c.want {
			t.Errorf("%q, %#x: got %q, want %q", c.raw, c.flags, got, c.want)
		}
	}
	if n := len(cp437); n != 128 {
		t.Errorf("the code page has %d characters", n)
	}
}

func TestTimestamp(t *testing.T) {
	for _, c := range []struct {
		date, clock uint16
		hundredths  byte
		want        string
	}{
		{0, 0, 0, "0001-01-01T00:00:00Z"},
		{1<<5 | 1, 0, 0, "1980-01-01T00:00:00Z"},
		{127<<9 | 12<<5 | 31, 23<<11 | 59<<5 | 29, 199, "2107-12-31T23:59:59.99Z"},
		{44<<9 | 2<<5 | 29, 0, 0, "2024-02-29T00:00:00Z"},
		{43<<9 | 2<<5 | 29, 0, 0, "0001-01-01T00:00:00Z"},
		{44<<9 | 13<<5 | 1, 0, 0, "0001-01-01T00:00:00Z"},
		{44<<9 | 1<<5 | 1, 24 << 11, 0, "0001-01-01T00:00:00Z"},
		{44<<9 | 1<<5 | 1, 0, 200, "0001-01-01T00:00:00Z"},
	} {
		if got := timestamp(c.date, c.clock, c.hundredths).Format("2006-01-02T15:04:05.99Z"); got != c.want {
			t.Errorf("%+v: got %s", c, got)
		}
	}
}

func TestMutations(t *testing.T) {
	for _, name := range widths {
		t.Run(name, func(t *testing.T) {
			image := testimg.Fixture(t, name)
			v, _ := place(t, image, "EFI")
			where := []testimg.Range{{Off: 0, N: 96}, {Off: 11, N: 40}, {Off: v.fatOff, N: 1024}}
			for _, dir := range []string{"EFI", "many", "deep", ""} {
				first := v.rootCluster
				if dir != "" {
					_, off := place(t, image, dir)
					var e dirent
					e.decode(image[off:])
					first = e.first(v.bits)
				}
				pieces, err := v.pieces(first)
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range pieces {
					where = append(where, testimg.Range{Off: p.off, N: min(p.n, 1024)})
				}
			}
			testimg.Mutate(t, testimg.Mutations{Image: image, Where: where, Run: readAll, Open: openFS})
		})
	}
}
