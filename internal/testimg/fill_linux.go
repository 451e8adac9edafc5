package testimg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Fill says how much FillTree makes.
type Fill struct {
	Names   int   // files in one directory
	Largest int64 // bytes of the largest file with data
	Hole    int64 // where the last data of the file with holes lies
	// Plain leaves out what only root can make, and times before 1970.
	Plain bool
	// ASCII leaves out names that are not, and other odd ones.
	ASCII bool
}

// FillTree makes every hard case that a read-only filesystem can hold in dir,
// for tools that make an image of a folder. It gives the same in every run.
func FillTree(t testing.TB, dir string, o Fill) {
	t.Helper()
	f := filler{t, dir, newRand(), o}
	f.files()
	f.names()
	f.links()
	if !o.Plain {
		f.nodes()
		f.attributes()
	}
	f.times(dir)
}

type filler struct {
	t   testing.TB
	dir string
	rng *rand.Rand
	o   Fill
}

func (f *filler) path(name string) string { return filepath.Join(f.dir, name) }

func (f *filler) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// may is must for what some filesystems of hosts cannot do.
func (f *filler) may(err error) {
	f.t.Helper()
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.E2BIG) && !errors.Is(err, unix.ENAMETOOLONG) {
		f.must(err)
	}
}

// bytes makes data that compresses, and yet no two pieces are the same; every
// third piece does not compress.
func (f *filler) bytes(n int64) []byte {
	b := make([]byte, n)
	for p := b; len(p) > 0; p = p[min(len(p), 512):] {
		noise := f.rng.IntN(3) == 0
		tag := binary.LittleEndian.AppendUint64(nil, f.rng.Uint64())
		for i := range min(len(p), 512) {
			p[i] = tag[i%8]
			if noise {
				p[i] = byte(f.rng.Uint32())
			}
		}
	}
	return b
}

func (f *filler) write(name string, b []byte) string {
	f.t.Helper()
	f.must(os.MkdirAll(filepath.Dir(f.path(name)), 0o755))
	f.must(os.WriteFile(f.path(name), b, 0o644))
	return f.path(name)
}

func (f *filler) files() {
	for _, n := range []int64{0, 1, 2, 100, 511, 512, 513, 2047, 2048, 2049, 4095, 4096, 4097, 5000, 8192, 12289, 70000, 131071, 131072, 131073, 300000, 1 << 20, 3<<20 + 5} {
		if n <= f.o.Largest {
			f.write(fmt.Sprintf("size-%d", n), f.bytes(n))
		}
	}
	f.write("zeros", make([]byte, min(f.o.Largest, 400000)))
	same := f.bytes(min(f.o.Largest, 20000))
	f.write("same-1", same)
	f.write("same-2", same)
	f.write("same-part", append(f.bytes(8192), same[:8192]...))
	noise := make([]byte, min(f.o.Largest, 200000))
	for i := range noise {
		noise[i] = byte(f.rng.Uint32())
	}
	f.write("noise", noise)
	h, err := os.Create(f.path("holes"))
	f.must(err)
	defer h.Close()
	for _, off := range []int64{0, 13 << 10, f.o.Hole/3 + 7, f.o.Hole} {
		_, err := h.WriteAt(f.bytes(3000), off)
		f.must(err)
	}
	f.must(h.Truncate(f.o.Hole + 300<<10 + 123))
}

func (f *filler) names() {
	for i := range f.o.Names {
		f.write(fmt.Sprintf("many/name-%06d-%s", i*7, strings.Repeat("x", i%17)), []byte(fmt.Sprint(i))[:i%3/2])
	}
	f.must(os.MkdirAll(f.path("empty"), 0o700))
	f.write("deep/0/1/2/3/4/5/6/7/8/9/10/11/12/end", []byte("deep"))
	odd := []string{"plain", "UPPER.TXT", "two.dots.txt", "noext", "-dash", "a b", "...", "..x", strings.Repeat("n", 200), "semi;1", "tilde~1"}
	if !f.o.ASCII {
		odd = append(odd, "ünïcode", "日本語", "\U0001F600", "new\nline", "\x1b[31mred", "latin1-\xe9", "\xff\xfe", "half-\xe2\x82", "back\\slash", "private-\uEF41", strings.Repeat("n", 255), "a:b", "a*b?")
	}
	for _, name := range odd {
		f.write("names/"+name, []byte(name))
		f.must(os.Mkdir(f.path("names")+"/d-"+name[:min(len(name), 250)], 0o750))
	}
}

