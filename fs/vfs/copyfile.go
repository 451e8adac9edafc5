package vfs

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/guestkit/guestkit/block"
)

// copyPiece is how many bytes are read and written at once.
const copyPiece = 512 << 10

// file copies a regular file and reports whether it is there whole.
func (c *copier) file(j copyJob, buf []byte) bool {
	if c.ctx.Err() != nil {
		return false
	}
	st := j.node.Stat()
	if c.o.SkipIdentical && identical(j.dir.root, j.name, st) {
		c.count.Identical.Add(1)
		return true
	}
	err := c.write(j, buf)
	if err != nil {
		c.fail(j.node, err)
		return false
	}
	c.count.Files.Add(1)
	return true
}

// identical reports whether a file is there as a copy would have left it.
func identical(root *os.Root, name string, st *Stat) bool {
	fi, err := root.Lstat(name)
	if err != nil || !fi.Mode().IsRegular() || fi.Size() != st.Size || st.Mtime.IsZero() {
		return false
	}
	// Hosts keep times as finely as a hundred nanoseconds or as two seconds.
	d := fi.ModTime().Sub(st.Mtime).Abs()
	return d == 0 || d < 2*time.Second && fi.ModTime().Nanosecond()%int(100*time.Nanosecond) == 0 && d < granularity(fi.ModTime())
}

// granularity is the unit that a host seems to keep times in.
func granularity(t time.Time) time.Duration {
	switch ns := t.Nanosecond(); {
	case ns == 0 && t.Second()%2 == 0:
		return 2 * time.Second
	case ns == 0:
		return time.Second
	case ns%1_000_000 == 0:
		return time.Millisecond
	}
	return 100 * time.Nanosecond
}

// create makes a file that was not there, in place of one that was.
func create(root *os.Root, name string) (*os.File, error) {
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		if err := makeRoom(root, name); err != nil {
			return nil, err
		}
		f, err = root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	}
	return f, err
}

// makeRoom removes what is no directory.
func makeRoom(root *os.Root, name string) error {
	fi, err := root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && fi.IsDir() {
		err = &fs.PathError{Op: "replace", Path: name, Err: errIsDir}
	}
	if err != nil {
		return err
	}
	return root.Remove(name)
}

// write copies a regular file, or leaves none.
func (c *copier) write(j copyJob, buf []byte) (err error) {
	src, err := j.node.Open()
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := create(j.dir.root, j.name)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			dst.Close()
			j.dir.root.Remove(j.name)
		}
	}()
	if err := c.content(dst, src, buf); err != nil {
		return err
	}
	st := j.node.Stat()
	if c.o.Owner && dst.Chown(int(st.UID), int(st.GID)) != nil {
		c.count.NoOwner.Add(1)
	}
	c.xattrs(j.node, func(x Xattr) error { return setXattr(dst, x) })
	if dst.Chmod(c.mode(st)) != nil {
		c.count.NoMode.Add(1)
	}
	if err := dst.Close(); err != nil {
		return err
	}
	return setTimes(j.dir.root, j.name, st)
}

// content copies the data of a file; what are holes there become holes here.
func (c *copier) content(dst *os.File, src *File, buf []byte) error {
	size, end := src.Size(), int64(0)
	for e, err := range block.Extents(src, 0, size) {
		if err != nil {
			return src.fail("read", err)
		}
		if e.Zero {
			continue
		}
		for off := e.Off; off < e.Off+e.Len; {
			if err := c.ctx.Err(); err != nil {
				return err
			}
			b := buf[:min(int64(len(buf)), e.Off+e.Len-off)]
			if err := c.charge(int64(len(b))); err != nil {
				return err
			}
			if err := block.ReadFull(src, b, off); err != nil {
				return src.fail("read", err)
			}
			if _, err := dst.WriteAt(b, off); err != nil {
				return err
			}
			off += int64(len(b))
			end = off
		}
	}
	if end < size {
		return dst.Truncate(size)
	}
	return nil
}

// mode is the mode that a file gets on the host.
func (c *copier) mode(st *Stat) fs.FileMode {
	mode := st.Mode & (fs.ModePerm | fs.ModeSticky | fs.ModeSetuid | fs.ModeSetgid)
	if !c.o.Special && mode&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
		mode &^= fs.ModeSetuid | fs.ModeSetgid
		c.count.NoMode.Add(1)
	}
	return mode
}

