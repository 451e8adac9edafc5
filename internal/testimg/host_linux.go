package testimg

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// HostTree reads a folder of this machine: the kernel's view of a mounted
// image.
func HostTree(dir string, o TreeOptions) (map[string]Node, error) {
	out := map[string]Node{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		if o.SkipPaths[rel] {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		fi, err := os.Lstat(p) // before the content is read: atime
		if err != nil {
			return err
		}
		st := fi.Sys().(*syscall.Stat_t)
		n := Node{Mode: fi.Mode(), UID: st.Uid, GID: st.Gid, Nlink: uint64(st.Nlink), Size: st.Size,
			Mtime: fi.ModTime(), Ctime: time.Unix(st.Ctim.Unix()), Atime: time.Unix(st.Atim.Unix())}
		switch {
		case fi.Mode().IsRegular():
			if n.SHA256, err = hashHost(p); err != nil {
				return err
			}
		case fi.Mode()&fs.ModeSymlink != 0:
			if n.Target, err = os.Readlink(p); err != nil {
				return err
			}
		case fi.Mode()&fs.ModeDevice != 0:
			n.Major, n.Minor = unix.Major(st.Rdev), unix.Minor(st.Rdev)
		}
		if !o.NoXattrs {
			if n.Xattrs, err = hostXattrs(p); err != nil {
				return err
			}
		}
		out[rel] = n
		return nil
	})
	return out, err
}

func hostXattrs(p string) (map[string]string, error) {
	buf := make([]byte, 64<<10)
	n, err := unix.Llistxattr(p, buf)
	if err != nil || n == 0 {
		return nil, err
	}
	out := map[string]string{}
	for _, name := range bytes.Split(bytes.TrimSuffix(buf[:n], []byte{0}), []byte{0}) {
		val := make([]byte, 64<<10)
		m, err := unix.Lgetxattr(p, string(name), val)
		if err != nil {
			return nil, err
		}
		out[string(name)] = string(val[:m])
	}
	return out, nil
}

// hashHost does not go through os.DirFS, which refuses names that are not
// UTF-8.
func hashHost(p string) (string, error) {
	f, err := os.Open(p)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return hashReader(f)
}
