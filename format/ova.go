package format

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/ova"
)

// readPackage opens the package in r.
func readPackage(r block.Reader, o *Options) (*ova.Package, error) {
	return ova.Open(r, &ova.Options{Opener: o.Opener, Name: o.name})
}

// holdsPackage reports whether a tar archive that does not begin with an OVF
// descriptor holds one all the same.
func holdsPackage(r block.Reader) bool {
	_, err := ova.Open(r, nil)
	return err == nil
}

// openPackage opens one disk of a package.
func openPackage(r block.Reader, o *Options) (opened, *Info, error) {
	p, err := readPackage(r, o)
	if err != nil {
		return nil, nil, err
	}
	disks, err := p.Guest()
	if o.Disk != "" {
		var d *ova.Disk
		if d, err = p.Disk(o.Disk); err == nil {
			disks = []*ova.Disk{d}
		}
	}
	switch {
	case err != nil:
		return nil, nil, err
	case len(disks) != 1:
		return nil, nil, &DisksError{Disks: disks}
	}
	im, err := openMember(p, disks[0], o)
	if err != nil {
		return nil, nil, block.Locate("ova", "disk "+disks[0].ID, -1, err)
	}
	return im, im.info, nil
}

// openPackageDisks opens all disks of a package, in the order in which its
// machine sees them.
func openPackageDisks(r block.Reader, o *Options, take func(opened, *Info)) error {
	p, err := readPackage(r, o)
	if err != nil {
		return err
	}
	disks, err := p.Guest()
	switch {
	case err != nil:
		return err
	case len(disks) == 0:
		return &DisksError{}
	}
	for _, d := range disks {
		im, err := openMember(p, d, o)
		if err != nil {
			return block.Locate("ova", "disk "+d.ID, -1, err)
		}
		take(im, im.info)
	}
	return nil
}

// A DisksError says that a package holds several disks, or none, where one was
// to be opened.
type DisksError struct{ Disks []*ova.Disk }

func (e *DisksError) Error() string {
	if len(e.Disks) == 0 {
		return "ova: the package holds no disk"
	}
	return "ova: the package holds several disks: " + ova.Names(e.Disks)
}

// packed is a disk of a package.
type packed struct {
	*image
	p    *ova.Package
	file io.Closer
}

func (d *packed) Problems() []error { return append(d.p.Problems(), d.image.Problems()...) }

func (d *packed) Close() error { return errors.Join(d.image.Close(), d.file.Close()) }

// nothing closes nothing.
type nothing struct{}

func (nothing) Close() error { return nil }

