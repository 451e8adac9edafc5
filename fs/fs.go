package fs

import (
	"errors"
	"slices"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/volume/probe"
)

// Options says how a filesystem is opened. The zero value, or nil, is safe.
type Options struct {
	// Type is a type as Probe names it, "" to probe. What is there and is of
	// another type is an error that wraps block.ErrFormat.
	Type string
	// CacheBytes bounds the memory for metadata; 0 leaves it to the driver.
	CacheBytes int64
	// NoReplay reads the filesystem as it lies on the disk, without the
	// changes that wait in its journal or log.
	NoReplay bool
	// Drive is the letter by which the guest knows the volume, 'C' for
	// example, 0 if that is not known; see ntfs.Options.
	Drive byte
	// Devices are further volumes of the same guest; r may be among them. A filesystem that lies on
	// several (Btrfs, external logs and journals) takes its own by what they
	// hold, and lists them in its Info; what lacks one wraps block.ErrMissing.
	Devices []block.Reader
	// Log, Realtime and Blobs are devices that the caller names, by what mount calls
	// logdev=, rtdev= and device=: an external log or journal, the realtime device of an
	// XFS, and the further devices of an EROFS in the order of its table. They go before
	// what Devices has; some carry nothing by which they could be found there. One that
	// the filesystem does not lie on is an error that wraps block.ErrOption.
	Log, Realtime block.Reader
	Blobs         []block.Reader
	// Drivers are asked before those of this package.
	Drivers []Driver
	// NoProcesses starts no other program that reads filesystems for
	// guestkit, in a build that has any (tag libguestfs). Close of what Open
	// returned ends one; Cancel, when it is closed, an Open that waits for one.
	NoProcesses bool
	Cancel      <-chan struct{}
}

// Open opens the filesystem on r. What is known and has no driver wraps
// block.ErrUnsupported and names the type; what is encrypted wraps
// ErrEncrypted; several filesystems at once wrap ErrAmbiguous; nothing that is
// known wraps ErrFormat.
func Open(r block.Reader, opts *Options) (vfs.FS, error) {
	if opts == nil || opts.Type == "" {
		f, err := probe.Volume(r)
		if err != nil {
			return nil, err
		}
		return OpenFound(r, f, opts)
	}
	return open(r, opts.Type, opts)
}

// OpenFound is Open for a volume that was probed: volume.Scan does, and a
// volume.Volume has it as its Found. Options.Type overrides it.
func OpenFound(r block.Reader, p probe.Found, opts *Options) (vfs.FS, error) {
	if opts == nil {
		opts = &Options{}
	}
	if opts.Type != "" {
		return open(r, opts.Type, opts)
	}
	f := opts.Judge(p)
	if err := f.refusal(); err != nil {
		return nil, err
	}
	return open(r, f.Type, opts)
}

func open(r block.Reader, typ string, opts *Options) (vfs.FS, error) {
	d := opts.driverOf(typ)
	if d == nil {
		return nil, block.Errorf(typ, "filesystem", -1, block.ErrUnsupported, "there is no driver for %s%s", typ, advice(typ))
	}
	fsys, err := d.Open(r, opts)
	if err != nil {
		return nil, err
	}
	if err := opts.checkNamed(typ, fsys.Info().Devices); err != nil {
		return nil, errors.Join(err, fsys.Close())
	}
	return fsys, nil
}

// checkNamed refuses a device that the caller names and the filesystem does not use.
func (o *Options) checkNamed(typ string, used []block.Reader) error {
	check := func(option string, named block.Reader) error {
		if named == nil || slices.ContainsFunc(used, func(d block.Reader) bool { return same(d, named) }) {
			return nil
		}
		return block.Errorf(typ, "filesystem", -1, block.ErrOption, "it does not lie on the device that %s names", option)
	}
	errs := []error{check("logdev", o.Log), check("rtdev", o.Realtime)}
	for _, d := range o.Blobs {
		errs = append(errs, check("device", d))
	}
	return errors.Join(errs...)
}

// same compares devices. Two of a type that cannot be compared may be the same.
func same(a, b block.Reader) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = true
		}
	}()
	return a == b
}

// refusal says why Open does not open what was found.
func (f *Found) refusal() error {
	class := block.ErrFormat
	switch f.Kind {
	case Encrypted:
		class = block.ErrEncrypted
	case Ambiguous:
		class = block.ErrAmbiguous
	case Filesystem, Swap, Member:
		if f.Supported {
			return nil
		}
		class = block.ErrUnsupported
	case Unknown:
		if f.Supported {
			return nil
		}
	}
	return block.Errorf(f.Type, "volume", f.Off, class, "%s", f.Reason)
}
