//go:build linux

package bench

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
)

const (
	treeBytes  = 860 << 20 // of files in the disk that is made
	systemSize = 2 << 30
	partition  = 1 << 20 // where its partition begins
	manyFiles  = 50_000
	pieces     = 100_000 // extents of the fragmented file
)

// system makes a raw disk with an ext4 in a partition, which holds the system's release
// file, its database of packages and files of a tree: programs and libraries of /usr, or
// what GUESTKIT_BENCH_TREE names.
func (b *bench) system(t *testing.T) string {
	peers.Need(t, "sfdisk", "mke2fs", "tar")
	tree, list, left := filepath.Join(b.dir, "tree"), bytes.Buffer{}, int64(treeBytes)
	for _, root := range []string{"/etc/os-release", "/usr/lib/os-release", "/etc/debian_version", "/etc/hostname", "/var/lib/dpkg/status", cmp.Or(os.Getenv("GUESTKIT_BENCH_TREE"), "/usr")} {
		filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil // what cannot be read is not needed
			}
			if fi, err := d.Info(); err == nil && fi.Mode().IsRegular() {
				if fi.Size() > left {
					return nil
				}
				left -= fi.Size()
			}
			list.WriteString(strings.TrimPrefix(path, "/") + "\x00")
			return nil
		})
	}
	if err := os.Mkdir(tree, 0o755); err != nil {
		t.Fatal(err)
	}
	names := filepath.Join(b.dir, "names")
	if err := os.WriteFile(names, list.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	peers.Run(t, "sh", "-c", `tar -C / -cf - --no-recursion --null -T "$1" | tar -C "$2" -xf -`, "sh", names, tree)
	raw := sparse(t, filepath.Join(b.dir, "disk.raw"), systemSize)
	table := peers.Command(t, "sfdisk", "-q", raw)
	table.Stdin = strings.NewReader(fmt.Sprintf("label: gpt\nstart=%dKiB, type=linux\n", partition>>10))
	peers.RunCmd(t, table)
	peers.Run(t, "mke2fs", "-q", "-t", "ext4", "-E", fmt.Sprintf("offset=%d", partition), "-d", tree, raw, fmt.Sprintf("%dk", (systemSize-2*partition)>>10))
	os.Remove(names)
	if err := os.RemoveAll(tree); err != nil {
		t.Fatal(err)
	}
	return raw
}

// sparse makes a file of holes.
func sparse(t *testing.T, path string, size int64) string {
	f, err := os.Create(path)
	if err == nil {
		err = f.Truncate(size)
	}
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	return path
}

// A disk is what commands read: an image, and the folder where the kernel, or ntfs-3g,
// shows the same.
type disk struct {
	fstype string
	size   int64
	make   string // of the filesystem: a line of sh, $IMAGE
	fill   func(t *testing.T, dir string)
}

var disks = map[string]disk{
	"system": {fstype: "ext4"},
	"many":   {fstype: "ext4", size: 1 << 30, make: `mke2fs -q -t ext4 -N 60000 "$IMAGE"`, fill: many},
	"xfs":    {fstype: "xfs", size: 4 << 30, make: `mkfs.xfs -q "$IMAGE"`, fill: holed},
	"ext4":   {fstype: "ext4", size: 2 << 30, make: `mke2fs -q -t ext4 "$IMAGE"`, fill: holed},
	"ntfs":   {fstype: "ntfs", size: 2 << 30, make: `mkntfs -q -F -Q "$IMAGE"`, fill: mixed},
}

// at makes a disk if it is not there yet, and returns the image and its folder, which
// stay until the test ends.
func (b *bench) at(t *testing.T, name string) (image, dir string) {
	peers.NeedRoot(t)
	d := disks[name]
	if name == "system" {
		image = b.raw
		if dir = b.mounts[name]; dir == "" {
			dir = peers.Mount(t, image, d.fstype, "ro", fmt.Sprintf("offset=%d", partition))
			b.mounts[name] = dir
		}
		return image, dir
	}
	image = filepath.Join(b.dir, name+".img")
	if dir = b.mounts[name]; dir != "" {
		return image, dir
	}
	sparse(t, image, d.size)
	line := peers.Command(t, "sh", "-c", d.make)
	line.Env = append(os.Environ(), "IMAGE="+image)
	peers.RunCmd(t, line)
	open := func(options ...string) string {
		if d.fstype == "ntfs" {
			return peers.Fuse(t, "ntfs-3g", image, "-o", strings.Join(options, ","))
		}
		return peers.Mount(t, image, d.fstype, options...)
	}
	dir = open("noatime")
	d.fill(t, dir)
	peers.Unmount(t, dir)
	dir = open("ro")
	b.mounts[name] = dir
	return image, dir
}

// many makes small files in folders of 500.
func many(t *testing.T, dir string) {
	for i := range manyFiles {
		folder := filepath.Join(dir, fmt.Sprintf("folder-%03d", i/500))
		if i%500 == 0 {
			if err := os.Mkdir(folder, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("file-%05d.txt", i)), []byte("some text\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// holed makes a file of as many pieces of 4 KiB, each with a hole behind it: an extent
// each.
func holed(t *testing.T, dir string) { write(t, 2*piece, filepath.Join(dir, "fragmented")) }

// mixed makes two files that grow in turn, for a filesystem that allocates what is
// written at once.
func mixed(t *testing.T, dir string) {
	write(t, piece, filepath.Join(dir, "fragmented"), filepath.Join(dir, "other"))
}

const piece = 4 << 10

// write puts pieces into files in turn, a step apart.
func write(t *testing.T, step int64, paths ...string) {
	files := make([]*os.File, len(paths))
	for i, path := range paths {
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files[i] = f
	}
	data := bytes.Repeat([]byte("fragment"), piece/8)
	for i := range int64(pieces) {
		for _, f := range files {
			if _, err := f.WriteAt(data, i*step); err != nil {
				t.Fatal(err)
			}
		}
	}
}
