package ntfs_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/ntfs"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// wofKinds are the ways of compression, as wimlib names them and in the order
// of the reparse point.
var wofKinds = []struct{ compress, chunk string }{{"XPRESS", "4096"}, {"LZX", "32768"}, {"XPRESS", "8192"}, {"XPRESS", "16384"}}

// wof makes a file of the Windows Overlay Filter. It reports false if the
// content does not compress.
func (f *filler) wof(name string, content []byte, kind int) bool {
	f.t.Helper()
	chunks := wimChunks(f.t, content, wofKinds[kind].compress, wofKinds[kind].chunk)
	if chunks == nil {
		return false
	}
	f.parts(name, int64(len(content)), nil)
	f.must(os.WriteFile(f.path(name)+":WofCompressedData", chunks, 0o666))
	f.xattr(name, "system.ntfs_reparse_data", reparse(0x80000017, words(1, 2, 1, uint32(kind))))
	return true
}

// TestWOF reads files whose chunks wimlib has made: programs, text, noise, and
// every length around the borders of chunks.
func TestWOF(t *testing.T) {
	peers.Need(t, "mkntfs", "ntfs-3g", "wimlib-imagex")
	img := mkntfs(t, 128<<20)
	dir, unmount := mount3g(t, img, "streams_interface=windows")
	f := newFiller(t, dir)
	program, err := os.ReadFile("/bin/bash")
	f.must(err)
	zeros := make([]byte, 100_000)
	contents := map[string][]byte{"program": program, "text": f.text(700_000), "zeros": zeros,
		"mixed": append(append(f.text(90_000), f.random(200_000)...), f.text(50_001)...)}
	for _, n := range []int{1000, 4095, 4096, 4097, 8192, 16384, 16385, 32767, 32768, 32769, 65535, 65536, 65537, 98304} {
		contents[fmt.Sprintf("length %d", n)] = f.text(n)
		contents[fmt.Sprintf("code %d", n)] = program[5000 : 5000+n]
	}
	want := map[string][]byte{}
	for name, b := range contents {
		for kind := range wofKinds {
			name := fmt.Sprintf("%s %d", name, kind)
			if f.wof(name, b, kind) {
				want[name] = b
			}
		}
	}
	unmount()
	if len(want) < 100 {
		t.Errorf("only %d files compress", len(want))
	}
	fsys, _ := openImage(t, img, nil)
	for name, b := range want {
		got, err := fs.ReadFile(fsys, name)
		if err != nil || !bytes.Equal(got, b) {
			t.Errorf("%s: %d bytes of %d, %v", name, len(got), len(b), err)
			continue
		}
		fi, err := fsys.Lstat(name)
		if err != nil || fi.Size() != int64(len(b)) || !fi.Mode().IsRegular() {
			t.Errorf("%s: %v, %v", name, fi, err)
		}
		st, _ := vfs.StatOf(fi)
		if st.Allocated > st.Size+4096 || st.Native.(*ntfs.Native).ReparseTag != 0x80000017 {
			t.Errorf("%s: %+v", name, st)
		}
		if xs, err := fsys.Xattrs(name); len(xs) > 0 || err != nil {
			t.Errorf("%s: streams %v, %v", name, xs, err)
		}
	}
	for kind := range wofKinds {
		name := fmt.Sprintf("mixed %d", kind)
		h, err := fsys.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		testimg.TestDevice(t, h.(block.Device), bytes.NewReader(want[name]), 32768)
	}
}

