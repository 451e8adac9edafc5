package format

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/qcow2"
)

// Options says how to open an image. The zero value suits hostile input: the
// format is probed, and no file that the image names is opened.
type Options struct {
	// Format states the format and turns probing off.
	Format string
	// Snapshot opens the disk as it was in the internal snapshot of that id,
	// or else of that name.
	Snapshot string
	// Disk chooses among the disks of a package (OVA, OVF): by id, by the name
	// of its file, or by its number from 1 on. The only one needs no choice.
	Disk string

	// FollowOwnDir lets an image name regular files in its own directory and
	// below: that of the file itself, where the path of the image is a
	// symbolic link. It concerns OpenFile, which knows that directory.
	FollowOwnDir bool
	// AllowDirs lets images name regular files in these directories and below,
	// too, by relative or absolute names.
	AllowDirs []string
	// Opener replaces these rules.
	Opener block.Opener
	// MaxDepth is how many images may lie behind the first one; 0 means
	// DefaultMaxDepth.
	MaxDepth int
	// RawBacking takes a backing file whose format its image does not state as
	// raw. Otherwise it is refused; it is never probed.
	RawBacking bool

	// Unwrap reads files that are compressed as a whole, with gzip, xz, zstd or
	// bzip2, as what they hold. An image that is read here and there takes
	// several passes over such a file; one that takes too many is an error that
	// wraps block.ErrLimit. Format may name both then, as in "qcow2.xz".
	Unwrap bool
	// Wrapped bounds what such a file may ask for.
	Wrapped WrappedLimits

	// Qcow2 bounds what qcow2 images may ask for. Its caches are those of the
	// whole chain.
	Qcow2 qcow2.Limits

	name string // of the file, where what lies beside it is looked for
}

// DefaultMaxDepth is how many images may lie behind the first one.
const DefaultMaxDepth = 32

// An Image is an open disk image of any format: the virtual disk that it holds.
// It is immutable and safe for concurrent use, and closes the files that it
// opened itself.
type Image interface {
	block.Device
	io.Closer
	// Info returns what the image says about itself. The caller must not
	// change it.
	Info() *Info
	// Problems returns what is odd about it and the images behind it.
	Problems() []error
}

// image is what Open returns.
type image struct {
	opened
	info   *Info
	behind []Image   // those that an Opener of ours gave to it
	file   io.Closer // what OpenFile opened, nil otherwise
}

func (im *image) Info() *Info { return im.info }

// SectorSize returns the logical sector size that the format states, or 0.
func (im *image) SectorSize() int { return block.SectorSize(im.opened) }

// Unwrap returns the image of the driver, such as a *qcow2.Image.
func (im *image) Unwrap() block.Device { return im.opened }

func (im *image) Problems() []error {
	all := slices.Clone(im.opened.Problems())
	for _, b := range im.behind {
		all = append(all, b.Problems()...)
	}
	return all
}

// Modified returns when the file of the image had last been written to, or the
// zero time if that is not known.
func (im *image) Modified() time.Time {
	if m, ok := im.file.(interface{ Modified() time.Time }); ok {
		return m.Modified()
	}
	return time.Time{}
}

