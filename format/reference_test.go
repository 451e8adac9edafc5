package format_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
)

// overlay is the smallest qcow2 image that does nothing but name a backing
// file: 512-byte clusters, a refcount table that is not looked at, an empty L1
// table, and a disk of 4 KiB.
func overlay(name, backingFormat string) []byte {
	b := make([]byte, 3*512)
	be := binary.BigEndian
	copy(b, "QFI\xfb")
	be.PutUint32(b[4:], 3)
	be.PutUint64(b[8:], 256)
	be.PutUint32(b[16:], uint32(len(name)))
	be.PutUint32(b[20:], 9)
	be.PutUint64(b[24:], 4096)
	be.PutUint32(b[36:], 1)
	be.PutUint64(b[40:], 1024)
	be.PutUint64(b[48:], 512)
	be.PutUint32(b[56:], 1)
	be.PutUint32(b[96:], 4)
	be.PutUint32(b[100:], 104)
	if backingFormat != "" {
		be.PutUint32(b[104:], 0xe2792aca)
		be.PutUint32(b[108:], uint32(len(backingFormat)))
		copy(b[112:], backingFormat)
	}
	copy(b[256:], name)
	return b
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

var secret = bytes.Repeat([]byte("secret\n\n"), 512)

// place lays out a directory of images and, beside it, what they must not
// reach. It returns both.
func place(t *testing.T) (dir, outside string) {
	t.Helper()
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir, outside = filepath.Join(top, "images"), filepath.Join(top, "outside")
	write(t, filepath.Join(dir, "base.raw"), bytes.Repeat([]byte{'b'}, 4096))
	write(t, filepath.Join(dir, "sub/base.raw"), bytes.Repeat([]byte{'s'}, 4096))
	write(t, filepath.Join(dir, "-base:1.raw"), bytes.Repeat([]byte{'c'}, 4096))
	write(t, filepath.Join(outside, "secret.raw"), secret)
	for link, target := range map[string]string{
		"link-in": "base.raw", "link-out": "../outside/secret.raw", "link-abs": filepath.Join(outside, "secret.raw"),
		"link-dir": "../outside", "link-loop": "link-loop",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Skip(err)
		}
	}
	return dir, outside
}