func (f *filler) links() {
	for _, n := range []int{1, 20, 60, 100, 127, 128, 255, 1000, 4000} {
		target := strings.Repeat("t", n)
		if n > 250 {
			target = strings.Repeat("../some/dir/", n/12)
		}
		f.must(os.MkdirAll(f.path("links"), 0o755))
		f.may(os.Symlink(target, f.path(fmt.Sprintf("links/to-%d", n))))
	}
	for name, target := range map[string]string{"up": "../size-1", "abs": "/etc/passwd", "dots": "./.././/a/../b", "root": "/", "dir": "../deep/0", "self": "."} {
		f.must(os.Symlink(target, f.path("links/"+name)))
	}
	if !f.o.ASCII {
		f.must(os.Symlink("/absolute/\xff\xe9", f.path("links/bytes")))
	}
	f.must(os.Link(f.path("size-512"), f.path("links/hard1")))
	f.must(os.Link(f.path("size-512"), f.path("links/hard2")))
	for i := range 9 {
		p := f.write(fmt.Sprintf("modes/%d", i), nil)
		f.must(os.Chmod(p, []os.FileMode{0, 0o7, 0o70, 0o700, 0o777, 0o640, 0o755 | os.ModeSetuid, 0o755 | os.ModeSetgid, 0o755 | os.ModeSticky}[i]))
	}
}

func (f *filler) nodes() {
	f.must(os.Mkdir(f.path("nodes"), 0o755))
	for i, dev := range []uint64{unix.Mkdev(8, 1), unix.Mkdev(255, 255), unix.Mkdev(300, 1), unix.Mkdev(1, 70000), unix.Mkdev(4095, 1<<20-1)} {
		f.must(unix.Mknod(f.path(fmt.Sprintf("nodes/c%d", i)), unix.S_IFCHR|0o600, int(dev)))
		f.must(unix.Mknod(f.path(fmt.Sprintf("nodes/b%d", i)), unix.S_IFBLK|0o660, int(dev)))
	}
	f.must(unix.Mknod(f.path("nodes/fifo"), unix.S_IFIFO|0o622, 0))
	f.must(unix.Mknod(f.path("nodes/socket"), unix.S_IFSOCK|0o755, 0))
	for i := range 8 {
		f.must(unix.Lchown(f.write(fmt.Sprintf("nodes/owner-%d", i), nil), i*100001, i*20000003))
	}
}

func (f *filler) attributes() {
	acl := func(entries ...[3]uint32) []byte {
		b := binary.LittleEndian.AppendUint32(nil, 2)
		for _, e := range entries {
			b = binary.LittleEndian.AppendUint16(b, uint16(e[0]))
			b = binary.LittleEndian.AppendUint16(b, uint16(e[1]))
			b = binary.LittleEndian.AppendUint32(b, e[2])
		}
		return b
	}
	list := acl([3]uint32{1, 7, ^uint32(0)}, [3]uint32{2, 5, 1000}, [3]uint32{4, 5, ^uint32(0)}, [3]uint32{16, 7, ^uint32(0)}, [3]uint32{32, 1, ^uint32(0)})
	for i, n := range []int64{0, 1, 20, 100, 500, 800, 3000} {
		p := f.write(fmt.Sprintf("attrs/value-%d", n), []byte("content"))
		f.may(unix.Setxattr(p, "user.v", f.bytes(n), 0))
		f.may(unix.Setxattr(p, "trusted.t", []byte{byte(i)}, 0))
		f.may(unix.Setxattr(p, "security.selinux", []byte("system_u:object_r:etc_t:s0\x00"), 0))
		if i%2 == 0 {
			f.may(unix.Setxattr(p, "system.posix_acl_access", list, 0))
		}
	}
	for i := range 6 { // the same in several
		f.may(unix.Setxattr(f.write(fmt.Sprintf("attrs/shared-%d", i), nil), "user.shared", []byte(strings.Repeat("s", 300)), 0))
	}
	many := f.write("attrs/many", nil)
	for i := range 20 {
		f.may(unix.Setxattr(many, fmt.Sprintf("user.attribute-%d", i), []byte(strings.Repeat("m", i)), 0))
		f.may(unix.Setxattr(many, fmt.Sprintf("user.a.long.prefix.attribute-%d", i), nil, 0))
	}
	d := f.path("attrs/dir")
	f.must(os.Mkdir(d, 0o755))
	f.may(unix.Setxattr(d, "system.posix_acl_default", list, 0))
	f.may(unix.Setxattr(d, "user.on-dir", []byte("x"), 0))
	f.must(os.Symlink("x", f.path("attrs/link")))
	f.may(unix.Lsetxattr(f.path("attrs/link"), "trusted.on-link", []byte("y"), 0))
}

// times gives every path a time of its own, and some an odd one.
func (f *filler) times(dir string) {
	for i, s := range []string{"1970-01-01T00:00:00Z", "1980-01-01T00:00:00Z", "2001-09-09T01:46:40.123456789Z", "2038-01-19T03:14:07Z", "2038-01-19T03:14:08.5Z", "2099-12-31T23:59:59.75Z"} {
		when, err := time.Parse(time.RFC3339Nano, s)
		f.must(err)
		f.must(os.Chtimes(f.write(fmt.Sprintf("times/%d", i), nil), when, when))
	}
	second := int64(1_600_000_000)
	f.must(filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		f.must(err)
		if !strings.Contains(p, "/times/") {
			second += 61
			ts := []unix.Timespec{{Sec: second}, {Sec: second, Nsec: second % 1000 * 1e6}}
			f.must(unix.UtimesNanoAt(unix.AT_FDCWD, p, ts, unix.AT_SYMLINK_NOFOLLOW))
		}
		return nil
	}))
}

// newRand gives the same numbers in every run.
func newRand() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }
