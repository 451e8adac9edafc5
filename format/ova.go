package format

import (
	"context"
	"fmt"
	"io"
	"math"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/ova"
)

// readPackage opens the package in r.
func readPackage(r block.Reader, o *Options) (*ova.Package, error) {
	return ova.Open(r, &ova.Options{Opener: o.Opener, Name: o.name, Bare: true})
}

// packageFormat tells what an archive is that does not begin with an OVF descriptor:
// "ova", or "tar" or "zip" where it holds disks alone.
func packageFormat(r block.Reader, o *Options) (string, error) {
	p, err := ova.Open(r, &ova.Options{Bare: true})
	switch {
	case err != nil:
		return "", err
	case p.Descriptor != "":
	case len(p.Disks) == 1 && p.Disks[0].Unnamed:
		if _, _, err := describeMember(p, p.Disks[0], o); err != nil {
			return "", block.Errorf("", "archive", 0, block.ErrFormat, "%v", err)
		}
		return p.Kind, nil
	default:
		return p.Kind, nil
	}
	return "ova", nil
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
	im, err := openPacked(p, disks[0], o)
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
		im, err := openPacked(p, d, o)
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

// Error names the disks.
func (e *DisksError) Error() string {
	if len(e.Disks) == 0 {
		return "ova: the package holds no disk"
	}
	return "ova: the package holds several disks: " + ova.Names(e.Disks)
}

// packed is a disk of a package.
type packed struct {
	*image
	p *ova.Package
}

func (d *packed) Problems() []error { return append(d.p.Problems(), d.image.Problems()...) }

// openPacked opens a disk of a package. Files that it names are files of the
// package.
func openPacked(p *ova.Package, d *ova.Disk, o *Options) (*packed, error) {
	if d.File == nil {
		im := &image{opened: &blank{d.Capacity}, info: &Info{Format: "raw", Stated: true, VirtualSize: d.Capacity, Allocated: -1, Disk: d.ID}}
		return &packed{im, p}, nil
	}
	m, err := openMember(p, d.File)
	if err != nil {
		return nil, err
	}
	inner, odd, err := memberOptions(p, d, m, o)
	var im *image
	if err == nil {
		im, err = newChain(m, inner).open()
	}
	if err != nil {
		m.Close()
		return nil, err
	}
	own(m, []*image{im})
	if odd != nil {
		im.odd = append(im.odd, odd)
	}
	im.info.Name, im.info.Disk, im.info.Member = "", d.ID, d.File.Href
	return &packed{im, p}, nil
}

// A member is a file of a package.
type member struct {
	block.Device
	p    *ova.Package
	file *ova.File
}

func openMember(p *ova.Package, f *ova.File) (*member, error) {
	d, err := p.Open(f)
	if err != nil {
		return nil, err
	}
	return &member{d, p, f}, nil
}

func (m *member) SectorSize() int  { return block.SectorSize(m.Device) }
func (m *member) Close() error     { return block.Close(m.Device) }
func (m *member) Name() string     { return m.file.Href }
func (m *member) Folder() Folder   { return packageFolder{m.p} }
func (m *member) Changed() error   { return nil } // the package says it
func (m *member) Allocated() int64 { return -1 }

// Sound compares the file with the checksums that the package has of it.
func (m *member) Sound(ctx context.Context) error { return m.p.Sound(ctx, m.file) }

func (m *member) Same(other Source) bool {
	o, ok := other.(*member)
	return ok && o.p == m.p && o.file.Href == m.file.Href
}

// A packageFolder has the files of a package.
type packageFolder struct{ p *ova.Package }

func (d packageFolder) Open(name string) (Source, error) {
	for _, f := range d.p.Files {
		if f.Href == name {
			return openMember(d.p, f)
		}
	}
	return nil, fmt.Errorf("%w: it is no file of the package", block.ErrRefused)
}

func (d packageFolder) Names() ([]string, error) {
	var out []string
	for _, f := range d.p.Files {
		out = append(out, f.Href)
	}
	return out, nil
}

// memberOptions are the rules for a disk of a package. Its content tells the
// format, where that is beyond doubt; odd says where the descriptor says another
// one. Where the content tells none, the descriptor must say raw, or nothing that
// is known.
func memberOptions(p *ova.Package, d *ova.Disk, r block.Reader, o *Options) (inner *Options, odd, err error) {
	inner = &Options{Format: d.Format, Snapshot: o.Snapshot, Qcow2: o.Qcow2, CacheBytes: o.CacheBytes, VHDSize: o.VHDSize, BackingFormat: o.BackingFormat, Unlock: o.Unlock, KeyCost: o.KeyCost, FollowOwnDir: true}
	if o.DiskFormat != "" {
		inner.Format = o.DiskFormat
		return inner, nil, nil
	}
	found, err := Probe(r)
	if err != nil && d.Format != "" {
		return inner, nil, nil // what is stated counts
	}
	if err != nil {
		return nil, nil, err
	}
	known, ok := find(found.Format)
	switch {
	case ok && (known.name == "ova" || known.name == "ovf"), found.Wrapper:
		if p.Descriptor == "" {
			return nil, nil, block.Errorf("", "member "+d.ID, -1, block.ErrUnsupported, "it holds %s, and is no image; unpack it first", found.Format)
		}
		return nil, nil, block.Errorf("", "format", -1, block.ErrUnsupported, "the descriptor names it %.80q, and the content is %s", d.URI, found.Format)
	case isContent(found.Format) && d.Format == "":
		inner.Format = "raw"
		if d.Unnamed && found.Format == "raw" && len(found.Reasons) == 0 {
			return nil, nil, block.Errorf("", "member "+d.ID, -1, block.ErrUnsupported, "neither its name nor its content tells that it is a disk; Options.DiskFormat raw takes it for one")
		}
		if d.URI == "" && p.Descriptor == "" {
			break // no descriptor that could say it
		}
		odd = block.Errorf("ova", "disk "+d.ID, -1, block.ErrUnsupported, "the descriptor names its format %.80q, which is not known; it is read as raw; Options.DiskFormat states another", d.URI)
	case isContent(found.Format) && d.Format != "raw":
		// The driver says that it is not this format.
	case d.Format == "":
		inner.Format = found.Format
	case d.Format != "raw" && found.Format != d.Format:
		inner.Format = found.Format
		odd = block.Errorf("ova", "disk "+d.ID, -1, block.ErrUnsupported, "the descriptor says %s, and it is read as %s, which its content is; Options.DiskFormat states another", d.Format, found.Format)
	}
	return inner, odd, nil
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
	r, err := openMember(p, d.File)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	inner, odd, err := memberOptions(p, d, r, o)
	if err != nil {
		return nil, nil, err
	}
	info, problems, err := Describe(r, inner)
	if odd != nil {
		problems = append(problems, odd)
	}
	if err == nil {
		info.Name = ""
	}
	return info, problems, err
}

// OpenDisks opens all disks of the guest in r, as Open does one: the disk of an
// image, or the disks of a package in the order in which its machine sees them.
func OpenDisks(r block.Reader, opts *Options) ([]Image, error) {
	images, err := newChain(sourceOf(r), opts).openAll(true)
	if err != nil {
		return nil, err
	}
	var out []Image
	for _, im := range images {
		out = append(out, im)
	}
	return out, nil
}

// OpenSourceDisks is OpenDisks for a Source, which is closed with the last of
// the disks, or at once where one cannot be opened.
func OpenSourceDisks(src Source, opts *Options) ([]Image, error) { return openSource(src, opts, true) }

// OpenFileDisks is OpenDisks for the file or block device at path.
func OpenFileDisks(path string, opts *Options) ([]Image, error) {
	src, err := PathSource(path, opts)
	if err != nil {
		return nil, err
	}
	return OpenSourceDisks(src, opts)
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