// Changed returns an error that wraps block.ErrChanged if the file of the image,
// or one behind it, is not what it was when it was opened.
func (im *image) Changed() error {
	if c, ok := im.file.(interface{ Changed() error }); ok {
		if err := c.Changed(); err != nil {
			return err
		}
	}
	for _, b := range im.behind {
		if c, ok := b.(interface{ Changed() error }); ok {
			if err := c.Changed(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Overlap returns an error that wraps block.ErrCorrupt if two blocks of the
// image, or of one behind it, lie over each other in their file. Where a format
// counts references, as qcow2 does, blocks may be shared.
func (im *image) Overlap(ctx context.Context) error {
	if o, ok := im.opened.(overlapper); ok {
		if err := o.Overlap(ctx); err != nil {
			return err
		}
	}
	for _, b := range im.behind {
		if o, ok := b.(overlapper); ok {
			if err := o.Overlap(ctx); err != nil {
				return fmt.Errorf("%s: %w", b.Info().Name, err)
			}
		}
	}
	return nil
}

type overlapper interface{ Overlap(context.Context) error }

func (im *image) Close() error {
	err := im.opened.Close()
	if im.file != nil {
		if err2 := im.file.Close(); err == nil {
			err = err2
		}
	}
	return err
}

// Open opens the image in r: of the format that opts state, or else of the one
// that Probe finds. The Reader stays open when the image is closed.
func Open(r block.Reader, opts *Options) (Image, error) {
	if opts == nil {
		opts = &Options{}
	}
	im, err := open(r, opts, "")
	if err != nil {
		return nil, err
	}
	return im, nil
}

// open opens the image of the name given, which is for the Info alone.
func open(r block.Reader, o *Options, name string) (*image, error) {
	var out *image
	err := openEach(r, o, name, false, func(im *image) { out = im })
	return out, err
}

// openEach hands the image to take or, if all of a package are wanted and
// Options.Disk chooses none, its disks one after the other.
func openEach(r block.Reader, o *Options, name string, all bool, take func(*image)) error {
	r, o, packed, err := unwrap(r, o)
	if err != nil {
		return err
	}
	d, format, err := choose(r, o)
	if err != nil {
		return err
	}
	if o.Snapshot != "" && d.describe == nil {
		return block.Errorf(d.name, "snapshot", -1, block.ErrUnsupported, "the format has no internal snapshots")
	}
	done := func(im opened, info *Info) {
		if info.Disk != "" {
			info.Name = name // all else is that of the disk
		} else {
			fill(info, format, r, o, name)
		}
		packed.fill(info)
		take(&image{opened: im, info: info})
	}
	if all && d.openAll != nil && o.Disk == "" {
		return d.openAll(r, o, done)
	}
	im, info, err := d.open(r, o)
	if err != nil {
		return err
	}
	done(im, info)
	return nil
}

// choose finds the driver for r, and the name of the format.
func choose(r block.Reader, o *Options) (driver, string, error) {
	if o.Format != "" {
		return stated(o.Format)
	}
	found, err := Probe(r)
	switch {
	case err != nil:
		return driver{}, "", err
	case isContent(found.Format):
		d, _ := find("raw") // a raw disk, called by what it holds
		return d, found.Format, nil
	case found.Format == "tar" && holdsPackage(r):
		return stated("ova")
	case found.Wrapper:
		return driver{}, "", block.Errorf("", "image", 0, block.ErrUnsupported, "a file of the type %s is no image; unpack it first", found.Format)
	}
	return stated(found.Format)
}

// stated finds the driver of a format by its name.
func stated(name string) (driver, string, error) {
	d, ok := find(name)
	switch {
	case ok:
		return d, d.name, nil
	case name == "luks":
		return driver{}, "", block.Errorf(name, "image", 0, block.ErrEncrypted, "LUKS")
	}
	return driver{}, "", block.Errorf("", "image", -1, block.ErrUnsupported, "images of the format %q are not read%s", name, advice(name))
}

// fill sets what every Info has.
func fill(info *Info, format string, r block.Reader, o *Options, name string) {
	info.Name = name
	info.Format = format
	if format == "luks" {
		info.Encryption = "LUKS"
	}
	info.Stated = o.Format != ""
	info.FileSize = r.Size()
	info.Allocated = -1
	if f, ok := r.(source); ok {
		info.Allocated = f.Allocated()
	}
	if s, ok := r.(*splitFile); ok {
		info.Parts = s.names()
	}
}

// Describe returns what the image in r says about itself, and what is odd about
// it. It opens no file that the image names, so that it describes a lone
// overlay, and it describes images that cannot be read, such as encrypted ones.
func Describe(r block.Reader, opts *Options) (*Info, []error, error) {
	if opts == nil {
		opts = &Options{}
	}
	return describe(r, opts, "")
}

func describe(r block.Reader, o *Options, name string) (*Info, []error, error) {
	r, o, packed, err := unwrap(r, o)
	if err != nil {
		return nil, nil, err
	}
	d, format, err := choose(r, o)
	if err != nil {
		return nil, nil, err
	}
	if d.describe == nil {
		im, err := open(r, o, name)
		if err != nil {
			return nil, nil, err
		}
		defer im.Close()
		packed.fill(im.info)
		return im.info, im.Problems(), nil
	}
	info, problems, err := d.describe(r, o)
	if err != nil {
		return nil, nil, err
	}
	fill(info, format, r, o, name)
	packed.fill(info)
	return info, problems, nil
}

// OpenFile opens the image at path, which is a regular file or a block device,
// for reading. Files that it names are opened as opts allow: with nil options
// none.
func OpenFile(path string, opts *Options) (Image, error) {
	if opts == nil {
		opts = &Options{}
	}
	c, err := newChain(path, opts)
	if err != nil {
		return nil, err
	}
	f, err := openSource(path)
	if err != nil {
		return nil, err
	}
	im, err := c.open(f, path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return im, nil
}

// DescribeFile is Describe for the file or block device at path.
func DescribeFile(path string, opts *Options) (*Info, []error, error) {
	if opts == nil {
		opts = &Options{}
	}
	f, err := openSource(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, problems, err := describe(f, opts, path)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return info, problems, nil
}
