package btrfs

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// A pool is a filesystem on one or more image files.
type pool struct {
	images []string
	loops  []string // "" for one that is detached
}

// newPool makes image files with mkfs.btrfs, through loop devices if they are
// several.
func newPool(t testing.TB, n int, size string, args ...string) *pool {
	t.Helper()
	peers.NeedRoot(t)
	dir := t.TempDir()
	p := &pool{}
	for i := range n {
		image := filepath.Join(dir, fmt.Sprintf("image-%d", i))
		peers.Run(t, "truncate", "-s", size, image)
		p.images = append(p.images, image)
	}
	args = append([]string{"-q", "-f"}, args...)
	if n == 1 {
		peers.Run(t, "mkfs.btrfs", append(args, p.images...)...)
		return p
	}
	p.attach(t)
	peers.Run(t, "mkfs.btrfs", append(args, p.loops...)...)
	return p
}

func (p *pool) attach(t testing.TB) {
	t.Helper()
	p.loops = nil
	for _, image := range p.images {
		p.loops = append(p.loops, peers.Loop(t, image))
	}
}

// detach takes the loop devices away: the kernel is to know none of them.
func (p *pool) detach(t testing.TB) {
	t.Helper()
	for i, loop := range p.loops {
		if loop != "" {
			peers.Command(t, "btrfs", "device", "scan", "--forget", loop).Run()
			peers.Run(t, "losetup", "-d", loop)
			p.loops[i] = ""
		}
	}
}

// mount mounts the filesystem from those of its devices that are attached.
func (p *pool) mount(t testing.TB, options ...string) string {
	t.Helper()
	if len(p.images) == 1 {
		return peers.Mount(t, p.images[0], "btrfs", options...)
	}
	var first string
	for _, loop := range p.loops {
		if loop == "" {
			continue
		}
		if first == "" {
			first = loop
		}
		options = append(options, "device="+loop)
	}
	dir := t.TempDir()
	args := []string{"-t", "btrfs", "-o", strings.Join(append(options, "noatime"), ","), first, dir}
	if out, err := peers.Command(t, "mount", args...).CombinedOutput(); err != nil {
		t.Skipf("the kernel does not mount it: mount %s: %v: %s", strings.Join(args, " "), err, out)
	}
	t.Cleanup(func() { peers.Unmount(t, dir) })
	return dir
}

func (p *pool) readers(t testing.TB) (out []block.Reader) {
	t.Helper()
	for _, image := range p.images {
		out = append(out, testimg.File(t, image))
	}
	return out
}

func openAll(t testing.TB, o *Options, devices ...block.Reader) vfs.FS {
	t.Helper()
	fsys, err := Open(devices, o)
	if err != nil {
		t.Fatal(err)
	}
	return fsys
}

