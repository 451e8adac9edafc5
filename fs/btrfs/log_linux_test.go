package btrfs

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// copyImage copies an image as it is on the disk at this moment.
func copyImage(t testing.TB, from, to string) string {
	t.Helper()
	peers.Run(t, "cp", "--sparse=always", from, to)
	return to
}

// compareReplay mounts one copy of an image, for which the kernel replays the
// log, and reads another. The kernel gives directories from which it removes names
// the time of the mount.
func compareReplay(t *testing.T, image string) (replayed bool) {
	t.Helper()
	ours := copyImage(t, image, image+"-ours")
	defer os.Remove(ours)
	started := time.Now()
	dir := peers.Mount(t, image, "btrfs", "noatime")
	defer peers.Unmount(t, dir)
	want, err := testimg.HostTree(dir, testimg.TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	fsys := openAll(t, nil, testimg.File(t, ours))
	got, err := testimg.ReadTree(fsys, testimg.TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for p, n := range want {
		if n.Mtime.After(started) {
			n.Mtime = got[p].Mtime
		}
		if n.Ctime.After(started) {
			n.Ctime = got[p].Ctime
		}
		want[p] = n
	}
	testimg.CompareTrees(t, got, want, testimg.TreeOptions{})
	noProblems(t, fsys)
	// Every name is found by its hash, too.
	for p := range got {
		if _, err := fsys.Lstat(vfs.Path(p)); err != nil {
			t.Error(err)
		}
	}
	info := fsys.Info()
	if info.Dirty != info.Replayed {
		t.Errorf("%+v", info)
	}
	return info.Replayed
}

// compareReplays compares all copies, most of which have a log: the kernel commits
// all where a log would not do.
func compareReplays(t *testing.T, copies []string, least int) {
	t.Helper()
	n := 0
	for i, image := range copies {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			if compareReplay(t, image) {
				n++
			}
		})
		os.Remove(image)
	}
	t.Logf("%d of %d copies have a log", n, len(copies))
	if n < least {
		t.Errorf("%d of %d copies have a log", n, len(copies))
	}
}

func fsync(t testing.TB, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
}

