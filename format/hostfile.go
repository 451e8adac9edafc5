package format

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/guestkit/guestkit/block"
)

// A HostFile is a regular file or block device of this machine, opened for
// reading. It is a block.Device whose extents tell the holes of the file, where
// the system knows them.
type HostFile struct {
	f      *os.File
	path   string
	size   int64
	before os.FileInfo
	sector int

	// data are the runs of data that were found last, in turn. Systems walk over
	// all of a run to find its end, images ask for each of their blocks, and
	// several readers may be in several places.
	data [8]atomic.Pointer[block.Extent]
	next atomic.Uint32
}

// OpenHostFile opens the file or block device at path for reading. Anything
// else, such as a fifo, is refused.
func OpenHostFile(path string) (*HostFile, error) {
	// Look before opening: to open a device may do something.
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := usable(path, fi, true); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, err
	}
	return newHostFile(f, true)
}

// newHostFile takes f over, and closes it if it is not to be read.
func newHostFile(f *os.File, device bool) (*HostFile, error) {
	h := &HostFile{f: f, path: f.Name()}
	var err error
	if h.before, err = f.Stat(); err == nil {
		err = usable(f.Name(), h.before, device)
	}
	if err == nil {
		h.size, err = f.Seek(0, io.SeekEnd)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	if h.before.Mode()&os.ModeDevice != 0 {
		h.sector = sectorSize(f)
	}
	return h, nil
}

// usable says whether a file may be read as an image.
func usable(name string, fi os.FileInfo, device bool) error {
	mode := fi.Mode()
	if mode.IsRegular() || device && mode&os.ModeDevice != 0 && mode&os.ModeCharDevice == 0 {
		return nil
	}
	what := "it is no regular file"
	if device {
		what += " or block device"
	}
	return &os.PathError{Op: "open", Path: name, Err: fmt.Errorf("%w: %s but %s", block.ErrRefused, what, kind(mode))}
}

// kind says in words what is not a regular file.
func kind(mode os.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&os.ModeCharDevice != 0:
		return "a character device"
	case mode&os.ModeDevice != 0:
		return "a block device"
	case mode&os.ModeNamedPipe != 0:
		return "a fifo"
	case mode&os.ModeSocket != 0:
		return "a socket"
	}
	return mode.Type().String()
}

// Name returns the path that the file was opened by.
func (h *HostFile) Name() string { return h.path }

// Folder returns the directory of the file itself, where its path is that of a
// symbolic link.
func (h *HostFile) Folder() Folder { return folderOf(h.path) }

// Same reports whether the other one is this file, or has it as a part.
func (h *HostFile) Same(other Source) bool { return sameFiles(h, other) }

func (h *HostFile) infos() []os.FileInfo { return []os.FileInfo{h.before} }

// sameFiles reports whether two Sources have a file of this machine in common.
func sameFiles(a interface{ infos() []os.FileInfo }, other Source) bool {
	b, ok := other.(interface{ infos() []os.FileInfo })
	if !ok {
		return false
	}
	for _, x := range a.infos() {
		for _, y := range b.infos() {
			if os.SameFile(x, y) {
				return true
			}
		}
	}
	return false
}

// File returns the open file, for copies inside the kernel. It must not be
// written to, nor closed.
func (h *HostFile) File() *os.File { return h.f }

// Size returns the size in bytes that the file had when it was opened.
func (h *HostFile) Size() int64 { return h.size }

// SectorSize returns the logical sector size of a block device, or 0.
func (h *HostFile) SectorSize() int { return h.sector }

// Allocated returns how many bytes the file takes on its file system, -1 if
// that is unknown.
func (h *HostFile) Allocated() int64 { return Allocated(h.before) }

// Allocated returns how many bytes a file takes on its file system, -1 if that
// is unknown, as it is of a device.
func Allocated(fi os.FileInfo) int64 {
	if !fi.Mode().IsRegular() {
		return -1
	}
	return allocated(fi)
}

// ReadAt implements io.ReaderAt. What was added to the file since it was opened
// is not there.
func (h *HostFile) ReadAt(p []byte, off int64) (int, error) {
	q, eof := block.Clip(p, off, h.size)
	if len(q) == 0 {
		return 0, eof
	}
	n, err := h.f.ReadAt(q, off)
	if n == len(q) {
		err = eof
	}
	return n, err
}

// Extent implements block.Device. A hole of the file is Zero; nothing in a file
// is Unset.
func (h *HostFile) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= h.size {
		return block.Extent{}, io.EOF
	}
	for i := range h.data {
		if e := h.data[i].Load(); e != nil && off >= e.Off && off-e.Off < e.Len {
			return block.Extent{Off: off, Len: e.Len - (off - e.Off), Host: h, HostOff: off}, nil
		}
	}
	if n := holeAt(h.f, off, h.size); n > 0 {
		return block.Extent{Off: off, Len: n, Zero: true, Host: h, HostOff: off}, nil
	}
	e := block.Extent{Off: off, Len: dataAt(h.f, off, h.size), Host: h, HostOff: off}
	h.data[h.next.Add(1)%uint32(len(h.data))].Store(&e)
	return e, nil
}

// Modified returns when the file had last been written to when it was opened.
func (h *HostFile) Modified() time.Time { return h.before.ModTime() }

// Changed returns an error that wraps block.ErrChanged if the file is not what
// it was when it was opened.
func (h *HostFile) Changed() error {
	now, err := h.f.Stat()
	if err != nil {
		return err
	}
	if h.before.Mode().IsRegular() && now.Size() != h.before.Size() {
		return h.changed("its size was %d bytes, and is %d", h.before.Size(), now.Size())
	}
	if a, b := changeTime(h.before), changeTime(now); !a.Equal(b) {
		return h.changed("it was last changed at %s when it was opened, and again at %s", a.Format(time.RFC3339Nano), b.Format(time.RFC3339Nano))
	}
	return nil
}

func (h *HostFile) changed(detail string, args ...any) error {
	return &os.PathError{Op: "read", Path: h.Name(), Err: fmt.Errorf("%w: %s", block.ErrChanged, fmt.Sprintf(detail, args...))}
}

// Close closes the file.
func (h *HostFile) Close() error { return h.f.Close() }
