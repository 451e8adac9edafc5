package fs

import (
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
	return d.Open(r, opts)
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