// TestReparse reads reparse points of every kind; where ntfs-3g follows one,
// it must lead to the same file.
func TestReparse(t *testing.T) {
	peers.Need(t, "mkntfs", "ntfs-3g")
	const symlink, junction = 0xA000000C, 0xA0000003
	img := mkntfs(t, 32<<20)
	dir, unmount := mount3g(t, img)
	f := newFiller(t, dir)
	f.write("Dir/Sub/file", []byte("the file"))
	f.write("regular", []byte("x"))
	isDir := map[string]bool{}
	point := func(name string, dir bool, value []byte) {
		t.Helper()
		if isDir[name] = dir; dir {
			f.mkdir(name)
		} else {
			f.write(name, nil)
		}
		f.xattr(name, "system.ntfs_reparse_data", value)
	}
	links := []struct {
		name   string
		dir    bool
		value  []byte
		target string // what ReadLink gives
		drive  string // and with the drive letter C known, if that differs
		leads  string // what lies in it
	}{
		{"junction", true, reparse(junction, linkData(`\??\C:\Dir\Sub`, `C:\Dir\Sub`)), "/Dir/Sub", "", "/file"},
		{"junction case", true, reparse(junction, linkData(`\??\c:\dir\sub\`, `c:\dir\sub\`)), "/dir/sub/", "", "/file"},
		{"other drive", true, reparse(junction, linkData(`\??\D:\Dir`, `D:\Dir`)), "/Dir", "/D:/Dir", ""},
		{"not here", true, reparse(junction, linkData(`\??\C:\Nowhere\x`, ``)), `C:\Nowhere\x`, "/Nowhere/x", ""},
		{"drive root", true, reparse(junction, linkData(`\??\C:\`, `C:\`)), `C:\`, "/", ""},
		{"volume", true, reparse(junction, linkData(`\??\Volume{01234567-89ab-cdef-0123-456789abcdef}\`, ``)), `\\?\Volume{01234567-89ab-cdef-0123-456789abcdef}\`, "", ""},
		{"dir link", true, reparse(symlink, linkData(`Dir\Sub`, `Dir\Sub`, 1)), "Dir/Sub", "", "/file"},
		{"Dir/up", false, reparse(symlink, linkData(`..\Dir\Sub\file`, `..\Dir\Sub\file`, 1)), "../Dir/Sub/file", "", ""},
		{"absolute", false, reparse(symlink, linkData(`\??\C:\Dir\Sub\file`, `C:\Dir\Sub\file`, 0)), "/Dir/Sub/file", "", ""},
		{"rooted", false, reparse(symlink, linkData(`\Dir\Sub\file`, `\Dir\Sub\file`, 1)), "/Dir/Sub/file", "", ""},
		{"share", false, reparse(symlink, linkData(`\??\UNC\server\share\x`, `\\server\share\x`, 0)), `\\server\share\x`, "", ""},
		{"through", false, reparse(symlink, linkData(`\??\C:\junction\file`, ``, 0)), "/junction/file", "", ""},
		{"itself", true, reparse(junction, linkData(`\??\C:\itself`, ``)), "/itself", "", ""},
		{"wsl", false, reparse(0xA000001D, append(words(2), "Dir/Sub/file"...)), "Dir/Sub/file", "", ""},
	}
	for _, l := range links {
		point(l.name, l.dir, l.value)
	}
	refused := map[string][]byte{"dedup": reparse(0x80000013, make([]byte, 40)), "wimboot": reparse(0x80000017, words(1, 1, 2, 3, 4, 5)),
		"unknown": reparse(0x80001234, []byte("abc")), "foreign": append(reparse(0x00001234, nil), make([]byte, 16)...), "wof 9": reparse(0x80000017, words(1, 2, 1, 9))}
	for name, value := range refused {
		point(name, false, value)
	}
	f.write("cloud here", []byte("synced"))
	f.xattr("cloud here", "system.ntfs_reparse_data", reparse(0x9000601A, make([]byte, 8)))
	f.parts("cloud away", 5000, nil)
	f.xattr("cloud away", "system.ntfs_attrib_be", binary.BigEndian.AppendUint32(nil, 0x00400000|0x1000))
	f.xattr("cloud away", "system.ntfs_reparse_data", reparse(0x9000601A, make([]byte, 8)))
	unmount()
	dir, unmount = mount3g(t, img, "ro")
	f.dir = dir
	follow := map[string]string{}
	for _, l := range links {
		if b, err := os.ReadFile(f.path(l.name + l.leads)); err == nil {
			follow[l.name+l.leads] = string(b)
		}
	}
	unmount()
	t.Logf("ntfs-3g follows %v", follow)
	if len(follow) < 5 {
		t.Errorf("ntfs-3g follows only %v", follow)
	}

	fsys, _ := openImage(t, img, nil)
	driveC, _ := openImage(t, img, &ntfs.Options{Drive: 'c'})
	for path, want := range follow {
		if b, err := fs.ReadFile(fsys, path); err != nil || string(b) != want {
			t.Errorf("%s: %q, %v; ntfs-3g reads %q", path, b, err, want)
		}
	}
	for _, l := range links {
		fi, err := fsys.Lstat(l.name)
		if err != nil || fi.Mode().Type() != fs.ModeSymlink || fi.Size() != int64(len(l.target)) {
			t.Errorf("%s: %v, %v", l.name, fi, err)
		}
		if got, err := fsys.ReadLink(l.name); got != l.target || err != nil {
			t.Errorf("%s leads to %q, %v; want %q", l.name, got, err, l.target)
		}
		if l.drive == "" {
			l.drive = l.target
		}
		if got, err := driveC.ReadLink(l.name); got != l.drive || err != nil {
			t.Errorf("%s leads to %q, %v on drive C; want %q", l.name, got, err, l.drive)
		}
	}
	if _, err := fsys.Stat("itself"); !errors.Is(err, block.ErrLoop) { // N13
		t.Errorf("a junction to itself: %v", err)
	}
	if raw, err := native(t, fsys, "junction").Target(); raw != `\??\C:\Dir\Sub` || err != nil {
		t.Errorf("raw target %q, %v", raw, err)
	}
	for name := range refused {
		if _, err := fsys.Lstat(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := fsys.Open(name); !errors.Is(err, block.ErrUnsupported) {
			t.Errorf("%s opens: %v", name, err)
		}
	}
	if b, err := fs.ReadFile(fsys, "cloud here"); string(b) != "synced" || err != nil {
		t.Errorf("cloud here: %q, %v", b, err)
	}
	if _, err := fsys.Open("cloud away"); !errors.Is(err, block.ErrUnsupported) {
		t.Errorf("cloud away: %v", err)
	}
	ents, err := fsys.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range ents {
		fi, err := fsys.Lstat(e.Name())
		if err != nil || e.Type() != fi.Mode().Type() {
			t.Errorf("%s is listed as %v: %v, %v", e.Name(), e.Type(), fi.Mode(), err)
		}
	}
}

// TestWSL reads the special files that WSL makes, and ntfs-3g after it.
func TestWSL(t *testing.T) {
	peers.Need(t, "mkntfs", "ntfs-3g")
	img := mkntfs(t, 32<<20)
	dir, unmount := mount3g(t, img, "special_files=wsl")
	f := newFiller(t, dir)
	f.write("dir/file", []byte("x"))
	f.must(os.Symlink("dir/file", f.path("link")))
	f.must(os.Symlink("/dir/ümlaut", f.path("absolute")))
	f.must(syscall.Mkfifo(f.path("fifo"), 0o666))
	f.must(syscall.Mknod(f.path("char"), syscall.S_IFCHR|0o666, int(unix.Mkdev(5, 300))))
	f.must(syscall.Mknod(f.path("block"), syscall.S_IFBLK|0o666, int(unix.Mkdev(8, 17))))
	f.must(syscall.Mknod(f.path("socket"), syscall.S_IFSOCK|0o666, 0))
	unmount()
	o := treeOptions
	o.NoMode = true // ntfs-3g forgets the permissions of these
	fsys := compare3g(t, img, o)
	if tag := native(t, fsys, "link").ReparseTag; tag != 0xA000001D {
		t.Errorf("the link is none of WSL: %#x", tag)
	}
}
