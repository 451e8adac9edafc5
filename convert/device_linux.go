package convert

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/problem"
)

// A device is a block device that is written in place.
type device struct {
	*os.File
	noSync bool
}

// openDevice opens a block device of at least size bytes that nobody uses.
func openDevice(path string, size int64, o *FileOptions) (hostFile, error) {
	if err := CheckSources(path, o.Sources); err != nil {
		return nil, err
	}
	refused := func(detail string, args ...any) error {
		return &os.PathError{Op: "open", Path: path, Err: problem.Class(block.ErrRefused, detail, args...)}
	}
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if fi.Mode()&(os.ModeDevice|os.ModeCharDevice) != os.ModeDevice {
		return nil, refused("is not a block device")
	}
	if at := mountedAt(fi); at != "" {
		return nil, refused("is mounted at %s", at)
	}
	// O_EXCL keeps out of a device that is mounted, in whole or in part, or
	// belongs to a volume group or an array.
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_EXCL, 0)
	if errors.Is(err, unix.EBUSY) {
		return nil, refused("is in use")
	}
	if err != nil {
		return nil, err
	}
	have, err := f.Seek(0, io.SeekEnd)
	if err == nil && have < size {
		err = refused("has %d bytes, fewer than the disk's %d", have, size)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &device{f, o.NoSync}, nil
}

// mountedAt returns where a block device is mounted, "" if it is not.
func mountedAt(fi os.FileInfo) string {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	rdev := uint64(st.Rdev)
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	want := fmt.Sprintf("%d:%d", unix.Major(rdev), unix.Minor(rdev))
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 4 && f[2] == want {
			return f[4]
		}
	}
	return ""
}

// Truncate does nothing: a device has the size that it has.
func (d *device) Truncate(int64) error { return nil }

// ZeroRange writes zeros: what was there before is not.
func (d *device) ZeroRange(off, n int64) error {
	err := unix.Fallocate(int(d.Fd()), unix.FALLOC_FL_ZERO_RANGE|unix.FALLOC_FL_KEEP_SIZE, off, n)
	if err == nil {
		return nil
	}
	return writeZeros(d.File, off, n)
}

func (d *device) Sync() error {
	if d.noSync {
		return nil
	}
	return d.File.Sync()
}

// Commit does nothing: what was written is there.
func (d *device) Commit() error { return nil }
