package guestkit

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/problem"
	"github.com/guestkit/guestkit/volume"
)

// Options says how a guest's disks are opened and inspected. Nil, and nil in
// a field, are safe with hostile disks.
type Options struct {
	Format *format.Options // of every disk
	// Disks are the options of single disks in place of Format, by their place
	// among those that are opened; one that is nil, or not there, leaves it to
	// Format. More than there are disks are an error that wraps block.ErrOption.
	Disks   []*format.Options
	Inspect *inspect.Options // nil inspects everything, within the default bounds
	// Progress is told how far Inspect and Volumes are, where Inspect has no
	// Progress of its own.
	Progress func(inspect.Progress)
	// Unlock gives the keys of what is encrypted, where Inspect.Volume has no
	// Unlock of its own; nil leaves it locked.
	Unlock block.Unlock
}

// What a guest holds, by the names under which it is looked for here.
type (
	Report = inspect.Report
	System = inspect.System
	Volume = inspect.Volume
)

// inspect are the options of an inspection.
func (o *Options) inspect() *inspect.Options {
	var io inspect.Options
	if o.Inspect != nil {
		io = *o.Inspect
	}
	var vo volume.Options
	if io.Volume != nil {
		vo = *io.Volume
	}
	if vo.Unlock == nil {
		vo.Unlock = o.Unlock
	}
	io.Volume = &vo
	if io.Progress == nil {
		io.Progress = o.Progress
	}
	return &io
}

// A Guest is the open disks of one virtual machine. It is safe for concurrent
// use; after Close nothing that came from it may be used.
type Guest struct {
	images []format.Image
	disks  []block.Device
	o      *inspect.Options

	mu      sync.Mutex
	closed  bool
	ctx     context.Context // ends with the guest
	end     context.CancelFunc
	running sync.WaitGroup // inspections
	reports []*inspect.Report
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
// in the order in which it sees them. They stay open when the guest is closed. A
// Reader that is slow for small reads wants a block.Cached over it.
func OpenReaders(readers []block.Reader, o *Options) (*Guest, error) {
	return open(readers, o, format.OpenDisks)
}

func open[T any](disks []T, o *Options, open func(T, *format.Options) ([]format.Image, error)) (*Guest, error) {
	if o == nil {
		o = &Options{}
	}
	if len(o.Disks) > len(disks) {
		return nil, problem.Option("there are options for %d disks, and %d are to be opened", len(o.Disks), len(disks))
	}
	g := newGuest(o)
	for i, d := range disks {
		images, err := open(d, pick(o.Disks, i, o.Format))
		if err != nil {
			return nil, errors.Join(err, g.Close())
		}
		for _, img := range images {
			g.images, g.disks = append(g.images, img), append(g.disks, img)
		}
	}
	return g, nil
}

// pick is the i-th of the options for single disks, or else what is for all.
func pick(single []*format.Options, i int, all *format.Options) *format.Options {
	if i >= 0 && i < len(single) && single[i] != nil {
		return single[i]
	}
	return all
}

// OpenDevices makes a guest of disks that are open already, in the order in
// which it sees them. They stay open when the guest is closed; Images are none.
func OpenDevices(disks []block.Device, o *Options) (*Guest, error) {
	if o == nil {
		o = &Options{}
	}
	g := newGuest(o)
	g.disks = slices.Clone(disks)
	return g, nil
}

func newGuest(o *Options) *Guest {
	g := &Guest{o: o.inspect()}
	g.ctx, g.end = context.WithCancel(context.Background())
	return g
}

// Images returns the open disk images, in order.
func (g *Guest) Images() []format.Image { return append([]format.Image(nil), g.images...) }

// Volumes lists what the disks are divided into, and what each volume holds.
// The Report is closed with the guest, at the latest.
func (g *Guest) Volumes(ctx context.Context) (*inspect.Report, error) {
	return g.report(ctx, inspect.Volumes)
}

// Inspect lists the volumes and finds the operating systems on them. The Report
// is closed with the guest, at the latest.
func (g *Guest) Inspect(ctx context.Context) (*inspect.Report, error) {
	return g.report(ctx, inspect.Run)
}

// report makes a report that ends with the guest.
func (g *Guest) report(ctx context.Context, run func(context.Context, []block.Device, *inspect.Options) (*inspect.Report, error)) (*inspect.Report, error) {
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return nil, os.ErrClosed
	}
	g.running.Add(1)
	g.mu.Unlock()
	defer g.running.Done()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(g.ctx, cancel)()
	rep, err := run(ctx, g.disks, g.o)
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case err != nil && g.closed:
		return nil, errors.Join(os.ErrClosed, err)
	case err != nil:
		return nil, err
	case g.closed:
		return nil, errors.Join(os.ErrClosed, rep.Close())
	}
	g.reports = append(g.reports, rep)
	return rep, nil
}

// Close ends inspections that are under way, and closes the reports and what
// reads the disks, then the disk images. It may be called again, and at any
// time.
func (g *Guest) Close() error {
	g.mu.Lock()
	again := g.closed
	g.closed = true
	g.mu.Unlock()
	g.end()
	g.running.Wait()
	if again {
		return nil
	}
	var errs []error
	for _, rep := range slices.Backward(g.reports) {
		errs = append(errs, rep.Close())
	}
	for _, img := range g.images {
		errs = append(errs, img.Close())
	}
	return errors.Join(errs...)
}