// times are those that a file gets; false if it has none.
func times(st *Stat) (atime, mtime time.Time, ok bool) {
	if atime = st.Atime; atime.IsZero() {
		atime = st.Mtime
	}
	return atime, st.Mtime, !st.Mtime.IsZero()
}

// setTimes sets the times of a file that is no link.
func setTimes(root *os.Root, name string, st *Stat) error {
	atime, mtime, ok := times(st)
	switch {
	case !ok:
		return nil
	case inNanoseconds(atime) && inNanoseconds(mtime):
		return root.Chtimes(name, atime, mtime)
	}
	return setTimesAt(root, name, atime, mtime)
}

// inNanoseconds reports whether a time is one that os passes on: of the years 1678 to
// 2262.
func inNanoseconds(t time.Time) bool { return time.Unix(0, t.UnixNano()).Equal(t) }

// link makes a symbolic link. Its target is the guest's, wherever it leads.
func (c *copier) link(d *hostDir, n *Node, name string) error {
	target, err := n.ReadLink()
	if err != nil {
		return err
	}
	if err := makeRoom(d.root, name); err != nil {
		return err
	}
	if err := d.root.Symlink(target, name); err != nil {
		return err
	}
	st := n.Stat()
	if c.o.Owner && d.root.Lchown(name, int(st.UID), int(st.GID)) != nil {
		c.count.NoOwner.Add(1)
	}
	c.xattrs(n, func(x Xattr) error { return setXattrAt(d.root, name, x) })
	if atime, mtime, ok := times(st); ok {
		setTimesAt(d.root, name, atime, mtime) // which some hosts do not have
	}
	c.count.Links.Add(1)
	return nil
}

// hardLink gives a file that was copied another name.
func (c *copier) hardLink(d *hostDir, n *Node, name, first, to string) error {
	if err := makeRoom(d.root, name); err != nil {
		return err
	}
	if err := c.top.Link(first, to); err != nil {
		// Not every host has hard links; the content counts.
		if c.file(copyJob{d, n, name}, make([]byte, min(max(n.Stat().Size, 1), copyPiece))) {
			return nil
		}
		return err
	}
	c.count.HardLinks.Add(1)
	return nil
}

// special makes a device node, a fifo or a socket where that was asked for.
func (c *copier) special(d *hostDir, n *Node, name string) error {
	if !c.o.Special {
		c.count.NoSpecial.Add(1)
		return nil
	}
	if err := makeRoom(d.root, name); err != nil {
		return err
	}
	st := n.Stat()
	if err := makeNode(d.root, name, st); err != nil {
		return err
	}
	if c.o.Owner && d.root.Lchown(name, int(st.UID), int(st.GID)) != nil {
		c.count.NoOwner.Add(1)
	}
	c.xattrs(n, func(x Xattr) error { return setXattrAt(d.root, name, x) })
	if d.root.Chmod(name, c.mode(st)) != nil { // whatever the umask
		c.count.NoMode.Add(1)
	}
	c.count.Special.Add(1)
	return setTimes(d.root, name, st)
}

// finishDir gives a folder the metadata of the guest's, once all is in it.
func (c *copier) finishDir(d *hostDir) error {
	f, err := d.root.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	st := d.node.Stat()
	if c.o.Owner && f.Chown(int(st.UID), int(st.GID)) != nil {
		c.count.NoOwner.Add(1)
	}
	c.xattrs(d.node, func(x Xattr) error { return setXattr(f, x) })
	err = setTimes(d.root, ".", st) // before a mode that may forbid it
	if f.Chmod(c.mode(st)) != nil {
		c.count.NoMode.Add(1)
	}
	return err
}

// xattrs sets the extended attributes that the host takes.
func (c *copier) xattrs(n *Node, set func(Xattr) error) {
	if c.o.NoXattrs {
		return
	}
	xs, err := n.Xattrs()
	if err != nil {
		c.fail(n, err)
	}
	lost := false
	for _, x := range xs {
		if !c.o.Special && (strings.HasPrefix(x.Name, "trusted.") || strings.HasPrefix(x.Name, "security.") && x.Name != "security.selinux") {
			lost = true
			continue
		}
		lost = set(x) != nil || lost
	}
	if lost {
		c.count.NoXattrs.Add(1)
	}
}
