package guestkit

import (
	"context"
	"errors"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/fs"
	"github.com/guestkit/guestkit/inspect"
)

// Options says how a guest's disks are opened and inspected. Nil, and nil in
// a field, are safe with hostile disks.
type Options struct {
	Format  *format.Options // of every disk
	Inspect *inspect.Options
}

// A Guest is the open disks of one virtual machine. It is immutable and safe
// for concurrent use; after Close nothing that came from it may be used.
type Guest struct {
	images    []format.Image
	o         *inspect.Options
	processes *fs.Processes // that the guest owns; nil where the caller does
}

// Open opens a guest of one disk: an image file of any format, or a block
// device. An OVA or OVF is a guest of all its disks. It is read only.
func Open(path string, o *Options) (*Guest, error) { return OpenDisks([]string{path}, o) }

// OpenDisks opens a guest of several disks, in the order in which it sees
// them.
func OpenDisks(paths []string, o *Options) (*Guest, error) {
	return open(paths, o, format.OpenFileDisks)
}

// OpenReaders opens a guest whose disk images are not files of this machine,
// in the order in which it sees them. They stay open when the guest is closed.
func OpenReaders(readers []block.Reader, o *Options) (*Guest, error) {
	return open(readers, o, format.OpenDisks)
}

func open[T any](disks []T, o *Options, open func(T, *format.Options) ([]format.Image, error)) (*Guest, error) {
	if o == nil {
		o = &Options{}
	}
	g := &Guest{}
	g.own(o.Inspect)
	for _, d := range disks {
		images, err := open(d, o.Format)
		if err != nil {
			return nil, errors.Join(err, g.Close())
		}
		g.images = append(g.images, images...)
	}
	return g, nil
}

// own makes the guest the owner of the processes that read its filesystems,
// unless somebody is already.
func (g *Guest) own(o *inspect.Options) {
	var io inspect.Options
	if o != nil {
		io = *o
	}
	var fo fs.Options
	if io.FS != nil {
		fo = *io.FS
	}
	if fo.Processes == nil {
		g.processes = &fs.Processes{}
		fo.Processes = g.processes
	}
	io.FS = &fo
	g.o = &io
}

// Images returns the open disk images, in order.
func (g *Guest) Images() []format.Image { return append([]format.Image(nil), g.images...) }

// Volumes lists what the disks are divided into, and what each volume holds.
func (g *Guest) Volumes(ctx context.Context) (*inspect.Report, error) {
	return inspect.Volumes(ctx, g.disks(), g.o)
}

// Inspect lists the volumes and finds the operating systems on them.
func (g *Guest) Inspect(ctx context.Context) (*inspect.Report, error) {
	return inspect.Run(ctx, g.disks(), g.o)
}

func (g *Guest) disks() []block.Device {
	out := make([]block.Device, len(g.images))
	for i, img := range g.images {
		out[i] = img
	}
	return out
}

// Close ends what reads the disks, and closes them.
func (g *Guest) Close() error {
	var errs []error
	if g.processes != nil {
		errs = append(errs, g.processes.Close())
	}
	for _, img := range g.images {
		errs = append(errs, img.Close())
	}
	return errors.Join(errs...)
}
