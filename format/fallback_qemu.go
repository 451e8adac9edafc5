//go:build qemu && linux

package format

import (
	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/qemuimg"
)

func fallbackDrivers() []driver {
	var out []driver
	for _, format := range borrowed() {
		out = append(out, driver{
			name: format,
			open: func(r block.Reader, o *Options) (opened, *Info, error) {
				return openBorrowed(format, r, o)
			},
			describe: func(r block.Reader, o *Options) (*Info, []error, error) {
				return describeBorrowed(format, r)
			},
		})
	}
	return out
}

func openBorrowed(format string, r block.Reader, o *Options) (opened, *Info, error) {
	if o.Snapshot != "" {
		return nil, nil, block.Errorf(format, "snapshot", -1, block.ErrUnsupported, "the format has no internal snapshots")
	}
	info, problems, err := describeBorrowed(format, r)
	if err != nil {
		return nil, nil, err
	}
	scratch, err := qemuimg.Read(r.(*HostFile).File(), format)
	if err != nil {
		return nil, nil, err
	}
	disk, err := newHostFile(scratch, false)
	if err != nil {
		return nil, nil, err
	}
	return &borrowedDisk{disk, problems}, info, nil
}

func describeBorrowed(format string, r block.Reader) (*Info, []error, error) {
	h, ok := r.(*HostFile)
	if !ok || !h.before.Mode().IsRegular() {
		return nil, nil, block.Errorf(format, "image", -1, block.ErrUnsupported, "only qemu-img reads this format, and only from a file that is neither split nor compressed nor part of another")
	}
	q, err := qemuimg.Describe(h.File(), format)
	if err != nil {
		return nil, nil, err
	}
	info := &Info{ReadBy: "qemu-img", VirtualSize: q.VirtualSize, ClusterSize: q.ClusterSize, Dirty: q.Dirty}
	if q.Backing != "" {
		info.Backing = &Reference{Name: q.Backing, Format: q.BackingFormat}
	}
	if q.Encrypted {
		info.Encryption = "AES" // the only method that any of these formats has
	}
	return info, []error{block.Errorf(format, "image", -1, block.ErrUnsupported, "read by qemu-img, not by guestkit, into a scratch file%s", blindness(format))}, nil
}

// blindness says what qemu-img does not see in images of a format.
func blindness(format string) string {
	switch format {
	case "qcow", "bochs":
		return "; where the image was cut, it reads zeros"
	case "parallels":
		return "; whether it is a snapshot, for which other files are needed, the file does not tell"
	}
	return ""
}

// A borrowedDisk is what qemu-img wrote of an image. Its bytes lie in no file
// that has a name.
type borrowedDisk struct {
	scratch  *HostFile
	problems []error
}

func (d *borrowedDisk) Size() int64       { return d.scratch.Size() }
func (d *borrowedDisk) Problems() []error { return d.problems }
func (d *borrowedDisk) Close() error      { return d.scratch.Close() }

func (d *borrowedDisk) ReadAt(p []byte, off int64) (int, error) { return d.scratch.ReadAt(p, off) }

// Extent tells zeros from data. What the image itself has not allocated is not
// known any more, so nothing is Unset.
func (d *borrowedDisk) Extent(off int64) (block.Extent, error) {
	e, err := d.scratch.Extent(off)
	e.Host, e.HostOff = nil, 0
	return e, err
}
