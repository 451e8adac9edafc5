package ntfs_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/guestkit/guestkit/internal/testimg"
)

// TestMakeFixtures makes the volume in testdata and the listing of what
// ntfs-3g shows of it. testdata/make.sh runs it.
func TestMakeFixtures(t *testing.T) {
	if os.Getenv("GUESTKIT_MAKE_FIXTURES") == "" {
		t.Skip("run testdata/make.sh")
	}
	img := mkntfs(t, 12<<20, "-c", "4096", "-L", "Fixture ü")
	dir, unmount := mount3g(t, img, "compression,streams_interface=windows")
	f := newFiller(t, dir)
	code, err := os.ReadFile("/bin/ls")
	f.must(err)
	code = code[20_000:]

	f.write("plain/resident", []byte("in the record"))
	f.write("plain/empty", nil)
	f.write("plain/big", f.text(10_000))
	for i := range 120 {
		f.write(fmt.Sprintf("plain/dir/name %d", i), nil)
	}
	f.compress("plain/packed")
	f.write("plain/packed/text", f.text(80_000))
	f.write("plain/packed/code", code[:17_000])
	f.parts("plain/packed/holes", 400_001, f.text(9_000), 65_536-7, 200_000)
	f.parts("plain/sparse", 100_000, f.text(5000), 8192, 70_000)
	var every []int64
	for i := range int64(350) {
		every = append(every, i*8192)
	}
	f.parts("plain/fragments", 350*8192+77, bytes.Repeat([]byte("*"), 4096), every...)

	wof := map[string][]byte{}
	for kind := range wofKinds {
		for name, b := range map[string][]byte{"code": code[:33_000], "text": f.text(17_000)} {
			name := fmt.Sprintf("plain/wof/%s %d", name, kind)
			if !f.wof(name, b, kind) {
				t.Fatalf("%s does not compress", name)
			}
			wof[name] = b
		}
	}

	for _, c := range []struct {
		file    string
		kind    int
		content []byte
	}{{"xpress/testdata/text", 0, f.text(4096)}, {"xpress/testdata/code", 3, code[:16384]}, {"lzx/testdata/text", 1, f.text(9000)}, {"lzx/testdata/code", 1, code[:32768]}} {
		// The first chunk of a file with a second, short one.
		chunks := wimChunks(t, append(bytes.Clone(c.content), bytes.Repeat([]byte("."), 40)...), wofKinds[c.kind].compress, wofKinds[c.kind].chunk)
		if n := len(c.content); n == 9000 { // one chunk, no table
			chunks = wimChunks(t, c.content, wofKinds[c.kind].compress, wofKinds[c.kind].chunk)
		} else {
			chunks = chunks[4 : 4+binary.LittleEndian.Uint32(chunks)]
		}
		f.must(os.MkdirAll(filepath.Dir("internal/"+c.file), 0o777))
		f.must(os.WriteFile("internal/"+c.file+".chunk", chunks, 0o644))
		f.must(os.WriteFile("internal/"+c.file+".content", c.content, 0o644))
	}

	f.write("links/one", []byte("linked"))
	for i := range 20 {
		f.must(os.Link(f.path("links/one"), f.path(fmt.Sprintf("links/%s-%d", strings.Repeat("x", 150), i))))
	}
	f.must(os.Symlink("one", f.path("links/soft")))
	f.must(syscall.Mkfifo(f.path("links/fifo"), 0o666))
	f.must(syscall.Mknod(f.path("links/char"), syscall.S_IFCHR|0o666, int(unix.Mkdev(5, 300))))
	f.must(syscall.Mknod(f.path("links/block"), syscall.S_IFBLK|0o666, int(unix.Mkdev(8, 17))))
	f.must(syscall.Mknod(f.path("links/socket"), syscall.S_IFSOCK|0o666, 0))
	f.mkdir("links/junction")
	f.xattr("links/junction", "system.ntfs_reparse_data", reparse(0xA0000003, linkData(`\??\C:\Plain\Dir`, `C:\Plain\Dir`)))
	f.write("links/relative", nil)
	f.xattr("links/relative", "system.ntfs_reparse_data", reparse(0xA000000C, linkData(`..\plain\big`, `..\plain\big`, 1)))

	f.write("streams/file", []byte("main"))
	for i := range 12 {
		f.must(os.WriteFile(f.path(fmt.Sprintf("streams/file:stream %d", i)), f.text(i*60), 0o666))
	}
	f.must(os.WriteFile(f.path("streams/file:big"), f.text(20_000), 0o666))
	f.write("streams/a long name.text", []byte("dos"))
	f.xattr("streams/a long name.text", "system.ntfs_dos_name", []byte("ALONGN~1.TEX"))
	f.mkdir("alone/x-y-z")
	f.write("hiberfil.sys", append([]byte("wake"), make([]byte, 4092)...))
	unmount()

	dir, unmount = mount3g(t, img) // with streams as attributes
	f.dir = dir
	for i, name := range []string{"Case", "case", "a:b", `back\slash`, "trailing.", "\xed\xa0\x80 lone", "😀", strings.Repeat("n", 255), "ÀÉ", "\uefff"} {
		f.write("odd/"+name, []byte(name))
		when := time.Unix(int64(i)*1e8, int64(i)*100)
		f.must(os.Chtimes(f.path("odd/"+name), when, when))
	}
	unmount()

	dir, unmount = mount3g(t, img, "ro")
	tree, err := testimg.HostTree(dir, testimg.TreeOptions{})
	f.must(err)
	unmount()
	for name, n := range tree {
		switch {
		case n.Mode&fs.ModeDevice != 0:
			n.Size = 0 // not the length of the file that says so
		case wof[name] != nil: // ntfs-3g says that it does not know these
			sum := sha256.Sum256(wof[name])
			n.Mode, n.Size, n.Target, n.SHA256, n.Xattrs = fs.ModePerm, int64(len(wof[name])), "", hex.EncodeToString(sum[:]), nil
		case name == "links/junction": // ntfs-3g makes it relative
			n.Target = "/Plain/Dir"
			n.Size = int64(len(n.Target))
		case name == "streams/a long name.text":
			n.Nlink = 1 // and a DOS name
		}
		tree[name] = n
	}
	image, err := os.ReadFile(img)
	f.must(err)
	for name, b := range map[string][]byte{"small.img.gz": image, "small.tree.gz": []byte(listing(tree))} {
		var out bytes.Buffer
		z, _ := gzip.NewWriterLevel(&out, gzip.BestCompression)
		z.Write(b)
		f.must(z.Close())
		f.must(os.WriteFile(filepath.Join("testdata", name), out.Bytes(), 0o644))
		t.Logf("%s: %d bytes", name, out.Len())
	}
}
