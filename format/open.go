package format

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/wrapped"
	"github.com/guestkit/guestkit/qcow2"
	"github.com/guestkit/guestkit/vhd"
	"github.com/guestkit/guestkit/volume/luks"
)

// Options says how to open an image. The zero value suits hostile input: the
// format is probed, and no file that the image names is opened.
type Options struct {
	// Format states the format and turns probing off.
	Format string
	// Snapshot opens the disk as it was in the internal snapshot of that id,
	// or else of that name; snapshot.id=ID and snapshot.name=NAME look at one of
	// the two alone.
	Snapshot string
	// Disk chooses among the disks of a package (OVA, OVF): by id, by the name
	// of its file, or by its number from 1 on. The only one needs no choice.
	Disk string

	// FollowOwnDir lets an image name files in its own folder and below: that
	// of the file itself, where the path of the image is a symbolic link. Of a
	// Reader that is no Source there is none.
	FollowOwnDir bool
	// AllowDirs lets images name regular files in these directories of this
	// machine and below, too, by relative or absolute names.
	AllowDirs []string
	// Opener replaces these rules.
	Opener block.Opener
	// MaxDepth is how many images may lie behind the first one; 0 means
	// DefaultMaxDepth.
	MaxDepth int
	// BackingFormat is the format of a backing file where its image does not
	// state that. Without it, one in which nothing tells any format is raw, and
	// any other is refused: a guest can write what looks like an image.
	BackingFormat string
	// DiskFormat is the format of the disks of a package, whatever its descriptor
	// says.
	DiskFormat string
	// VHDSize says which of the two sizes in a VHD is that of its disk.
	VHDSize vhd.SizeRule

	// Remote opens what is named by an address (a scheme, "://" and more) where a
	// path is taken: see package remote. Nil takes all names for paths. What such
	// an image names is looked for beside it by FollowOwnDir.
	Remote func(address string) (Source, error)

	// Unwrap reads files that are compressed as a whole, with gzip, xz, zstd, bzip2 or
	// lzop, as what they hold. An image that is read here and there takes
	// several passes over such a file; one that takes too many is an error that
	// wraps block.ErrLimit. Format may name both then, as in "qcow2.xz".
	Unwrap bool
	// Wrapped bounds what such a file may ask for.
	Wrapped WrappedLimits

	// Unlock gives the keys of encrypted images: of qcow2, and of raw disks whose
	// Format is stated as "luks". Nil refuses them with block.ErrEncrypted.
	Unlock block.Unlock
	// KeyCost bounds what may be spent on keys of such raw disks that are made of
	// passphrases; Qcow2.KeyWork is for qcow2. The zero value stands for the defaults
	// of package volume/luks.
	KeyCost luks.Limits
	// Qcow2 bounds what qcow2 images may ask for.
	Qcow2 qcow2.Limits
	// CacheBytes bounds the memory for tables and inflated data of all images of
	// a chain together, but for a MiB of each; 0 means what suits the formats,
	// at most DefaultCacheBytes.
	CacheBytes int64

	name  string // of the file, where what lies beside it is looked for
	depth int    // of the image in its chain
}

// cache is the part of an image in the memory of its chain: half to the first
// one, half of the rest to the next, and so on. def is what suits the format
// where it is the first.
func (o *Options) cache(def int64) int64 {
	total := o.CacheBytes
	if total == 0 {
		total = 2 * def
	}
	return max(total>>(o.depth+1), min(total, 1<<20))
}

// DefaultCacheBytes is the most that the caches of a chain take where
// Options.CacheBytes is 0.
const DefaultCacheBytes = 40 << 20

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
	info    *Info
	src     Source
	packed  *around      // nil if its file is not compressed
	behind  []Image      // those that an Opener of ours gave to it
	odd     []error      // about how it was opened
	release func() error // gives the Source back, nil if that stays open
}

func (im *image) Info() *Info { return im.info }

// SectorSize returns the logical sector size that the format states, or 0.
func (im *image) SectorSize() int { return block.SectorSize(im.opened) }

// Unwrap returns the image of the driver, such as a *qcow2.Image.
func (im *image) Unwrap() block.Device { return im.opened }

func (im *image) Problems() []error {
	all := append(slices.Clone(im.odd), im.opened.Problems()...)
	for _, b := range im.behind {
		all = append(all, b.Problems()...)
	}
	return all
}

// Modified returns when the file of the image had last been written to, or the
// zero time if that is not known.
func (im *image) Modified() time.Time {
	if m, ok := im.src.(interface{ Modified() time.Time }); ok {
		return m.Modified()
	}
	return time.Time{}
}