// openMember opens a disk of a package. Files that it names are files of the
// package.
func openMember(p *ova.Package, d *ova.Disk, o *Options) (*packed, error) {
	if d.File == nil {
		im := &image{opened: &blank{d.Capacity}, info: &Info{Format: "raw", Stated: true, VirtualSize: d.Capacity, Allocated: -1, Disk: d.ID}}
		return &packed{im, p, nothing{}}, nil
	}
	r, err := p.Open(d.File)
	if err != nil {
		return nil, err
	}
	file := io.Closer(nothing{})
	if c, ok := r.(io.Closer); ok {
		file = c
	}
	inner, err := memberOptions(p, d, r, o)
	var im *image
	if err == nil {
		im, err = open(r, inner, "")
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	im.info.Disk, im.info.Member = d.ID, d.File.Href
	return &packed{im, p, file}, nil
}

// memberOptions are the rules for a disk of a package, of the format that the
// descriptor states. Where it states none that is known, the content must.
func memberOptions(p *ova.Package, d *ova.Disk, r block.Reader, o *Options) (*Options, error) {
	inner := &Options{Format: d.Format, Snapshot: o.Snapshot, Qcow2: o.Qcow2}
	inner.Opener = packageOpener(p, inner, DefaultMaxDepth)
	if inner.Format == "" {
		found, err := Probe(r)
		if err != nil {
			return nil, err
		}
		inner.Format = found.Format
		if known, ok := find(found.Format); !ok || known.name == "raw" || known.name == "ova" || known.name == "ovf" {
			return nil, block.Errorf("", "format", -1, block.ErrUnsupported, "the descriptor names it %.80q, and the content is %s", d.URI, found.Format)
		}
	}
	return inner, nil
}

// packageOpener opens what a disk of a package names, inside the package.
func packageOpener(p *ova.Package, o *Options, depth int) block.Opener {
	return func(ref block.Ref) (block.Device, error) {
		if depth == 0 {
			return nil, refError(ref, block.ErrLimit, "more than %d images lie behind the first one", DefaultMaxDepth)
		}
		r, err := p.OpenRef(ref)
		if err != nil || ref.Format == "raw" {
			return r, err
		}
		next := *o
		next.Format, next.Snapshot = ref.Format, ""
		next.Opener = packageOpener(p, &next, depth-1)
		im, err := open(r, &next, "")
		if err != nil {
			block.Close(r)
			return nil, err
		}
		im.file, _ = r.(io.Closer)
		return im, nil
	}
}

// describePackage says what a package holds. A disk that cannot be described
// is a problem, and has what the descriptor says of it.
func describePackage(r block.Reader, o *Options) (*Info, []error, error) {
	p, err := readPackage(r, o)
	if err != nil {
		return nil, nil, err
	}
	disks, err := p.Guest()
	if err != nil {
		disks = p.Disks
	}
	info := &Info{Version: p.Version, Machines: p.Machines}
	problems := p.Problems()
	for _, d := range disks {
		di, faults, err := describeMember(p, d, o)
		problems = append(problems, faults...)
		if err != nil {
			problems = append(problems, block.Locate("ova", "disk "+d.ID, -1, err))
			di = &Info{Format: d.Format, Stated: true, VirtualSize: d.Capacity, Allocated: -1}
		}
		if d.Capacity != 0 && di.VirtualSize != d.Capacity {
			problems = append(problems, sizeFault(d, di))
		}
		di.Disk = d.ID
		if d.File != nil {
			di.Member = d.File.Href
		}
		if di.VirtualSize > math.MaxInt64-info.VirtualSize {
			return nil, nil, block.Errorf("ova", "disk "+d.ID, -1, block.ErrLimit, "with its %d bytes, the disks have more than can be counted", di.VirtualSize)
		}
		info.Disks = append(info.Disks, di)
		info.VirtualSize += di.VirtualSize
	}
	return info, problems, nil
}

func describeMember(p *ova.Package, d *ova.Disk, o *Options) (*Info, []error, error) {
	if d.File == nil {
		return &Info{Format: "raw", Stated: true, VirtualSize: d.Capacity, Allocated: -1}, nil, nil
	}
	r, err := p.Open(d.File)
	if err != nil {
		return nil, nil, err
	}
	defer block.Close(r)
	inner, err := memberOptions(p, d, r, o)
	if err != nil {
		return nil, nil, err
	}
	return describe(r, inner, "")
}

// OpenDisks opens all disks of the guest in r: the disk of an image, or the
// disks of a package in the order in which its machine sees them.
func OpenDisks(r block.Reader, opts *Options) ([]Image, error) {
	if opts == nil {
		opts = &Options{}
	}
	var out []Image
	if err := openEach(r, opts, "", true, func(im *image) { out = append(out, im) }); err != nil {
		for _, im := range out {
			im.Close()
		}
		return nil, err
	}
	return out, nil
}

// OpenFileDisks is OpenDisks for the file or block device at path.
func OpenFileDisks(path string, opts *Options) ([]Image, error) {
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
	images, err := c.openAll(f, path, true)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var out []Image
	for _, im := range images {
		out = append(out, im)
	}
	return out, nil
}

// blank is a disk of zeros.
type blank struct{ size int64 }

func (b *blank) Size() int64 { return b.size }

func (b *blank) ReadAt(p []byte, off int64) (int, error) {
	q, eof := block.Clip(p, off, b.size)
	clear(q)
	return len(q), eof
}

func (b *blank) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= b.size {
		return block.Extent{}, io.EOF
	}
	return block.Extent{Off: off, Len: b.size - off, Zero: true, Unset: true}, nil
}

func (b *blank) Problems() []error { return nil }
func (b *blank) Close() error      { return nil }
