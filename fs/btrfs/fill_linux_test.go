package btrfs

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// filler makes every hard case that Btrfs can hold in dir, through the kernel.
type filler struct {
	t     testing.TB
	dir   string
	rng   *rand.Rand
	small bool // for a fixture
}

func fill(t testing.TB, dir string, small bool) {
	t.Helper()
	f := filler{t, dir, rand.New(rand.NewPCG(1, 2)), small}
	f.must(os.Mkdir(f.path("tree"), 0o755))
	o := testimg.Fill{Names: 500, Largest: 4 << 20, Hole: 70 << 20}
	if small {
		o = testimg.Fill{Names: 100, Largest: 10000, Hole: 70 << 20}
	}
	testimg.FillTree(t, f.path("tree"), o)
	f.files()
	f.names()
	f.links()
	f.attributes()
	f.subvolumes()
}

func (f *filler) path(name string) string { return filepath.Join(f.dir, name) }

func (f *filler) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// bytes gives bytes of which every 512 differ from all others, and which
// compress.
func (f *filler) bytes(n int) []byte {
	b := make([]byte, n)
	for p := b; len(p) > 0; p = p[min(len(p), 512):] {
		tag := binary.LittleEndian.AppendUint64(nil, f.rng.Uint64())
		for i := range min(len(p), 512) {
			p[i] = tag[i%8]
		}
	}
	return b
}

// noise gives bytes that do not compress.
func (f *filler) noise(n int) []byte {
	rest := 0
	if f.small { // for the most part, so that a fixture does
		n, rest = min(n, 5000), max(n-5000, 0)
	}
	b := make([]byte, 0, n+8)
	for len(b) < n {
		b = binary.LittleEndian.AppendUint64(b, f.rng.Uint64())
	}
	return append(b[:n], f.bytes(rest)...)
}

func (f *filler) write(name string, b []byte) string {
	f.t.Helper()
	f.must(os.WriteFile(f.path(name), b, 0o644))
	return f.path(name)
}