// TestLog takes copies of a mounted filesystem after an fsync, and compares what
// is read of them with what the kernel makes of them.
func TestLog(t *testing.T) {
	peers.NeedRoot(t)
	for name, options := range map[string][]string{
		"plain": {"noatime", "commit=300"}, "zstd": {"noatime", "commit=300", "compress-force=zstd"}, "nodatasum": {"noatime", "commit=300", "nodatasum"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, 1, "256M")
			dir := p.mount(t, options...)
			at := func(format string, args ...any) string { return filepath.Join(dir, fmt.Sprintf(format, args...)) }
			f := filler{t, dir, rand.New(rand.NewPCG(3, 4)), true}
			for i := range 30 {
				f.must(os.MkdirAll(at("d%d/e", i%5), 0o755))
				f.write(fmt.Sprintf("d%d/old-%d", i%5, i), f.bytes(3000*i))
			}
			f.must(os.WriteFile(at("long"), f.bytes(1<<20), 0o644))
			peers.Run(t, "btrfs", "subvolume", "create", at("sub"))
			f.write("sub/in", f.bytes(10000))
			f.write("sub/clone-source", f.noise(400000))
			peers.Run(t, "sync", "-f", dir)

			var copies []string
			snap := func() {
				copies = append(copies, copyImage(t, p.images[0], fmt.Sprintf("%s-copy%d", p.images[0], len(copies))))
			}
			// New files, some with names in other directories.
			f.write("new-1", f.bytes(100))
			f.write("d1/new-2", f.bytes(70000))
			f.must(os.Link(at("d1/new-2"), at("d2/also-2")))
			fsync(t, at("new-1"))
			fsync(t, at("d1/new-2"))
			snap()
			// Appends, truncation, holes, overwritten parts, prealloc past the end.
			long, err := os.OpenFile(at("long"), os.O_RDWR, 0)
			f.must(err)
			defer long.Close()
			_, err = long.WriteAt(f.bytes(50000), 300000)
			f.must(err)
			f.must(unix.Fallocate(int(long.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 512<<10, 64<<10))
			f.must(long.Truncate(900001))
			f.must(unix.Fallocate(int(long.Fd()), unix.FALLOC_FL_KEEP_SIZE, 1<<20, 1<<20))
			f.must(long.Sync())
			snap()
			// Renames, also over others and across directories, and names that are
			// taken again.
			f.must(os.Rename(at("d0/old-0"), at("d1/old-0")))
			f.must(os.Rename(at("d2/old-2"), at("d2/old-7")))
			f.must(os.Rename(at("d3/old-3"), at("d3/tmp")))
			f.must(os.Rename(at("d3/old-8"), at("d3/old-3")))
			f.must(os.Rename(at("d3/tmp"), at("d3/old-8")))
			for _, name := range []string{"d1/old-0", "d2/old-7", "d3/old-3", "d3/old-8"} {
				fsync(t, filepath.Join(dir, name))
				snap()
			}
			// Names that go, in a directory that is synchronised.
			f.must(os.Remove(at("d4/old-4")))
			f.must(os.Remove(at("d4/old-9")))
			f.write("d4/unsynced", f.bytes(500))
			f.must(os.Mkdir(at("d4/newdir"), 0o700))
			f.write("d4/newdir/x", f.bytes(500))
			fsync(t, at("d4"))
			snap()
			// Attributes that come and go.
			f.must(unix.Setxattr(at("new-1"), "user.a", []byte("1"), 0))
			f.must(unix.Setxattr(at("new-1"), "user.b", []byte("2"), 0))
			fsync(t, at("new-1"))
			f.must(unix.Removexattr(at("new-1"), "user.a"))
			f.must(os.Chmod(at("new-1"), 0o4711))
			f.must(os.Chown(at("new-1"), 7, 8))
			fsync(t, at("new-1"))
			snap()
			// A subvolume has a log of its own. Clones share checksums.
			f.write("sub/new", f.bytes(123456))
			src, err := os.Open(at("sub/clone-source"))
			f.must(err)
			defer src.Close()
			clone, err := os.Create(at("sub/clone"))
			f.must(err)
			defer clone.Close()
			if err := unix.IoctlFileCloneRange(int(clone.Fd()), &unix.FileCloneRange{Src_fd: int64(src.Fd()), Src_offset: 8192, Src_length: 128 << 10, Dest_offset: 4096}); err == nil {
				f.must(clone.Sync())
			}
			fsync(t, at("sub/new"))
			f.must(os.Symlink("target", at("sub/link")))
			f.must(unix.Mknod(at("sub/null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
			fsync(t, at("sub"))
			snap()
			// Many names for one file, past what one item holds.
			for i := range 120 {
				f.must(os.Link(at("d0/old-5"), at("d0/%0200d", i)))
			}
			fsync(t, at("d0/old-5"))
			for i := range 50 {
				f.must(os.Remove(at("d0/%0200d", i*2)))
			}
			fsync(t, at("d0/old-5"))
			snap()
			fsync(t, at("d0"))
			snap()
			// Many small pieces, and a file removed after it was synchronised.
			pieces, err := os.Create(at("pieces"))
			f.must(err)
			defer pieces.Close()
			for i := range int64(300) {
				_, err := pieces.WriteAt(f.bytes(100+int(i)), i*9000)
				f.must(err)
			}
			f.must(pieces.Sync())
			f.must(os.Remove(at("new-1")))
			fsync(t, dir)
			snap()
			for _, f := range []*os.File{long, src, clone, pieces} {
				f.Close()
			}
			peers.Unmount(t, dir)
			compareReplays(t, copies, 5)
			if compareReplay(t, p.images[0]) {
				t.Error("a filesystem that was unmounted has a log")
			}
		})
	}
}

// TestLogRandom does at random what a log has to do with, and takes a copy after
// each fsync.
func TestLogRandom(t *testing.T) {
	peers.NeedRoot(t)
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			p := newPool(t, 1, "128M")
			dir := p.mount(t, "noatime", "commit=300")
			f := filler{t, dir, rand.New(rand.NewPCG(5, seed)), true}
			dirs := []string{"."}
			for i := range 4 {
				dirs = append(dirs, fmt.Sprintf("dir-%d", i))
				f.must(os.Mkdir(f.path(dirs[i+1]), 0o755))
			}
			name := func() string { return filepath.Join(dirs[f.rng.IntN(len(dirs))], fmt.Sprintf("f%d", f.rng.IntN(12))) }
			var copies []string
			for step := range 260 {
				a, b := f.path(name()), f.path(name())
				switch f.rng.IntN(12) { // what cannot be done is not done
				case 0, 1:
					os.WriteFile(a, f.bytes(f.rng.IntN(30000)), 0o644)
				case 2:
					os.Rename(a, b)
				case 3:
					os.Link(a, b)
				case 4:
					os.Remove(a)
				case 5:
					os.Mkdir(a, 0o700)
				case 6:
					os.Truncate(a, f.rng.Int64N(40000))
				case 7:
					unix.Setxattr(a, fmt.Sprintf("user.x%d", f.rng.IntN(3)), f.bytes(f.rng.IntN(100)), 0)
				case 8:
					unix.Removexattr(a, fmt.Sprintf("user.x%d", f.rng.IntN(3)))
				case 9:
					if w, err := os.OpenFile(a, os.O_RDWR, 0); err == nil {
						w.WriteAt(f.bytes(f.rng.IntN(9000)), f.rng.Int64N(50000))
						unix.Fallocate(int(w.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, f.rng.Int64N(30000), 8192)
						w.Close()
					}
				case 10:
					os.Symlink(b, a)
				case 11:
					os.WriteFile(a+"/in", f.bytes(100), 0o600)
					os.Rename(a+"/in", a+"/out")
				}
				if step < 60 {
					continue
				}
				if step == 60 {
					peers.Run(t, "sync", "-f", dir)
				}
				if step%4 == 0 {
					if r, err := os.Open(f.path(name())); err == nil {
						f.must(r.Sync())
						r.Close()
						copies = append(copies, copyImage(t, p.images[0], fmt.Sprintf("%s-copy%d", p.images[0], step)))
					}
				}
			}
			peers.Unmount(t, dir)
			compareReplays(t, copies, 1)
		})
	}
}
