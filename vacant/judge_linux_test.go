package vacant_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/vacant"
)

// A maker makes a filesystem on a file, and a judge says whether it is sound.
type maker struct {
	name  string
	size  int64
	make  []string // a command, to which the file is added
	mount string   // how the kernel mounts it, "" if it is filled by fill
	fill  []string // with FILE for the file and DIR for what to put in
	judge []string
}

var makers = []maker{
	{"ext2", 32 << 20, []string{"mke2fs", "-q", "-F", "-t", "ext2", "-b", "1024"}, "ext4", nil, []string{"e2fsck", "-fn"}},
	{"ext3", 32 << 20, []string{"mke2fs", "-q", "-F", "-t", "ext3", "-b", "4096"}, "ext4", nil, []string{"e2fsck", "-fn"}},
	{"ext4", 64 << 20, []string{"mke2fs", "-q", "-F", "-t", "ext4"}, "ext4", nil, []string{"e2fsck", "-fn"}},
	{"ext4 1k uninit_bg", 64 << 20, []string{"mke2fs", "-q", "-F", "-t", "ext4", "-b", "1024", "-O", "^metadata_csum,uninit_bg"}, "ext4", nil, []string{"e2fsck", "-fn"}},
	{"ext4 meta_bg", 64 << 20, []string{"mke2fs", "-q", "-F", "-t", "ext4", "-b", "1024", "-O", "meta_bg,^resize_inode"}, "ext4", nil, []string{"e2fsck", "-fn"}},
	{"ext4 bigalloc", 64 << 20, []string{"mke2fs", "-q", "-F", "-t", "ext4", "-O", "bigalloc", "-C", "16384"}, "ext4", nil, []string{"e2fsck", "-fn"}},
	{"ext4 sparse_super2", 64 << 20, []string{"mke2fs", "-q", "-F", "-t", "ext4", "-O", "sparse_super2,^64bit,orphan_file"}, "ext4", nil, []string{"e2fsck", "-fn"}},
	{"xfs", 320 << 20, []string{"mkfs.xfs", "-q", "-f"}, "xfs", nil, []string{"xfs_repair", "-n", "-f"}},
	{"xfs v4", 320 << 20, []string{"mkfs.xfs", "-q", "-f", "-m", "crc=0"}, "", nil, []string{"xfs_repair", "-n", "-f"}},
	{"xfs 1k", 320 << 20, []string{"mkfs.xfs", "-q", "-f", "-b", "size=1024"}, "xfs", nil, []string{"xfs_repair", "-n", "-f"}},
	{"btrfs", 256 << 20, []string{"mkfs.btrfs", "-q", "-f"}, "btrfs", nil, []string{"btrfs", "check", "--readonly"}},
	{"btrfs dup", 256 << 20, []string{"mkfs.btrfs", "-q", "-f", "-m", "dup", "-d", "dup", "-R", "^free-space-tree"}, "btrfs", nil, []string{"btrfs", "check", "--readonly"}},
	{"ntfs", 64 << 20, []string{"mkfs.ntfs", "-q", "-F", "-f"}, "ntfs-3g", nil, []string{"ntfsfix", "-n"}},
	{"fat12", 4 << 20, []string{"mkfs.fat", "-F", "12"}, "", []string{"mcopy", "-s", "-i", "FILE", "DIR/kept", "::"}, []string{"fsck.fat", "-n"}},
	{"fat16", 32 << 20, []string{"mkfs.fat", "-F", "16"}, "", []string{"mcopy", "-s", "-i", "FILE", "DIR/kept", "::"}, []string{"fsck.fat", "-n"}},
	{"fat32", 64 << 20, []string{"mkfs.fat", "-F", "32"}, "", []string{"mcopy", "-s", "-i", "FILE", "DIR/kept", "::"}, []string{"fsck.fat", "-n"}},
	{"exfat", 64 << 20, []string{"mkfs.exfat"}, "exfat-fuse", nil, []string{"fsck.exfat", "-n"}},
}

