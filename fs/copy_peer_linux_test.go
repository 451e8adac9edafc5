package fs_test

import (
	"archive/tar"
	"context"
	iofs "io/fs"
	"os"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"

	"github.com/guestkit/guestkit/fs"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// fillTree makes what a copy can lose: in the folder $1.
const fillTree = `set -e; cd "$1"
mkdir -p dir/sub empty 'sticky'; chmod 1777 sticky; chmod 2755 dir/sub; chmod 0500 empty
echo hello > dir/file; chmod 4711 dir/file; ln dir/file dir/sub/second-name; ln dir/file third-name
ln -s /etc/passwd abs; ln -s ../nowhere dir/dangling; ln -s "$(printf 'x%.0s' $(seq 300))" long-link
printf 'latin' > "$(printf 'name-\351')"; : > nothing
truncate -s 100M holes; printf data | dd of=holes bs=1 seek=50000000 conv=notrunc status=none; printf end | dd of=holes bs=1 seek=104857597 conv=notrunc status=none
truncate -s 8M all-hole
head -c 3000000 /dev/urandom > large
mknod null c 1 3; mknod disk b 8 17; mkfifo pipe
chown 1000:100 dir large abs -h; chown 70000:80000 nothing
setfattr -n user.note -v 'some text' dir/file; setfattr -n user.bin -v 0x000102ff dir; setfattr -n trusted.secret -v t large
setfacl -m u:1234:rw-,g:99:r-x nothing; setfacl -d -m u:77:rwx dir
touch -d '1999-12-31 23:59:59.123456789' dir/file; touch -h -d '2011-01-01' abs; touch -d '2036-05-05 05:05:05.5' dir empty
`

// TestCopyAgainstKernel copies real filesystems to the host, and through tar, and
// compares with what the kernel mounts: every path with all its metadata.
func TestCopyAgainstKernel(t *testing.T) {
	peers.NeedRoot(t)
	peers.Need(t, "setfattr", "setfacl", "tar", "bash")
	for typ, mkfs := range map[string][]string{"ext4": {"mkfs.ext4", "-q", "-F", "-b", "1024"}, "xfs": {"mkfs.xfs", "-q", "-f"}} {
		t.Run(typ, func(t *testing.T) {
			img := filepath.Join(t.TempDir(), "fs.img")
			if err := os.WriteFile(img, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(img, 320<<20); err != nil {
				t.Fatal(err)
			}
			peers.Run(t, mkfs[0], append(mkfs[1:], img)...)
			dir := peers.Mount(t, img, typ)
			peers.Run(t, "bash", "-c", fillTree, "fill", dir)
			os.Remove(filepath.Join(dir, "lost+found"))
			peers.Unmount(t, dir)

			f, err := os.Open(img)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			fsys, err := fs.Open(sized{f, 320 << 20}, nil)
			if err != nil {
				t.Fatal(err)
			}
			start, err := vfs.Find(fsys, ".", false)
			if err != nil {
				t.Fatal(err)
			}
			copied := filepath.Join(t.TempDir(), "copy")
			os.Mkdir(copied, 0o755)
			root, err := os.OpenRoot(copied)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			count := new(vfs.CopyCount)
			if err := vfs.Copy(context.Background(), root, []vfs.CopyItem{{Node: start, As: "tree"}}, &vfs.CopyOptions{Owner: true, Special: true, Progress: count}); err != nil {
				t.Fatal(err)
			}
			if count.HardLinks.Load() != 2 || count.NoXattrs.Load()+count.NoOwner.Load()+count.NoMode.Load() > 0 {
				t.Errorf("%d hard links, %d without xattrs", count.HardLinks.Load(), count.NoXattrs.Load())
			}
			archive := filepath.Join(t.TempDir(), "tree.tar")
			w, err := os.Create(archive)
			if err != nil {
				t.Fatal(err)
			}
			if err := vfs.Tar(context.Background(), w, start, nil); err != nil {
				t.Fatal(err)
			}
			w.Close()
			if fi, _ := os.Stat(archive); fi.Size() > 8<<20 {
				t.Errorf("the archive has %d bytes: the holes are in it", fi.Size())
			}
			unpacked := filepath.Join(t.TempDir(), "tar")
			os.Mkdir(unpacked, 0o755)
			peers.Run(t, "tar", "--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls", "-xpf", archive, "-C", unpacked)

			dir = peers.Mount(t, img, typ, "ro", "noatime")
			// Directories have the size of their host, and links keep no access time.
			o := testimg.TreeOptions{NoCtime: true, NoAtime: true, NoDirSize: true}
			t.Run("Sys", func(t *testing.T) { compareSys(t, fsys, dir) })
			want, err := testimg.HostTree(dir, o)
			if err != nil {
				t.Fatal(err)
			}
			for what, at := range map[string]string{"copy": filepath.Join(copied, "tree"), "tar": unpacked} {
				got, err := testimg.HostTree(at, o)
				if err != nil {
					t.Fatal(err)
				}
				t.Run(what, func(t *testing.T) { testimg.CompareTrees(t, got, want, o) })
			}
			if fi, err := os.Stat(filepath.Join(copied, "tree/holes")); err != nil || allocated(fi) > 64<<10 {
				t.Errorf("holes: %d bytes are allocated, %v", allocated(fi), err)
			}
		})
	}
}

// compareSys holds what Sys says of every file, and what archive/tar makes of it,
// against the kernel's.
func compareSys(t *testing.T, fsys vfs.FS, dir string) {
	n := 0
	err := iofs.WalkDir(fsys, ".", func(p string, d iofs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		n++
		got, err := d.Info()
		if err != nil {
			return err
		}
		want, err := os.Lstat(filepath.Join(dir, vfs.Unescape(p)))
		if err != nil {
			return err
		}
		g, w := *got.Sys().(*syscall.Stat_t), *want.Sys().(*syscall.Stat_t)
		w.Dev, w.Blksize = g.Dev, g.Blksize // of the host, as it likes
		if g != w {
			t.Errorf("%s:\n got %+v\nwant %+v", p, g, w)
		}
		if want.Mode()&iofs.ModeSocket != 0 {
			return nil
		}
		gh, err := tar.FileInfoHeader(got, "")
		if err != nil {
			return err
		}
		wh, err := tar.FileInfoHeader(want, "")
		if err != nil {
			return err
		}
		wh.Uname, wh.Gname = "", "" // of this machine
		wh.Name = gh.Name
		if !reflect.DeepEqual(gh, wh) {
			t.Errorf("%s:\n got %+v\nwant %+v", p, gh, wh)
		}
		return nil
	})
	if err != nil || n < 19 {
		t.Errorf("%d files, %v", n, err)
	}
}

type sized struct {
	*os.File
	size int64
}

func (s sized) Size() int64 { return s.size }

func allocated(fi os.FileInfo) int64 {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return -1
	}
	return st.Blocks * 512
}