// compare reads the filesystem and compares it with what the kernel shows in dir.
// Where a snapshot has an empty directory in place of a subvolume, the kernel
// makes up its times.
func compare(t *testing.T, fsys vfs.FS, dir string) {
	t.Helper()
	got, err := testimg.ReadTree(fsys, testimg.TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want, err := testimg.HostTree(dir, testimg.TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for p, n := range want {
		if _, ok := got[p]; ok && testimg.Stat(t, fsys, vfs.EscapeTarget(p)).Ino == 2 {
			g := got[p]
			n.Mtime, n.Ctime, n.Atime = g.Mtime, g.Ctime, g.Atime
			want[p] = n
		}
	}
	testimg.CompareTrees(t, got, want, testimg.TreeOptions{})
}

func noProblems(t *testing.T, fsys vfs.FS) {
	t.Helper()
	if p := fsys.Problems(); len(p) > 0 {
		t.Errorf("problems: %v", p)
	}
}

// TestKernel fills filesystems of every kind through the kernel and compares all
// that it shows of them with what is read here.
func TestKernel(t *testing.T) {
	for _, c := range []struct {
		name  string
		n     int
		size  string
		args  string
		mount string
	}{
		{"default", 1, "256M", "", ""},
		{"single", 1, "192M", "-m single -d single", ""},
		{"dup", 1, "400M", "-m dup -d dup", ""},
		{"mixed", 1, "192M", "--mixed", ""},
		{"node4k", 1, "256M", "-n 4096", ""},
		{"node64k", 1, "256M", "-n 65536", ""},
		{"xxhash", 1, "256M", "--csum xxhash", ""},
		{"sha256", 1, "256M", "--csum sha256", ""},
		{"blake2", 1, "256M", "--csum blake2", ""},
		{"zlib", 1, "256M", "", "compress-force=zlib"},
		{"lzo", 1, "256M", "", "compress-force=lzo"},
		{"zstd", 1, "256M", "", "compress-force=zstd:9"},
		{"zstd-blake2-4k", 1, "256M", "--csum blake2 -n 4096", "compress=zstd"},
		{"old", 1, "256M", "-O ^no-holes,^extref,^skinny-metadata -R ^free-space-tree", ""},
		{"block-group-tree", 1, "256M", "-O block-group-tree", ""},
		{"squota", 1, "256M", "-O squota", ""},
		{"zoned", 1, "2560M", "-O zoned -m single -d single", ""},
		{"metadata-uuid", 1, "256M", "", ""},
		{"quota", 1, "256M", "-R quota", ""},
		{"nodatasum", 1, "256M", "", "nodatasum"},
		{"inline-off", 1, "256M", "", "max_inline=0"},
		{"raid0", 3, "200M", "-m raid0 -d raid0", ""},
		{"raid1", 2, "300M", "-m raid1 -d raid1", ""},
		{"raid1c3", 3, "300M", "-m raid1c3 -d raid1c3", ""},
		{"raid1c4", 4, "300M", "-m raid1c4 -d raid1c4", ""},
		{"raid10", 4, "200M", "-m raid10 -d raid10", ""},
		{"raid5", 3, "200M", "-m raid5 -d raid5", ""},
		{"raid6", 5, "200M", "-m raid6 -d raid6", ""},
		{"raid0-lzo", 2, "200M", "-m raid1 -d raid0", "compress-force=lzo"},
		{"single-many", 3, "150M", "-m raid1 -d single", ""},
		{"raid5-sha256-zlib", 4, "200M", "-m raid1 -d raid5 --csum sha256", "compress-force=zlib"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if feature, ok := strings.CutPrefix(c.args, "-O "); ok && feature[0] != '^' {
				feature, _, _ = strings.Cut(feature, " ")
				if out, _ := peers.Command(t, "mkfs.btrfs", "-O", "list-all").CombinedOutput(); !strings.Contains(string(out), feature) {
					t.Skipf("this mkfs.btrfs does not know %s", feature)
				}
			}
			p := newPool(t, c.n, c.size, strings.Fields(c.args)...)
			if c.name == "metadata-uuid" {
				peers.Run(t, "btrfstune", "-m", p.images[0])
			}
			options := []string{"noatime"}
			if c.mount != "" {
				options = append(options, c.mount)
			}
			dir := p.mount(t, options...)
			fill(t, dir, !slices.Contains([]string{"default", "zlib", "node4k"}, c.name))
			peers.Unmount(t, dir)
			dir = p.mount(t, "ro", "subvolid=5")
			fsys := openAll(t, nil, p.readers(t)...)
			compare(t, fsys, dir)
			noProblems(t, fsys)
			if info := fsys.Info(); info.Dirty || info.Type != "btrfs" {
				t.Errorf("%+v", info)
			}
			compareUsage(t, fsys.Info(), dir)
			peers.Unmount(t, dir)
			if c.n > 1 {
				degraded(t, p, c.name)
			}
		})
	}
}

// compareUsage holds the size and what is free to the kernel's statfs, which takes its own
// reserve for used.
func compareUsage(t *testing.T, info vfs.Info, dir string) {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("/sys/fs/btrfs/" + info.UUID + "/allocation/global_rsv_size")
	if err != nil || len(files) == 0 {
		peers.Missing(t, fmt.Sprint("what the kernel tells of its reserve ", err))
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	reserve, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	size, free := int64(st.Blocks)*st.Bsize, int64(st.Bfree)*st.Bsize+reserve
	// Each of the three numbers is cut to blocks.
	if d := info.Size - info.Overhead - size; d < 0 || d >= st.Bsize {
		t.Errorf("the size is %d, and to the kernel %d", info.Size-info.Overhead, size)
	}
	if d := info.Free - free; d < -2*st.Bsize || d > 2*st.Bsize {
		t.Errorf("free are %d, and to the kernel %d with its reserve of %d", info.Free, free, reserve)
	}
}

// tolerance is how many devices each profile can lose.
var tolerance = map[string]int{"raid1": 1, "raid1c3": 2, "raid1c4": 3, "raid10": 1, "raid5": 1, "raid6": 2, "raid5-sha256-zlib": 1}

// degraded leaves out devices and compares with the kernel's degraded mount.
func degraded(t *testing.T, p *pool, profile string) {
	t.Helper()
	p.detach(t)
	for lost := 1; lost <= tolerance[profile]; lost++ {
		for _, first := range []int{0, len(p.images) - 1} {
			part := &pool{}
			for i, image := range p.images {
				if (i-first+len(p.images))%len(p.images) >= lost {
					part.images = append(part.images, image)
				}
			}
			part.attach(t)
			dir := t.TempDir()
			args := []string{"-t", "btrfs", "-o", "ro,degraded,subvolid=5", part.loops[0], dir}
			for _, l := range part.loops {
				peers.Command(t, "btrfs", "device", "scan", l).Run()
			}
			out, err := peers.Command(t, "mount", args...).CombinedOutput()
			if err != nil {
				t.Errorf("degraded mount without %d from %d on: %v: %s", lost, first, err, out)
				part.detach(t)
				continue
			}
			fsys := openAll(t, nil, part.readers(t)...)
			compare(t, fsys, dir)
			if n := len(fsys.Problems()); n != lost {
				t.Errorf("%d problems for %d lost devices: %v", n, lost, fsys.Problems())
			}
			peers.Unmount(t, dir)
			part.detach(t)
		}
	}
}