// pile makes files of some KiB each, with holes in the numbers, in two folders.
func pile(t *testing.T, dir string, n int) {
	t.Helper()
	for i := range n {
		sub := filepath.Join(dir, []string{"kept", "gone"}[i%2], fmt.Sprint("d", i%5))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		b := bytes.Repeat([]byte(fmt.Sprintln("file", i)), 100+i*37%4000)
		if err := os.WriteFile(filepath.Join(sub, fmt.Sprint("f", i)), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// filled makes a filesystem in which every second file was deleted: its free
// space is dirty.
func (m *maker) filled(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, m.size); err != nil {
		t.Fatal(err)
	}
	peers.Run(t, m.make[0], append(append([]string{}, m.make[1:]...), path)...)
	n := int(m.size >> 18)
	if m.fill != nil {
		dir := t.TempDir()
		pile(t, dir, min(n, 60))
		var cmd []string
		for _, a := range m.fill[1:] {
			cmd = append(cmd, strings.NewReplacer("FILE", path, "DIR", dir).Replace(a))
		}
		peers.Run(t, m.fill[0], cmd...)
		return path
	}
	var dir string
	switch m.mount {
	case "": // the kernel does not know it any more
		return path
	case "ntfs-3g":
		dir = peers.Fuse(t, m.mount, path)
	case "exfat-fuse":
		dir = peers.Fuse(t, "mount.exfat-fuse", peers.Loop(t, path))
	default:
		dir = peers.Mount(t, path, m.mount)
	}
	defer peers.Unmount(t, dir)
	pile(t, dir, min(n, 300))
	syncfs(t, dir)
	if err := os.RemoveAll(filepath.Join(dir, "gone")); err != nil {
		t.Fatal(err)
	}
	if m.mount == "btrfs" {
		peers.Run(t, "btrfs", "subvolume", "snapshot", dir, filepath.Join(dir, "snap"))
		os.RemoveAll(filepath.Join(dir, "kept", "d0"))
	}
	syncfs(t, dir)
	return path
}

func syncfs(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unix.Syncfs(int(f.Fd()))
}

// judged runs the judge over a disk.
func (m *maker) judged(t *testing.T, what string, b []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "judged")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := peers.Command(t, m.judge[0], append(append([]string{}, m.judge[1:]...), path)...).CombinedOutput(); err != nil {
		t.Errorf("%s, %s: %v\n%s", what, m.judge[0], err, out)
	}
	os.Remove(path)
}

// TestJudges: filesystems of the real tools, with dirty free space, are sound and
// the same when what is vacant is garbage, and when it is zeros. What is vacant is
// nearly all that the filesystem says is free.
func TestJudges(t *testing.T) {
	for i := range makers {
		m := &makers[i]
		t.Run(m.name, func(t *testing.T) {
			peers.Need(t, m.make[0], m.judge[0])
			path := m.filled(t)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			os.Remove(path)
			rep := find(t, b)
			if len(rep.Volumes) != 1 || rep.Volumes[0].Err != nil {
				t.Fatalf("%+v", rep.Volumes)
			}
			fsys, err := fs.Open(bytes.NewReader(b), nil)
			if err != nil {
				t.Fatal(err)
			}
			info := fsys.Info()
			fsys.Close()
			if m.judge[0] != "btrfs" && info.Free > 0 && rep.Free() < info.Free*9/10 {
				t.Errorf("%d bytes are vacant, and %d free", rep.Free(), info.Free)
			}
			held, err := vacant.Held(ctx, block.Plain(bytes.NewReader(b)), rep.Runs)
			if err != nil || held != rep.Free() {
				t.Errorf("%d bytes are held, %v", held, err)
			}
			before := listing(t, bytes.NewReader(b))
			dirty := soil(b, rep.Runs)
			m.judged(t, "garbage", dirty)
			testimg.CompareListings(t, listing(t, bytes.NewReader(dirty)), before)
			clean := zeroed(b, rep.Runs)
			m.judged(t, "zeros", clean)
			testimg.CompareListings(t, listing(t, bytes.NewReader(clean)), before)
		})
	}
}

// TestMounted: a filesystem that is mounted while its disk is read is kept whole.
func TestMounted(t *testing.T) {
	for _, name := range []string{"ext4", "xfs"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "disk")
			f, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := f.Truncate(320 << 20); err != nil {
				t.Fatal(err)
			}
			peers.Run(t, "mkfs."+name, "-q", path)
			dir := peers.Mount(t, path, name)
			pile(t, dir, 50)
			syncfs(t, dir)
			unix.Syncfs(int(f.Fd()))
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if rep := find(t, b); rep.Free() != 0 || rep.Volumes[0].Err == nil {
				t.Errorf("%d bytes are vacant, %v", rep.Free(), rep.Volumes[0].Err)
			}
		})
	}
}