func (f *filler) files() {
	scale := 1
	if f.small {
		scale = 8
	}
	for _, n := range []int{1, 100, 3900, 4096, 70000, 2<<20/scale + 5} {
		f.write(fmt.Sprintf("size-%d", n), f.bytes(n))
		if n < 1<<20 {
			f.write(fmt.Sprintf("noise-%d", n), f.noise(n))
		}
	}
	mixed := f.bytes(1 << 20 / scale)
	for at := 0; at+100000 < len(mixed); at += 250000 {
		copy(mixed[at:], f.noise(100000))
	}
	f.write("mixed", mixed)
	h, err := os.Create(f.path("holes"))
	f.must(err)
	defer h.Close()
	for _, off := range []int64{0, 13 << 10, 300 << 10, 5<<20 + 7, 70 << 20} {
		_, err := h.WriteAt(f.bytes(3000), off)
		f.must(err)
	}
	f.must(h.Truncate(71<<20 + 123))
	size := int64(2 << 20 / scale)
	p, err := os.Create(f.path("punched"))
	f.must(err)
	defer p.Close()
	_, err = p.Write(f.bytes(int(size)))
	f.must(err)
	f.must(p.Sync())
	for off := int64(64 << 10); off < size; off += 192 << 10 {
		f.must(unix.Fallocate(int(p.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, 70000))
	}
	u, err := os.Create(f.path("prealloc"))
	f.must(err)
	defer u.Close()
	f.must(unix.Fallocate(int(u.Fd()), 0, 0, size))
	f.must(u.Sync())
	_, err = u.WriteAt(f.bytes(10000), size/2+5)
	f.must(err)
	f.must(unix.Fallocate(int(u.Fd()), unix.FALLOC_FL_KEEP_SIZE, size, 100000))
	// Pieces that are written in turn lie apart from each other.
	var fds [2]*os.File
	for i := range fds {
		fds[i], err = os.Create(f.path(fmt.Sprintf("fragments-%d", i)))
		f.must(err)
		defer fds[i].Close()
	}
	for i := range int64(400 / scale) {
		for _, fd := range fds {
			_, err := fd.WriteAt(f.bytes(4096), i*8192)
			f.must(err)
			f.must(unix.SyncFileRange(int(fd.Fd()), i*8192, 4096, unix.SYNC_FILE_RANGE_WRITE|unix.SYNC_FILE_RANGE_WAIT_AFTER))
		}
	}
	// Reflinks of whole files and of parts, at other offsets.
	src, err := os.Open(f.path("mixed"))
	f.must(err)
	defer src.Close()
	r, err := os.Create(f.path("reflink"))
	f.must(err)
	defer r.Close()
	f.must(unix.IoctlFileClone(int(r.Fd()), int(src.Fd())))
	q, err := os.Create(f.path("reflink-parts"))
	f.must(err)
	defer q.Close()
	for i, off := range []uint64{64 << 10, 4096, 96 << 10, 12 << 10} {
		f.must(unix.IoctlFileCloneRange(int(q.Fd()), &unix.FileCloneRange{Src_fd: int64(src.Fd()), Src_offset: off, Src_length: 16 << 10, Dest_offset: uint64(i) * 20 << 10}))
	}
	// Data without checksums.
	n, err := os.Create(f.path("nodatacow"))
	f.must(err)
	defer n.Close()
	const fsNoCow = 0x00800000
	f.must(unix.IoctlSetPointerInt(int(n.Fd()), unix.FS_IOC_SETFLAGS, fsNoCow))
	_, err = n.Write(f.noise(200000))
	f.must(err)
	f.must(os.Mkdir(f.path("times"), 0o755))
	for i, s := range []string{"1901-12-13T20:45:52Z", "1969-12-31T23:59:59.999999999Z", "1970-01-01T00:00:00Z", "2001-09-09T01:46:40.123456789Z",
		"2038-01-19T03:14:08.5Z", "2106-02-07T06:28:16Z", "2446-05-10T22:38:55Z", "3000-01-01T00:00:00Z"} {
		when, err := time.Parse(time.RFC3339Nano, s)
		f.must(err)
		ts := []unix.Timespec{{Sec: when.Unix(), Nsec: int64(when.Nanosecond())}, {Sec: when.Unix() + 1, Nsec: int64(when.Nanosecond())}}
		f.must(unix.UtimesNanoAt(unix.AT_FDCWD, f.write(fmt.Sprintf("times/%d", i), nil), ts, 0))
	}
}

func (f *filler) names() {
	n := 3000
	if f.small {
		n = 300
	}
	f.must(os.Mkdir(f.path("many"), 0o755))
	for i := range n {
		f.must(unix.Mknod(f.path(fmt.Sprintf("many/name-%06d-%s", i, strings.Repeat("x", i%17))), unix.S_IFREG|0o600, 0))
	}
	for i := 0; i < n; i += 3 {
		f.must(os.Remove(f.path(fmt.Sprintf("many/name-%06d-%s", i, strings.Repeat("x", i%17)))))
	}
	f.must(os.Mkdir(f.path("names"), 0o711))
	for _, pair := range collisions() {
		for _, name := range pair {
			f.write("names/"+name, []byte(name))
		}
	}
}

// collisions are pairs of names that have the same crc32c: it is linear, so that
// what makes one pair equal makes many.
func collisions() [][2]string {
	seen := map[uint64]string{}
	var out [][2]string
	for i := 0; len(out) < 2 && i < 400000; i++ {
		name := fmt.Sprintf("hash-%x-%d", i*2654435761%1000003, i)
		h := nameHash(name)
		if old, ok := seen[h]; ok {
			out = append(out, [2]string{old, name})
		}
		seen[h] = name
	}
	return out
}

func (f *filler) links() {
	f.must(os.Mkdir(f.path("links"), 0o755))
	for i := range 200 / map[bool]int{true: 4, false: 1}[f.small] { // past what one inode reference holds
		if err := os.Link(f.path("size-4096"), f.path(fmt.Sprintf("links/%s-%d", strings.Repeat("many", 40), i))); err != nil {
			break // without extref
		}
	}
}

func (f *filler) attributes() {
	f.must(os.Mkdir(f.path("attrs"), 0o755))
	for _, n := range []int{3900, 16000} { // the largest that a node holds, and more than that
		unix.Setxattr(f.write(fmt.Sprintf("attrs/value-%d", n), nil), "user.v", f.bytes(n), 0)
	}
	unix.Setxattr(f.write("attrs/property", nil), "btrfs.compression", []byte("zstd"), 0) // not with nodatasum
}

// subvolumes makes subvolumes in subvolumes, and snapshots of them, in which those
// within are empty directories.
func (f *filler) subvolumes() {
	btrfs := func(args ...string) { f.t.Helper(); peers.Run(f.t, "btrfs", append([]string{"subvolume"}, args...)...) }
	btrfs("create", f.path("@"))
	btrfs("create", f.path("@/home"))
	f.must(os.MkdirAll(f.path("@/var/lib/a dir"), 0o755))
	btrfs("create", f.path("@/var/lib/a dir/nested"))
	f.write("@/var/lib/a dir/nested/file", f.bytes(9000))
	f.write("@/etc", []byte("in @"))
	f.write("@/home/user", []byte("in home"))
	f.must(os.Mkdir(f.path("snapshots"), 0o755))
	btrfs("snapshot", f.path("@"), f.path("snapshots/writable"))
	btrfs("snapshot", "-r", f.path("@"), f.path("snapshots/readonly"))
	f.write("@/etc", []byte("changed in @ after the snapshot"))
	f.write("snapshots/writable/etc", []byte("changed in the snapshot"))
	f.must(os.Rename(f.path("@/var/lib/a dir"), f.path("@/var/lib/renamed")))
	btrfs("create", f.path("deleted"))
	btrfs("create", f.path("latin1-\xe9"))
	f.write("latin1-\xe9/x", []byte("x"))
	btrfs("delete", f.path("deleted"))
}
