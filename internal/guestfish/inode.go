//go:build libguestfs && linux

package guestfish

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

// An inode is known by its path, which has no links in it.
type inode struct {
	f    *fsys
	path string // "" for the root, "/etc/hosts"
	st   *vfs.Stat
}

// newStat reads what lstatns prints.
func newStat(b []byte) (*vfs.Stat, error) {
	n, err := numbers(b)
	if err != nil {
		return nil, err
	}
	mode, ok := vfs.UnixMode(uint32(n["st_mode"]))
	at := func(name string) time.Time { return time.Unix(n["st_"+name+"_sec"], n["st_"+name+"_nsec"]) }
	st := &vfs.Stat{
		Ino: uint64(n["st_ino"]), Nlink: uint64(n["st_nlink"]), Mode: mode,
		UID: uint32(n["st_uid"]), GID: uint32(n["st_gid"]), Size: n["st_size"], Allocated: n["st_blocks"] * 512,
		Atime: at("atime"), Mtime: at("mtime"), Ctime: at("ctime"),
	}
	if st.Mode&fs.ModeDevice != 0 {
		st.Major, st.Minor = unix.Major(uint64(n["st_rdev"])), unix.Minor(uint64(n["st_rdev"]))
	}
	if st.Size < 0 || !ok {
		return nil, fmt.Errorf("%w: a file of %d bytes and mode %o", block.ErrCorrupt, st.Size, n["st_mode"])
	}
	return st, nil
}

// fail says which file an error of guestfish is about.
func (n *inode) fail(err error) error {
	if err == nil || err == fs.ErrNotExist {
		return err
	}
	return block.Errorf(n.f.info.Type, "file "+strconv.Quote(n.name()), -1, err, "")
}

// name is the path as guestfish takes it.
func (n *inode) name() string {
	if n.path == "" {
		return "/"
	}
	return n.path
}

func (n *inode) Stat() *vfs.Stat { return n.st }

func (n *inode) ReadDir() ([]vfs.Entry, error) {
	b, err := n.f.one(maxNames, "ls0", n.name(), "-")
	if err != nil {
		return nil, n.fail(err)
	}
	if bytes.Count(b, []byte{0}) > maxEntries {
		return nil, n.fail(fmt.Errorf("%w: more than %d names", block.ErrLimit, maxEntries))
	}
	names := strings.Split(string(b), "\x00")
	names = names[:len(names)-1] // each ends with a NUL
	var out []vfs.Entry
	for some := range slices.Chunk(names, 1024) {
		es, err := n.entries(some)
		if out = append(out, es...); err != nil {
			return out, n.fail(err)
		}
	}
	return out, nil
}

// entries asks for the metadata of many names at once, which is kept.
func (n *inode) entries(names []string) ([]vfs.Entry, error) {
	commands := make([]string, len(names))
	for i, name := range names {
		commands[i] = command("lstatns", n.path+"/"+name)
	}
	answers, complaint, err := n.f.c.ask(len(names)*maxAnswer, maxCommand, commands...)
	if err != nil {
		return nil, err
	}
	out := make([]vfs.Entry, len(names))
	for i, name := range names {
		out[i] = vfs.Entry{Name: name}
		if len(answers[i]) == 0 {
			err = failure(complaint) // Child will say more
			continue
		}
		st, bad := newStat(answers[i])
		if bad != nil {
			err = bad
			continue
		}
		n.f.keep(n.path+"/"+name, st)
		out[i].Ino, out[i].Type, out[i].HasType = st.Ino, st.Mode.Type(), true
	}
	return out, err
}

func (n *inode) Lookup(name string) (vfs.Inode, error) {
	if name == "" || strings.ContainsAny(name, "/\x00") || name == "." || name == ".." {
		return nil, fs.ErrNotExist // no names that a directory has
	}
	child := &inode{f: n.f, path: n.path + "/" + name}
	var err error
	if child.st, err = n.f.stat(child.path); err != nil {
		return nil, child.fail(err)
	}
	return child, nil
}

func (n *inode) Child(e vfs.Entry) (vfs.Inode, error) { return n.Lookup(e.Name) }

func (n *inode) ReadLink() (string, error) {
	b, err := n.f.one(maxAnswer, "readlink", n.name())
	return strings.TrimSuffix(string(b), "\n"), n.fail(err)
}

// Xattrs reads the list, in which the values are escaped such that not all can
// be told from others. Those are asked for one by one.
func (n *inode) Xattrs() ([]vfs.Xattr, error) {
	b, err := n.f.one(maxXattrs, "lgetxattrs", n.name())
	if err != nil {
		if strings.Contains(err.Error(), "Operation not supported") {
			return nil, nil // the filesystem has none
		}
		return nil, n.fail(err)
	}
	const name, val = "  attrname: ", "\n  attrval: "
	var out []vfs.Xattr
	for i := 0; len(b) > 0; i++ {
		rest, ok := bytes.CutPrefix(b, fmt.Appendf(nil, "[%d] = {\n%s", i, name))
		key, rest, ok2 := bytes.Cut(rest, []byte(val))
		value, rest, ok3 := bytes.Cut(rest, []byte("\n}\n")) // a value has no newline but as \x0a
		if !ok || !ok2 || !ok3 {
			return out, n.fail(fmt.Errorf("%w: attributes of which guestfish says %q", block.ErrUnsupported, b[:min(len(b), 256)]))
		}
		b = rest
		x := vfs.Xattr{Name: string(key), Value: value}
		if bytes.IndexByte(value, '\\') >= 0 {
			if x.Value, err = n.f.one(maxXattrs, "lgetxattr", n.name(), x.Name); err != nil {
				return out, n.fail(err)
			}
		}
		out = append(out, x)
	}
	return out, nil
}

// Content reads pieces of the file as they are asked for. Where its holes are
// is not known.
func (n *inode) Content() (block.Device, error) { return block.Plain(&content{n}), nil }

type content struct{ n *inode }

func (c *content) Size() int64 { return c.n.st.Size }

func (c *content) ReadAt(p []byte, off int64) (int, error) {
	want, eof := block.Clip(p, off, c.Size())
	done := 0
	for done < len(want) {
		at := off + int64(done)
		b, err := c.n.f.pages.Get(page{c.n.path, at / pageLen}, func() ([]byte, int64, error) {
			b, err := c.page(at / pageLen)
			return b, int64(len(b) + len(c.n.path)), err
		})
		if err != nil {
			return done, c.n.fail(err)
		}
		done += copy(want[done:], b[at%pageLen:])
	}
	return done, eof
}

// page reads the n-th piece of the file.
func (c *content) page(n int64) ([]byte, error) {
	off := n * pageLen
	size := min(pageLen, c.Size()-off)
	b, err := c.n.f.one(pageLen, "download-offset", c.n.name(), "-", strconv.FormatInt(off, 10), strconv.FormatInt(size, 10))
	switch {
	case err != nil && os.IsNotExist(err):
		return nil, io.ErrUnexpectedEOF // it was there
	case err != nil:
		return nil, err
	case int64(len(b)) != size:
		return nil, fmt.Errorf("%w: %d bytes at %d, not %d", block.ErrTruncated, len(b), off, size)
	}
	return slices.Clone(b), nil
}