// TestDisk: a partitioned disk with a filesystem, swap space and gaps.
func TestDisk(t *testing.T) {
	peers.Need(t, "sfdisk", "mke2fs", "mkswap", "mkfs.fat")
	dir := t.TempDir()
	b := make([]byte, 96<<20)
	for i := range b {
		b[i] = byte(i>>12) | 1
	}
	clear(b[:1<<20])
	clear(b[95<<20:])
	path := filepath.Join(dir, "disk")
	table := func(kind, parts string) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := peers.Command(t, "sfdisk", "-q", path)
		cmd.Stdin = bytes.NewBufferString("label: " + kind + "\n" + parts)
		peers.RunCmd(t, cmd)
		var err error
		if b, err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	put := func(off, n int64, tool string, args ...string) {
		t.Helper()
		part := filepath.Join(dir, "part")
		os.Remove(part)
		if err := os.WriteFile(part, b[off:off+n], 0o600); err != nil {
			t.Fatal(err)
		}
		peers.Run(t, tool, append(args, part)...)
		p, err := os.ReadFile(part)
		if err != nil {
			t.Fatal(err)
		}
		copy(b[off:], p)
	}
	for _, kind := range []string{"gpt", "dos"} {
		table(kind, "start=2048,size=65536\nstart=81920,size=16384,type=S\nstart=114688,size=16384,type=U\n")
		put(1<<20, 32<<20, "mke2fs", "-q", "-F", "-t", "ext4")
		put(40<<20, 8<<20, "mkswap", "-q")
		put(56<<20, 8<<20, "mkfs.fat")
		rep := find(t, b)
		want := map[string]int64{"disk gaps": 7<<20 + 8<<20 + 31<<20}
		for _, v := range rep.Volumes {
			if v.Err != nil {
				t.Errorf("%s: %s: %v", kind, v.Name, v.Err)
			}
			if n, ok := want[v.Name]; ok && v.Free() != n {
				t.Errorf("%s: %s: %d bytes are vacant, want %d", kind, v.Name, v.Free(), n)
			}
			if v.Type == "swap" && v.Free() != 8<<20-4096 {
				t.Errorf("%s: swap: %d bytes are vacant", kind, v.Free())
			}
		}
		if len(rep.Volumes) != 4 {
			t.Errorf("%+v", rep.Volumes)
		}
		for _, out := range [][]byte{soil(b, rep.Runs), zeroed(b, rep.Runs)} {
			if err := os.WriteFile(path, out, 0o600); err != nil {
				t.Fatal(err)
			}
			peers.Run(t, "sfdisk", "-V", "-q", path)
			part := filepath.Join(dir, "part")
			if err := os.WriteFile(part, out[1<<20:33<<20], 0o600); err != nil {
				t.Fatal(err)
			}
			peers.Run(t, "e2fsck", "-fn", part)
			again := find(t, out)
			if again.Free() != rep.Free() {
				t.Errorf("%s: %d bytes are vacant, %d before", kind, again.Free(), rep.Free())
			}
		}
		// A disc that is a disk as well has files between its partitions.
		hybrid := bytes.Clone(b)
		copy(hybrid[32768:], "\x01CD001\x01")
		copy(hybrid[34816:], "\xffCD001\x01")
		for _, v := range find(t, hybrid).Volumes {
			if v.Name == "disk gaps" && v.Err == nil {
				t.Errorf("%s: %d bytes are vacant between the partitions of a disc", kind, v.Free())
			}
		}
		// A system that hibernates on the swap space keeps all of it.
		asleep := bytes.Clone(b)
		copy(asleep[40<<20+4086:], "S1SUSPEND\x00")
		rep = find(t, asleep)
		if rep.Free() != 0 {
			t.Errorf("%s: %d bytes are vacant beside a system that hibernates", kind, rep.Free())
		}
	}
}
