package xfs_test

import (
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/fs/xfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

// fixture unpacks a file of testdata.
func fixture(t testing.TB, name string) []byte {
	t.Helper()
	return testimg.Unpack(t, "testdata/"+name+".bz2")
}

func mustOpen(t testing.TB, r block.Reader, o *xfs.Options) vfs.FS {
	t.Helper()
	fsys, err := xfs.Open(r, o)
	if err != nil {
		t.Fatal(err)
	}
	return fsys
}

func openFixture(t testing.TB, name string) vfs.FS {
	t.Helper()
	return mustOpen(t, bytes.NewReader(fixture(t, name+".img")), nil)
}

// list reads what testdata/list.sh printed: the view of the kernel that filled
// a fixture.
func list(t *testing.T, name string) map[string]testimg.Node {
	t.Helper()
	return listFrom(t, name, string(fixture(t, name+".list")))
}

// listFrom is list of what was printed.
func listFrom(t *testing.T, name, printed string) map[string]testimg.Node {
	t.Helper()
	fields := strings.Split(printed, "\x00")
	next := func() string {
		if len(fields) == 0 {
			t.Fatalf("%s: the list ends early", name)
		}
		f := fields[0]
		fields = fields[1:]
		return f
	}
	number := func(s string, base int) uint64 {
		n, err := strconv.ParseUint(s, base, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	out := map[string]testimg.Node{}
	clean := func(p string) string { return path.Join(".", p) }
	xattrOf := ""
	for len(fields) > 0 {
		switch kind := next(); kind {
		case "path":
			p := clean(next())
			typ, perm := next(), number(next(), 8)
			n := testimg.Node{Mode: listMode(typ, uint32(perm)), UID: uint32(number(next(), 10)), GID: uint32(number(next(), 10)),
				Nlink: number(next(), 10), Size: int64(number(next(), 10)), Atime: listTime(t, next()), Mtime: listTime(t, next()), Ctime: listTime(t, next())}
			n.Target = next()
			out[p] = n
		case "sha":
			p := clean(next())
			n := out[p]
			n.SHA256 = next()
			out[p] = n
		case "dev":
			p := clean(next())
			n := out[p]
			n.Major, n.Minor = uint32(number(next(), 16)), uint32(number(next(), 16))
			out[p] = n
		case "xattr":
			line := next()
			if p, ok := strings.CutPrefix(line, "# file: "); ok {
				xattrOf = clean(unquote(p))
			} else if key, value, _ := strings.Cut(line, "="); key != "" {
				raw, err := hex.DecodeString(strings.TrimPrefix(value, "0x"))
				if err != nil {
					t.Fatal(err)
				}
				n := out[xattrOf]
				if n.Xattrs == nil {
					n.Xattrs = map[string]string{}
				}
				n.Xattrs[key] = string(raw)
				out[xattrOf] = n
			}
		case "":
		default:
			t.Fatalf("%s: %q in the list", name, kind)
		}
	}
	return out
}

// unquote undoes the octal escapes of getfattr.
func unquote(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func listMode(typ string, perm uint32) fs.FileMode {
	m := fs.FileMode(perm & 0o777)
	for _, b := range []struct {
		bit  uint32
		mode fs.FileMode
	}{{0o4000, fs.ModeSetuid}, {0o2000, fs.ModeSetgid}, {0o1000, fs.ModeSticky}} {
		if perm&b.bit != 0 {
			m |= b.mode
		}
	}
	return m | map[string]fs.FileMode{"f": 0, "d": fs.ModeDir, "l": fs.ModeSymlink, "p": fs.ModeNamedPipe, "s": fs.ModeSocket,
		"b": fs.ModeDevice, "c": fs.ModeDevice | fs.ModeCharDevice}[typ]
}

// listTime reads a time as find prints it.
func listTime(t *testing.T, s string) time.Time {
	t.Helper()
	sec, frac, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(sec, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	ns, err := strconv.ParseInt((frac + "000000000")[:9], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Unix(n, ns) // find prints the two numbers of a timespec: -1.5 is half a second before 1970
}

// TestFixtures reads what current kernels do not mount any more, and what was
// not unmounted, and compares it with what a kernel saw, of the latter after its
// recovery.
func TestFixtures(t *testing.T) {
	for _, name := range []string{"v4", "v4-ftype", "ci", "v5-dirty", "rtzoned"} {
		t.Run(name, func(t *testing.T) {
			fsys := openFixture(t, name)
			for _, p := range fsys.Problems() {
				t.Errorf("problem: %v", p)
			}
			got, err := testimg.ReadTree(fsys, testimg.TreeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			testimg.CompareTrees(t, got, list(t, name), testimg.TreeOptions{})
		})
	}
}

// TestRealtimeGroups reads files whose blocks lie in the groups of another device, which
// is found among others by its superblock.
func TestRealtimeGroups(t *testing.T) {
	data, rt := bytes.NewReader(fixture(t, "rtgroups.img")), fixture(t, "rtgroups.rt.img")
	foreign := bytes.Clone(rt)
	foreign[0x28] ^= 1
	devices := []block.Reader{data, bytes.NewReader(make([]byte, 1<<20)), bytes.NewReader(foreign), bytes.NewReader(rt)}
	if xfs.FindRealtime(data, devices[:3]) != nil {
		t.Error("the realtime device of another filesystem was taken")
	}
	found := xfs.FindRealtime(data, devices)
	if found != devices[3] {
		t.Fatalf("found %v", found)
	}
	fsys := mustOpen(t, data, &xfs.Options{Realtime: found})
	got, err := testimg.ReadTree(fsys, testimg.TreeOptions{})
	if err != nil || len(fsys.Problems()) > 0 {
		t.Fatal(err, fsys.Problems())
	}
	testimg.CompareTrees(t, got, list(t, "rtgroups"), testimg.TreeOptions{})
	if i := fsys.Info(); len(i.Devices) != 1 || i.Devices[0] != found || !slices.Contains(i.Features, "metadir") {
		t.Errorf("%+v", i)
	}
	alone := mustOpen(t, data, nil)
	if p := alone.Problems(); len(p) != 1 || !errors.Is(p[0], block.ErrMissing) {
		t.Errorf("problems without the device: %v", p)
	}
	if _, err := fs.ReadFile(alone, "seq"); !errors.Is(err, block.ErrMissing) {
		t.Errorf("without the device: %v", err)
	}
}

// TestRealtimeDevice reads files whose blocks lie on a device that nothing calls the
// filesystem's own.
func TestRealtimeDevice(t *testing.T) {
	data, rt := bytes.NewReader(fixture(t, "rtdev.img")), fixture(t, "rtdev.rt.img")
	fsys := mustOpen(t, data, &xfs.Options{Realtime: bytes.NewReader(rt)})
	got, err := testimg.ReadTree(fsys, testimg.TreeOptions{})
	if err != nil || len(fsys.Problems()) > 0 {
		t.Fatal(err, fsys.Problems())
	}
	testimg.CompareTrees(t, got, list(t, "rtdev"), testimg.TreeOptions{})
	if p := mustOpen(t, data, &xfs.Options{Realtime: bytes.NewReader(rt[:48<<20])}).Problems(); len(p) != 1 || !errors.Is(p[0], block.ErrTruncated) {
		t.Errorf("problems with a device that is cut: %v", p)
	}
	if p := mustOpen(t, data, nil).Problems(); len(p) != 1 || !errors.Is(p[0], block.ErrMissing) {
		t.Errorf("problems without the device: %v", p)
	}
	grouped := bytes.NewReader(fixture(t, "rtgroups.img"))
	other := mustOpen(t, grouped, &xfs.Options{Realtime: bytes.NewReader(rt)})
	if p := other.Problems(); len(p) != 1 || !errors.Is(p[0], block.ErrMissing) || len(other.Info().Devices) > 0 {
		t.Errorf("problems with a device without groups: %v", p)
	}
}

// TestRealtimeGeometry: what the superblock says of realtime groups is not believed where
// it does not fit.
func TestRealtimeGeometry(t *testing.T) {
	be := binary.BigEndian
	for _, name := range []string{"rtgroups", "rtzoned"} {
		image := fixture(t, name+".img")
		for what, change := range map[string]func(b []byte){
			"no groups":       func(b []byte) { be.PutUint32(b[0x110:], 0) },
			"another group":   func(b []byte) { be.PutUint32(b[0x110:], be.Uint32(b[0x110:])+1) },
			"empty groups":    func(b []byte) { be.PutUint32(b[0x114:], 0) },
			"giant groups":    func(b []byte) { be.PutUint32(b[0x114:], 1<<32-1) },
			"logarithm":       func(b []byte) { b[0x118] = 200 },
			"few bits":        func(b []byte) { b[0x118] = 3 },
			"inside the data": func(b []byte) { be.PutUint64(b[0x120:], 1) },
			"far away":        func(b []byte) { be.PutUint64(b[0x120:], 1<<63) },
			"blocks":          func(b []byte) { be.PutUint64(b[0x10:], 1<<63) },
			"no metadir":      func(b []byte) { be.PutUint32(b[0xd8:], be.Uint32(b[0xd8:])&^(1<<8)|1<<9) },
		} {
			b := bytes.Clone(image[:1<<16])
			change(b)
			sealSuperblock(b)
			if _, err := xfs.Open(bytes.NewReader(append(b, image[1<<16:]...)), nil); !errors.Is(err, block.ErrCorrupt) {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
	}
}

// TestDirtyLogOfVersion4 reads a filesystem whose log has a rename, a removal and
// an append that are not in their place.
func TestDirtyLogOfVersion4(t *testing.T) {
	image := fixture(t, "v4-dirty.img")
	names := func(o *xfs.Options) (vfs.FS, string) {
		fsys, err := xfs.Open(bytes.NewReader(image), o)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, name := range []string{"files/small", "files/renamed", "odd/-rf"} {
			if _, err := fs.Stat(fsys, name); err == nil {
				out = append(out, name)
			}
		}
		return fsys, strings.Join(out, " ")
	}
	fsys, got := names(nil)
	if got != "files/renamed" || !fsys.Info().Dirty || !fsys.Info().Replayed || len(fsys.Problems()) != 0 {
		t.Errorf("%s, %+v, %v", got, fsys.Info(), fsys.Problems())
	}
	if b, err := fs.ReadFile(fsys, "files/seq"); err != nil || !bytes.HasSuffix(b, []byte("20000\nmore\n")) {
		t.Errorf("files/seq: %v", err)
	}
	if _, got := names(&xfs.Options{IgnoreLog: true}); got != "files/small odd/-rf" {
		t.Errorf("without the log: %s", got)
	}
	// What the index may take is bounded, and nothing is half replayed.
	fsys, got = names(&xfs.Options{LogBytes: 1000})
	if p := fsys.Problems(); got != "files/small odd/-rf" || len(p) != 1 || !errors.Is(p[0], block.ErrDirty) || !errors.Is(p[0], block.ErrLimit) {
		t.Errorf("with a small index: %s, %v", got, p)
	}
	// A log with an item that is not understood is left alone, and named.
	const tail = (32775 + 2123) * 512 // as xfs_logprint says
	log := bytes.Clone(image)
	at := bytes.Index(log[tail:], []byte{0x3b, 0x12, 2, 0}) // an inode item of two regions
	if at < 0 {
		t.Fatal("no inode item")
	}
	log[tail+at] = 0x7f
	image = log
	fsys, got = names(nil)
	if p := fsys.Problems(); got != "files/small odd/-rf" || len(p) != 1 || !errors.Is(p[0], block.ErrDirty) || !errors.Is(p[0], block.ErrUnsupported) {
		t.Errorf("with an unknown item: %s, %v", got, p)
	}
}

func TestIgnoreCase(t *testing.T) {
	fsys := openFixture(t, "ci")
	if !fsys.Info().CaseInsensitive {
		t.Error("not CaseInsensitive")
	}
	for _, name := range []string{"FILES/Small", "dirs/NODE/an-entry-of-the-Node-form-000001", "dirs/block/A-NAME-of-some-length-000002"} {
		if _, err := fs.Stat(fsys, name); err != nil {
			t.Error(err)
		}
	}
	if _, err := fs.Stat(openFixture(t, "v4"), "FILES/Small"); err == nil {
		t.Error("v4 ignores case")
	}
}

// TestFS has the standard library judge the folders, and the files that are not
// so large that it would read them three bytes at a time for minutes.
func TestFS(t *testing.T) {
	fsys := openFixture(t, "v4-ftype")
	for _, name := range []string{"small", "empty", "past-eof", "seq", "clone", "few-extents", "unwritten"} {
		want, err := fs.ReadFile(fsys, "files/"+name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := fsys.Open("files/" + name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := iotest.TestReader(f, want); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for dir, name := range map[string]string{"dirs/leaf": "leaf-entry-000001", "dirs/subdirs": "d1", "xattrs": "acl", "meta": "old"} {
		testimg.TestSub(t, fsys, dir, name)
	}
}

func Example() {
	f, err := os.Open("testdata/v4.img.bz2")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	image, err := io.ReadAll(bzip2.NewReader(f))
	if err != nil {
		fmt.Println(err)
		return
	}
	fsys, err := xfs.Open(bytes.NewReader(image), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := fs.ReadFile(fsys, "files/small")
	fmt.Printf("%s version %s: %q %v\n", fsys.Info().Type, fsys.Info().Version, b, err)
	// Output: xfs version 4: "hello, world\n" <nil>
}
