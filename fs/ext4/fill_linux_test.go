package ext4_test

import (
	"bytes"
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

// fill makes every hard case that a filesystem can hold in dir, through the
// kernel. What a filesystem refuses to hold (attributes that are too large, holes
// to punch in a block map) is left out.
func fill(t testing.TB, dir string, names int, size fillSize) {
	t.Helper()
	f := filler{t, dir, newRand(), size}
	f.files()
	f.names(names)
	f.links()
	f.nodes()
	f.times()
	f.attributes()
}

// newRand gives the same numbers in every run.
func newRand() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// fillSize scales what takes room: the fixtures are small.
type fillSize struct {
	fragments  int64 // extents of one file
	punched    int64 // bytes of the file with punched holes
	lastOffset int64 // of data in the file with holes
	largest    int   // bytes of the largest plain file
}

var (
	fullSize  = fillSize{fragments: 2500, punched: 2 << 20, lastOffset: 70 << 20, largest: 300 << 10}
	smallSize = fillSize{fragments: 400, punched: 512 << 10, lastOffset: 70 << 20, largest: 70000}
)

type filler struct {
	t    testing.TB
	dir  string
	rng  *rand.Rand
	size fillSize
}

func (f *filler) path(name string) string { return filepath.Join(f.dir, name) }

func (f *filler) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// may is must for what some filesystems cannot do.
func (f *filler) may(err error) {
	f.t.Helper()
	for _, ok := range []error{unix.EOPNOTSUPP, unix.ENOSPC, unix.EINVAL, unix.E2BIG, unix.ENAMETOOLONG, unix.ERANGE} {
		if errors.Is(err, ok) {
			return
		}
	}
	f.must(err)
}

func (f *filler) bytes(n int) []byte {
	b := make([]byte, n)
	// Every 512 bytes differ from all others, and yet a fixture compresses.
	for p := b; len(p) > 0; p = p[min(len(p), 512):] {
		tag := binary.LittleEndian.AppendUint64(nil, f.rng.Uint64())
		for i := range min(len(p), 512) {
			p[i] = tag[i%8]
		}
	}
	return b
}

func (f *filler) write(name string, b []byte) string {
	f.t.Helper()
	f.must(os.WriteFile(f.path(name), b, 0o644))
	return f.path(name)
}

func (f *filler) files() {
	for _, n := range []int{0, 1, 59, 60, 61, 100, 160, 300, 700, 1023, 1024, 1025, 4096, 5000, 70000, 300 << 10} {
		if n > f.size.largest {
			continue
		}
		f.write(fmt.Sprintf("size-%d", n), f.bytes(n))
	}
	h, err := os.Create(f.path("holes"))
	f.must(err)
	defer h.Close()
	for _, off := range []int64{0, 13 << 10, 300 << 10, 5<<20 + 7, f.size.lastOffset} {
		_, err := h.WriteAt(f.bytes(3000), off)
		f.must(err)
	}
	f.must(h.Truncate(f.size.lastOffset + 1<<20 + 123))
	p, err := os.Create(f.path("punched"))
	f.must(err)
	defer p.Close()
	_, err = p.Write(f.bytes(int(f.size.punched)))
	f.must(err)
	for off := int64(64 << 10); off < f.size.punched; off += 192 << 10 {
		f.may(unix.Fallocate(int(p.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, 70000))
	}
	u, err := os.Create(f.path("unwritten"))
	f.must(err)
	defer u.Close()
	f.may(unix.Fallocate(int(u.Fd()), 0, 0, 3<<20))
	_, err = u.WriteAt(f.bytes(10000), 1<<20+5)
	f.must(err)
	f.must(u.Truncate(3 << 20))
	f.may(unix.Fallocate(int(u.Fd()), unix.FALLOC_FL_KEEP_SIZE, 3<<20, 1<<20))
	g, err := os.Create(f.path("fragments"))
	f.must(err)
	defer g.Close()
	for i := range f.size.fragments {
		_, err := g.WriteAt(f.bytes(100), i*8192+4000)
		f.must(err)
	}
}

func (f *filler) names(n int) {
	f.must(os.Mkdir(f.path("many"), 0o755))
	for i := range n {
		f.must(unix.Mknod(f.path(fmt.Sprintf("many/name-%06d-%s", i, strings.Repeat("x", i%17))), unix.S_IFREG|0o600, 0))
	}
	for i := 0; i < n; i += 3 {
		f.must(os.Remove(f.path(fmt.Sprintf("many/name-%06d-%s", i, strings.Repeat("x", i%17)))))
	}
	f.must(os.Mkdir(f.path("names"), 0o711))
	odd := []string{"plain", "ünïcode", "back\\slash", `systemd\x2dunit`, "new\nline", " space ", "-dash", "\x1b[31mred", "ctrl\x01\x7f",
		"latin1-\xe9\xe8", "\xff\xfe", "half-\xe2\x82", "private-\uEF41", "...", "..x", strings.Repeat("n", 255), strings.Repeat("\xc3", 255), "CON", "a:b", "a*b?"}
	for _, name := range odd {
		f.must(os.WriteFile(filepath.Join(f.path("names"), name), []byte(name), 0o640))
		f.must(os.Mkdir(f.path("names")+"/d-"+name[:min(len(name), 250)], 0o700))
	}
	f.must(os.Mkdir(f.path("gone"), 0o755))
	for i := range 60 {
		f.write(fmt.Sprintf("gone/%d", i), []byte{byte(i)})
	}
	for i := range 60 {
		if i%7 != 0 {
			f.must(os.Remove(f.path(fmt.Sprintf("gone/%d", i))))
		}
	}
	f.must(os.Rename(f.path("gone/0"), f.path("gone/renamed with a much longer name")))
	deep := f.path("deep")
	f.must(os.Mkdir(deep, 0o755))
	for i := range 20 {
		deep = filepath.Join(deep, fmt.Sprint(i))
		f.must(os.Mkdir(deep, 0o755))
	}
	f.must(os.Mkdir(f.path("small-dir"), 0o755))
	for i := range 9 { // grows past an inode, if the directory lies in one
		f.write(fmt.Sprintf("small-dir/e%d", i), nil)
	}
	f.must(os.Remove(f.path("small-dir/e2")))
}

func (f *filler) links() {
	f.must(os.Mkdir(f.path("links"), 0o755))
	for _, n := range []int{1, 20, 58, 59, 60, 61, 100, 255, 1000, 1022, 1023, 4000, 4095} {
		f.may(os.Symlink(strings.Repeat("t", n), f.path(fmt.Sprintf("links/to-%d", n))))
	}
	f.must(os.Symlink("/absolute/\xff\xe9", f.path("links/bytes")))
	f.must(os.Symlink("../size-1", f.path("links/up")))
	f.must(os.Link(f.path("size-5000"), f.path("links/hard1")))
	f.must(os.Link(f.path("size-5000"), f.path("links/hard2")))
	for i := range 2 { // a fast link with a block for attributes
		p := f.path(fmt.Sprintf("links/attr-%d", i))
		f.must(os.Symlink(strings.Repeat("s", 30+60*i), p))
		f.may(unix.Lsetxattr(p, "trusted.x", f.bytes(600), 0))
		f.may(unix.Lsetxattr(p, "security.y", f.bytes(40), 0))
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
	for mode := range uint32(8) {
		p := f.write(fmt.Sprintf("nodes/mode-%d", mode), nil)
		f.must(unix.Chown(p, int(mode)*100001, int(mode)*20000003))
		f.must(unix.Chmod(p, mode<<9|0o751))
	}
}

func (f *filler) times() {
	f.must(os.Mkdir(f.path("times"), 0o755))
	for i, s := range []string{"1901-12-13T20:45:52Z", "1969-12-31T23:59:59.999999999Z", "1970-01-01T00:00:00Z", "2001-09-09T01:46:40.123456789Z",
		"2038-01-19T03:14:07Z", "2038-01-19T03:14:08.5Z", "2106-02-07T06:28:16Z", "2242-03-16T12:56:32Z", "2310-04-04T00:00:00.000000001Z", "2446-05-10T22:38:55Z"} {
		when, err := time.Parse(time.RFC3339Nano, s)
		f.must(err)
		ts := []unix.Timespec{{Sec: when.Unix(), Nsec: int64(when.Nanosecond())}, {Sec: when.Unix() + 1, Nsec: int64(when.Nanosecond())}}
		f.must(unix.UtimesNanoAt(unix.AT_FDCWD, f.write(fmt.Sprintf("times/%d", i), nil), ts, 0))
	}
}

// acl builds an access control list as setxattr takes it.
func acl(entries ...[3]uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range entries {
		b = binary.LittleEndian.AppendUint16(b, uint16(e[0]))
		b = binary.LittleEndian.AppendUint16(b, uint16(e[1]))
		b = binary.LittleEndian.AppendUint32(b, e[2])
	}
	return b
}

func (f *filler) attributes() {
	f.must(os.Mkdir(f.path("attrs"), 0o755))
	list := acl([3]uint32{1, 7, ^uint32(0)}, [3]uint32{2, 5, 1000}, [3]uint32{2, 4, 70000}, [3]uint32{4, 5, ^uint32(0)},
		[3]uint32{8, 6, 100}, [3]uint32{16, 7, ^uint32(0)}, [3]uint32{32, 1, ^uint32(0)})
	for i, n := range []int{0, 1, 20, 100, 500, 800, 3000, 3900, 20000, 60000} {
		p := f.write(fmt.Sprintf("attrs/value-%d", n), []byte("content"))
		f.may(unix.Setxattr(p, "user.v", f.bytes(n), 0))
		f.may(unix.Setxattr(p, "trusted.t", []byte{byte(i)}, 0))
		f.may(unix.Setxattr(p, "security.selinux", []byte("system_u:object_r:etc_t:s0\x00"), 0))
		if i%2 == 0 {
			f.may(unix.Setxattr(p, "system.posix_acl_access", list, 0))
		}
	}
	many := f.write("attrs/many", nil)
	for i := range 30 {
		f.may(unix.Setxattr(many, fmt.Sprintf("user.attribute-%d", i), bytes.Repeat([]byte{byte(i)}, i), 0))
	}
	d := f.path("attrs/dir")
	f.must(os.Mkdir(d, 0o755))
	f.may(unix.Setxattr(d, "system.posix_acl_default", list, 0))
	f.may(unix.Setxattr(d, "user.on-dir", []byte("x"), 0))
	f.must(os.WriteFile(d+"/inherits", nil, 0o666))
	// The same attributes in two files share a block.
	for i := range 2 {
		p := f.write(fmt.Sprintf("attrs/shared-%d", i), nil)
		f.may(unix.Setxattr(p, "user.shared", bytes.Repeat([]byte("s"), 700), 0))
	}
}