// TestReferences opens overlays by the rules of each policy.
func TestReferences(t *testing.T) {
	dir, outside := place(t)
	if err := mkfifo(filepath.Join(dir, "fifo")); err != nil {
		t.Skip(err)
	}
	write(t, filepath.Join(dir, "overlay2.qcow2"), overlay("base.raw", "raw"))
	own := &format.Options{FollowOwnDir: true}
	allow := &format.Options{AllowDirs: []string{outside}}
	both := &format.Options{FollowOwnDir: true, AllowDirs: []string{outside}}
	for _, c := range []struct {
		name, format string
		opts         *format.Options
		class        error
		first        byte
	}{
		{"base.raw", "raw", nil, block.ErrRefused, 0},
		{"base.raw", "raw", &format.Options{}, block.ErrRefused, 0},
		{"base.raw", "raw", own, nil, 'b'},
		{"./base.raw", "raw", own, nil, 'b'},
		{"sub/base.raw", "raw", own, nil, 's'},
		{"sub/../base.raw", "raw", own, nil, 'b'},
		{"link-in", "raw", own, nil, 'b'},
		{"base.raw", "", own, nil, 'b'}, // nothing in it tells a format
		{"overlay2.qcow2", "", own, block.ErrRefused, 0},
		{"base.raw", "", &format.Options{FollowOwnDir: true, BackingFormat: "raw"}, nil, 'b'},
		{"base.raw", "host_device", own, nil, 'b'},
		{"base.raw", "nonsense", own, block.ErrUnsupported, 0},
		{"base.raw", "qcow2", own, block.ErrFormat, 0}, // what is stated is not probed
		{"base.raw", "luks", own, block.ErrFormat, 0},
		{"missing.raw", "raw", own, block.ErrParent, 0},
		{"missing.raw", "raw", own, fs.ErrNotExist, 0},
		{"../outside/secret.raw", "raw", own, block.ErrRefused, 0},
		{"sub/../../outside/secret.raw", "raw", own, block.ErrRefused, 0},
		{filepath.Join(outside, "secret.raw"), "raw", own, block.ErrRefused, 0},
		{filepath.Join(dir, "base.raw"), "raw", own, nil, 'b'}, // where it lies is what counts
		{"/etc/passwd", "raw", own, block.ErrRefused, 0},
		{"link-out", "raw", own, block.ErrRefused, 0},
		{"link-out", "raw", both, nil, 's'}, // a link into a folder that is allowed
		{"link-abs", "raw", both, nil, 's'},
		{"link-dir/secret.raw", "raw", both, nil, 's'},
		{"link-abs", "raw", own, block.ErrRefused, 0},
		{"link-dir/secret.raw", "raw", own, block.ErrRefused, 0},
		{"link-loop", "raw", own, block.ErrRefused, 0},
		{"fifo", "raw", own, block.ErrRefused, 0},
		{"sub", "raw", own, block.ErrRefused, 0},
		{"-base:1.raw", "raw", own, block.ErrRefused, 0}, // of the protocol "-base"
		{"./-base:1.raw", "raw", own, nil, 'c'},
		{"sub/../-base:1.raw", "raw", own, nil, 'c'},
		{filepath.Join(dir, "-base:1.raw"), "raw", own, nil, 'c'},
		{"file:-base:1.raw", "raw", own, nil, 'c'},
		{`json:{"driver":"raw","file":{"driver":"file","filename":"-base:1.raw"}}`, "raw", own, nil, 'c'},
		{"file:base.raw", "raw", own, nil, 'b'},
		{"file:" + filepath.Join(dir, "base.raw"), "raw", own, nil, 'b'},
		{"file://" + filepath.Join(dir, "base.raw"), "raw", own, nil, 'b'},
		{"file:../outside/secret.raw", "raw", own, block.ErrRefused, 0},
		{`json:{"driver":"raw","file":{"driver":"file","filename":"base.raw"}}`, "raw", own, nil, 'b'},
		{`json:{"file.filename":"base.raw","driver":"raw"}`, "raw", own, nil, 'b'},
		{`json:{"driver":"file","filename":"base.raw"}`, "raw", own, nil, 'b'},
		{`json:{"file":{"filename":"base.raw"}}`, "raw", own, nil, 'b'},
		{`json:{"driver":"raw","file":{"driver":"file","filename":"../outside/secret.raw"}}`, "raw", both, nil, 's'},
		{`json:{"driver":"raw","file":{"driver":"file","filename":"../outside/secret.raw"}}`, "raw", own, block.ErrRefused, 0},
		{`json:{"driver":"qcow2","file":{"driver":"file","filename":"base.raw"}}`, "raw", own, block.ErrRefused, 0},
		{`json:{"driver":"raw","offset":512,"file":{"filename":"base.raw"}}`, "raw", own, block.ErrRefused, 0},
		{`json:{"driver":"raw","file":{"driver":"nbd","filename":"base.raw"}}`, "raw", own, block.ErrRefused, 0},
		{`json:{"driver":"raw","file":{"driver":"file","filename":"base.raw","locking":"off"}}`, "raw", own, block.ErrRefused, 0},
		{`json:{"driver":"raw","file":{"driver":"file","filename":"nbd:x"}}`, "raw", own, block.ErrParent, 0}, // a file, and none is there
		{`json:{`, "raw", own, block.ErrRefused, 0},
		{"json:{}", "raw", own, block.ErrRefused, 0},
		{"nbd:localhost:10809", "raw", own, block.ErrRefused, 0},
		{"http://127.0.0.1/base.raw", "raw", own, block.ErrRefused, 0},
		{"fd:0", "raw", own, block.ErrRefused, 0},
		{"base.raw\x00", "raw", own, block.ErrRefused, 0},
		{"~/base.raw", "raw", own, block.ErrParent, 0},
		{"$HOME", "raw", own, block.ErrParent, 0},

		{"base.raw", "raw", allow, block.ErrRefused, 0},
		{"../outside/secret.raw", "raw", allow, nil, 's'},
		{filepath.Join(outside, "secret.raw"), "raw", both, nil, 's'},
		{filepath.Join(outside, "../images/base.raw"), "raw", allow, block.ErrRefused, 0},
		{"/etc/passwd", "raw", both, block.ErrRefused, 0},
		{"base.raw", "raw", both, nil, 'b'},
	} {
		image := filepath.Join(dir, "overlay.qcow2")
		write(t, image, overlay(c.name, c.format))
		im, err := format.OpenFile(image, c.opts)
		if c.class == nil && err != nil || !errors.Is(err, c.class) {
			t.Errorf("%q (%s), %+v: %v, want %v", c.name, c.format, c.opts, err, c.class)
		}
		if err != nil {
			if strings.Contains(err.Error(), "secret\n") {
				t.Errorf("%q: the error holds what is outside", c.name)
			}
			continue
		}
		b := make([]byte, 1)
		if err := block.ReadFull(im, b, 0); err != nil || b[0] != c.first {
			t.Errorf("%q: reads %q, %v", c.name, b, err)
		}
		if chain := im.Info().Chain; len(chain) != 1 || chain[0].Format != "raw" || !chain[0].Stated {
			t.Errorf("%q: chain %+v", c.name, chain)
		}
		im.Close()
		// To describe it takes no other file.
		info, _, err := format.DescribeFile(image, nil)
		if err != nil || info.Backing == nil || info.Backing.Name != c.name || info.Backing.Format != c.format || info.Chain != nil {
			t.Errorf("%q: DescribeFile = %+v, %v", c.name, info, err)
		}
	}
}

// TestExtentsAreNoChain has a VMDK of several files over another one: only that
// one lies behind it, and a missing file is no missing parent.
func TestExtentsAreNoChain(t *testing.T) {
	dir := t.TempDir()
	text := func(parent, extents string) []byte {
		return []byte("# Disk DescriptorFile\nversion=1\nCID=12345678\n" + parent + "createType=\"vmfs\"\n" + extents)
	}
	for _, name := range []string{"a", "b", "c"} {
		write(t, filepath.Join(dir, name), make([]byte, 512))
	}
	write(t, filepath.Join(dir, "base.vmdk"), text("parentCID=ffffffff\n", "RW 1 VMFS \"a\"\n"))
	write(t, filepath.Join(dir, "top.vmdk"), text("parentCID=12345678\nparentFileNameHint=\"base.vmdk\"\n", "RW 1 VMFS \"b\"\nRW 1 VMFS \"c\"\n"))
	own := &format.Options{FollowOwnDir: true}
	im, err := format.OpenFile(filepath.Join(dir, "top.vmdk"), own)
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	names := func(paths []string) string {
		var out []string
		for _, p := range paths {
			out = append(out, filepath.Base(p))
		}
		return strings.Join(out, " ")
	}
	i := im.Info()
	if len(i.Chain) != 1 || filepath.Base(i.Chain[0].Name) != "base.vmdk" || names(i.Files) != "b c" || names(i.Chain[0].Files) != "a" {
		t.Errorf("files %q, chain %+v", i.Files, i.Chain)
	}
	os.Remove(filepath.Join(dir, "c"))
	_, err = format.OpenFile(filepath.Join(dir, "top.vmdk"), own)
	if !errors.Is(err, block.ErrTruncated) || errors.Is(err, block.ErrParent) || !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "statat") {
		t.Errorf("without a file: %v, want ErrTruncated", err)
	}
}

// TestOwnDirOfLink: where the path of an image is a symbolic link, its own
// directory is where the file lies, and not where the link does.
func TestOwnDirOfLink(t *testing.T) {
	dir, outside := place(t)
	write(t, filepath.Join(outside, "overlay.qcow2"), overlay("base.raw", "raw"))
	link := filepath.Join(dir, "disk.qcow2")
	if err := os.Symlink("../outside/overlay.qcow2", link); err != nil {
		t.Fatal(err)
	}
	if _, err := format.OpenFile(link, &format.Options{FollowOwnDir: true}); !errors.Is(err, block.ErrParent) {
		t.Errorf("an image may name what lies beside a link to it: %v", err)
	}
	write(t, filepath.Join(outside, "base.raw"), bytes.Repeat([]byte{'o'}, 4096))
	im, err := format.OpenFile(link, &format.Options{FollowOwnDir: true})
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	b := make([]byte, 1)
	if err := block.ReadFull(im, b, 0); err != nil || b[0] != 'o' {
		t.Errorf("reads %q, %v", b, err)
	}
}

// TestLoops is recipes Q20 and Q21, and a file under two names.
func TestLoops(t *testing.T) {
	dir := t.TempDir()
	own := &format.Options{FollowOwnDir: true}
	write(t, filepath.Join(dir, "self.qcow2"), overlay("self.qcow2", "qcow2"))
	write(t, filepath.Join(dir, "a.qcow2"), overlay("b.qcow2", "qcow2"))
	write(t, filepath.Join(dir, "b.qcow2"), overlay("a.qcow2", "qcow2"))
	write(t, filepath.Join(dir, "raw-self.qcow2"), overlay("raw-self.qcow2", "raw"))
	write(t, filepath.Join(dir, "hard.qcow2"), overlay("hard2.qcow2", "qcow2"))
	if err := os.Link(filepath.Join(dir, "hard.qcow2"), filepath.Join(dir, "hard2.qcow2")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"self.qcow2", "a.qcow2", "b.qcow2", "raw-self.qcow2", "hard.qcow2"} {
		if _, err := format.OpenFile(filepath.Join(dir, name), own); !errors.Is(err, block.ErrLoop) {
			t.Errorf("%s: %v, want ErrLoop", name, err)
		}
	}
}

// TestDepth opens chains as long as they may be, and one longer.
func TestDepth(t *testing.T) {
	dir := t.TempDir()
	name := func(i int) string { return strings.Repeat("i", i+1) + ".qcow2" }
	write(t, filepath.Join(dir, name(0)), bytes.Repeat([]byte{'z'}, 4096))
	for i := 1; i <= format.DefaultMaxDepth+1; i++ {
		f := "qcow2"
		if i == 1 {
			f = "raw"
		}
		write(t, filepath.Join(dir, name(i)), overlay(name(i-1), f))
	}
	own := &format.Options{FollowOwnDir: true}
	im, err := format.OpenFile(filepath.Join(dir, name(format.DefaultMaxDepth)), own)
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	b := make([]byte, 1)
	if err := block.ReadFull(im, b, 4095); err != nil || b[0] != 'z' {
		t.Errorf("reads %q, %v", b, err)
	}
	if e, err := im.Extent(0); err != nil || e.Depth != format.DefaultMaxDepth {
		t.Errorf("Extent = %+v, %v", e, err)
	}
	if n := len(im.Info().Chain); n != format.DefaultMaxDepth {
		t.Errorf("the chain has %d images", n)
	}
	if _, err := format.OpenFile(filepath.Join(dir, name(format.DefaultMaxDepth+1)), own); !errors.Is(err, block.ErrLimit) {
		t.Errorf("a longer chain: %v, want ErrLimit", err)
	}
	if _, err := format.OpenFile(filepath.Join(dir, name(3)), &format.Options{FollowOwnDir: true, MaxDepth: 2}); !errors.Is(err, block.ErrLimit) {
		t.Errorf("a chain of 3 where 2 may be: %v, want ErrLimit", err)
	}
}

// TestDescriptorsClosed counts the open files of the process before and after.
func TestDescriptorsClosed(t *testing.T) {
	count := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip(err)
		}
		return len(list)
	}
	dir, _ := place(t)
	write(t, filepath.Join(dir, "good.qcow2"), overlay("base.raw", "raw"))
	write(t, filepath.Join(dir, "bad.qcow2"), overlay("good.qcow2", "raw"))
	write(t, filepath.Join(dir, "bad2.qcow2"), overlay("self.qcow2", "qcow2"))
	write(t, filepath.Join(dir, "self.qcow2"), overlay("self.qcow2", "qcow2"))
	before := count()
	for range 20 {
		for _, name := range []string{"good.qcow2", "bad.qcow2", "bad2.qcow2", "base.raw"} {
			if im, err := format.OpenFile(filepath.Join(dir, name), &format.Options{FollowOwnDir: true}); err == nil {
				im.Close()
			}
		}
	}
	if after := count(); after > before {
		t.Errorf("%d files were left open", after-before)
	}
}
