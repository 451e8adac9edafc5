package vfs

import (
	"io"
	"io/fs"
	"sync"
	"time"

	"github.com/guestkit/guestkit/block"
)

// info implements fs.FileInfo over a Stat.
type info struct {
	name string
	st   *Stat
	dev  uint64 // of the filesystem in its tree
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.st.Size }
func (i info) Mode() fs.FileMode  { return i.st.Mode }
func (i info) ModTime() time.Time { return i.st.Mtime }
func (i info) IsDir() bool        { return i.st.Mode.IsDir() }

// Sys gives what programs for files of this machine know: see Stat.
func (i info) Sys() any { return hostStat(i.GuestStat()) }

// Uname and Gname keep archive/tar (its FileInfoNames) from looking up the names
// that this machine has for the guest's numbers.
func (i info) Uname() (string, error) { return "", nil }
func (i info) Gname() (string, error) { return "", nil }

// GuestStat is what StatOf asks for. The driver's Stat is shared.
func (i info) GuestStat() *Stat {
	st := *i.st
	st.Dev |= i.dev << 32
	return &st
}

// StatOf returns all that a guest's filesystem says of a file, on every system. ok
// is false for a FileInfo that is not from one; one of another package counts if
// its Sys is a *Stat.
func StatOf(fi fs.FileInfo) (st *Stat, ok bool) {
	if g, ok := fi.(interface{ GuestStat() *Stat }); ok {
		return g.GuestStat(), true
	}
	st, ok = fi.Sys().(*Stat)
	return st, ok
}

// entry implements fs.DirEntry. Its inode is read when it is asked for.
type entry struct {
	dir  Inode
	name string
	e    Entry
	over Inode // what is mounted here
	dev  uint64
}

func (e *entry) Name() string { return e.name }
func (e *entry) IsDir() bool  { return e.Type().IsDir() }

func (e *entry) Type() fs.FileMode {
	if e.e.HasType {
		return e.e.Type.Type()
	}
	n, err := e.inode()
	if err != nil {
		return fs.ModeIrregular
	}
	return n.Stat().Mode.Type()
}

func (e *entry) inode() (Inode, error) {
	if e.over != nil {
		return e.over, nil
	}
	return e.dir.Child(e.e)
}

func (e *entry) Info() (fs.FileInfo, error) {
	n, err := e.inode()
	if err != nil {
		return nil, &fs.PathError{Op: "lstat", Path: e.name, Err: err}
	}
	return info{e.name, n.Stat(), e.dev}, nil
}

// RawName returns the name of a directory entry as the bytes that the guest
// holds.
func RawName(e fs.DirEntry) string { return Unescape(e.Name()) }

// A File is an open regular file of a guest, what FS.Open returns for one. It
// is a [block.Device] as well: holes are extents that are Zero. ReadAt and
// Extent are safe for concurrent use; Read and Seek share one offset.
type File struct {
	info info
	path string
	d    block.Device

	mu     sync.Mutex
	off    int64
	closed bool
}

func (f *File) fail(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &fs.PathError{Op: op, Path: f.path, Err: err}
}

// Stat implements [fs.File].
func (f *File) Stat() (fs.FileInfo, error) { return f.info, nil }

// Size returns the length in bytes.
func (f *File) Size() int64 { return f.d.Size() }

// Extent implements [block.Device].
func (f *File) Extent(off int64) (block.Extent, error) { return f.d.Extent(off) }

// ReadAt implements [io.ReaderAt]. Errors are [fs.PathError]s.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	closed := f.closed
	f.mu.Unlock()
	if closed {
		return 0, f.fail("read", fs.ErrClosed)
	}
	if off < 0 {
		return 0, f.fail("read", fs.ErrInvalid)
	}
	n, err := f.d.ReadAt(p, off)
	return n, f.fail("read", err)
}

// Read implements [io.Reader], from the file's own offset on.
func (f *File) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return 0, f.fail("read", fs.ErrClosed)
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := f.d.ReadAt(p, f.off)
	f.off += int64(n)
	if err == io.EOF && n > 0 {
		err = nil
	}
	return n, f.fail("read", err)
}

// Seek implements [io.Seeker]; offsets past the end are allowed, and read nothing.
func (f *File) Seek(offset int64, whence int) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return 0, f.fail("seek", fs.ErrClosed)
	}
	switch whence {
	case io.SeekCurrent:
		offset += f.off
	case io.SeekEnd:
		offset += f.d.Size()
	case io.SeekStart:
	default:
		return 0, f.fail("seek", fs.ErrInvalid)
	}
	if offset < 0 {
		return 0, f.fail("seek", fs.ErrInvalid)
	}
	f.off = offset
	return offset, nil
}

// Close ends reading from this File; the filesystem stays open. A second time it
// returns [fs.ErrClosed], as a file of the host does.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return f.fail("close", fs.ErrClosed)
	}
	f.closed = true
	return nil
}

// dirFile is an open directory. It is read when it is first listed.
type dirFile struct {
	info info
	path string
	list func() ([]fs.DirEntry, error)

	mu      sync.Mutex
	read    bool
	closed  bool
	entries []fs.DirEntry
	err     error // that came with the entries
}

func (d *dirFile) Stat() (fs.FileInfo, error) { return d.info, nil }

func (d *dirFile) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.path, Err: errIsDir}
}

func (d *dirFile) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return &fs.PathError{Op: "close", Path: d.path, Err: fs.ErrClosed}
	}
	d.closed = true
	return nil
}

func (d *dirFile) ReadDir(n int) ([]fs.DirEntry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, &fs.PathError{Op: "readdir", Path: d.path, Err: fs.ErrClosed}
	}
	if !d.read {
		d.entries, d.err = d.list()
		d.read = true
	}
	out := d.entries
	if n > 0 && n < len(out) {
		out = out[:n]
	}
	d.entries = d.entries[len(out):]
	switch {
	case len(d.entries) == 0 && d.err != nil:
		err := d.err
		d.err = nil
		return out, err
	case n > 0 && len(out) == 0:
		return out, io.EOF
	}
	return out, nil
}