// Changed returns an error that wraps block.ErrChanged if the file of the image,
// or one behind it, is not what it was when it was opened.
func (im *image) Changed() error {
	if im.src != nil {
		if err := im.src.Changed(); err != nil {
			return err
		}
	}
	for _, b := range im.behind {
		if c, ok := b.(interface{ Changed() error }); ok {
			// The manifest of a descriptor was read, and closed.
			if err := c.Changed(); err != nil && !errors.Is(err, os.ErrClosed) {
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

// Sound returns an error that wraps block.ErrCorrupt if what the image is packed
// in, or one behind it, has checksums, and one is wrong: of a compressed file, of
// a member of a zip archive, or of the manifest of an OVA. It reads of the image what
// has met no checksum so far, which may be all of it.
func (im *image) Sound(ctx context.Context) error {
	if im.packed != nil {
		if err := im.packed.held.Sound(ctx); err != nil {
			return err
		}
	}
	for _, x := range []any{im.opened, im.src} {
		if s, ok := x.(sounder); ok {
			if err := s.Sound(ctx); err != nil {
				return err
			}
		}
	}
	for _, b := range im.behind {
		if s, ok := b.(sounder); ok {
			if err := s.Sound(ctx); err != nil {
				return fmt.Errorf("%s: %w", b.Info().Name, err)
			}
		}
	}
	return nil
}

type sounder interface{ Sound(context.Context) error }

func (im *image) Close() error {
	err := im.opened.Close()
	if im.release != nil {
		err = errors.Join(err, im.release())
	}
	return err
}

// Open opens the image in r: of the format that opts state, or else of the one
// that Probe finds. The Reader stays open when the image is closed. What the
// image names is opened as opts allow: with nil options nothing. Where r is a
// Source, that is looked for in its Folder.
func Open(r block.Reader, opts *Options) (Image, error) {
	im, err := newChain(sourceOf(r), opts).open()
	if err != nil {
		return nil, err
	}
	return im, nil
}

// OpenSource is Open for a Source, which is closed with the image, or at once
// where that cannot be opened. The errors begin with the name of the Source.
func OpenSource(src Source, opts *Options) (Image, error) {
	images, err := openSource(src, opts, false)
	if err != nil {
		return nil, err
	}
	return images[0], nil
}

func openSource(src Source, opts *Options, all bool) ([]Image, error) {
	images, err := newChain(src, opts).openAll(all)
	if err != nil {
		src.Close()
		return nil, named(src, err)
	}
	own(src, images)
	var out []Image
	for _, im := range images {
		out = append(out, im)
	}
	return out, nil
}

// named says what an error is about.
func named(src Source, err error) error {
	if err == nil || src.Name() == "" {
		return err
	}
	return fmt.Errorf("%s: %w", src.Name(), err)
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
		take(&image{opened: im, info: info, packed: packed})
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
		d, name, err := stated(o.Format)
		if err == nil && d.name != "raw" && d.openAll == nil {
			if found, perr := Probe(r); perr == nil && (found.Format == "ova" || found.Format == "ovf") {
				o.DiskFormat = o.Format // that of what is in the package
				return stated(found.Format)
			}
		}
		return d, name, err
	}
	found, err := Probe(r)
	switch {
	case err != nil:
		return driver{}, "", err
	case isContent(found.Format):
		if err := keepPromise(r, o); err != nil {
			return driver{}, "", err
		}
		d, _ := find("raw") // a raw disk, called by what it holds
		return d, found.Format, nil
	case found.Format == "tar" || found.Format == "zip":
		if name, err := packageFormat(r, o); err == nil {
			return stated(name)
		} else if !errors.Is(err, block.ErrFormat) {
			return driver{}, "", fmt.Errorf("%w; Options.Format raw takes the file for a raw disk", err)
		}
		fallthrough
	case found.Wrapper:
		return driver{}, "", block.Errorf("", "image", 0, block.ErrUnsupported, "a file of the type %s is no image; unpack it first, or state Options.Format raw to take it for a raw disk%s", found.Format, unwrapping(found.Format, o))
	}
	return stated(found.Format)
}

// unwrapping says how what is compressed is read.
func unwrapping(format string, o *Options) string {
	if wrapped.Known(format) && !o.Unwrap {
		return "; Options.Unwrap reads what it holds"
	}
	return ""
}

// stated finds the driver of a format by its name.
func stated(name string) (driver, string, error) {
	d, ok := find(name)
	if ok {
		return d, d.name, nil
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
	if f, ok := r.(Source); ok {
		info.Allocated = f.Allocated()
	}
	if s, ok := r.(*splitFile); ok {
		info.Parts = s.names()
	}
}

// Describe returns what the image in r says about itself, and what is odd about
// it. It opens no other image, so that it describes a lone overlay, and it
// describes images that cannot be read, such as encrypted ones. The files beside
// a descriptor that are a part of its package are opened as opts allow.
func Describe(r block.Reader, opts *Options) (*Info, []error, error) {
	c := newChain(sourceOf(r), opts)
	return describe(c.src, c.options(), c.src.Name())
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
		im, info, err := d.open(r, o)
		if err != nil {
			return nil, nil, err
		}
		defer im.Close()
		fill(info, format, r, o, name)
		packed.fill(info)
		return info, im.Problems(), nil
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
	src, err := PathSource(path, opts)
	if err != nil {
		return nil, err
	}
	return OpenSource(src, opts)
}

// DescribeFile is Describe for the file or block device at path.
func DescribeFile(path string, opts *Options) (*Info, []error, error) {
	src, err := PathSource(path, opts)
	if err != nil {
		return nil, nil, err
	}
	defer src.Close()
	info, problems, err := Describe(src, opts)
	return info, problems, named(src, err)
}
