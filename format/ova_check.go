package format

import (
	"context"
	"errors"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/ova"
)

// A PackageCheck is what the check of a package of disk images says besides.
type PackageCheck = block.PackageCheck

// A DiskCheck is the check of one disk of a package.
type DiskCheck = block.DiskCheck

// VerifyFile compares the files of the package at path with its manifest: the
// members of an archive, or the files beside a descriptor, which are opened as
// opts allow. It returns a fault for each that differs, is missing, or is not
// named. The error wraps ova.ErrNoManifest if there is no manifest.
func VerifyFile(ctx context.Context, path string, opts *Options) (*PackageCheck, []error, error) {
	src, err := PathSource(path, opts)
	if err != nil {
		return nil, nil, err
	}
	defer src.Close()
	res, faults, err := Verify(ctx, src, opts)
	return res, faults, named(src, err)
}

// Verify is VerifyFile for the package in r. Where that is a Source, the files of
// a descriptor are looked for in its Folder.
func Verify(ctx context.Context, r block.Reader, opts *Options) (*PackageCheck, []error, error) {
	c := newChain(sourceOf(r), opts)
	p, err := readPackage(c.src, c.options())
	if err != nil {
		return nil, nil, err
	}
	faults, err := p.Verify(ctx)
	if err != nil {
		return nil, nil, err
	}
	return &PackageCheck{Checksums: len(p.Checksums()), Certificate: p.Certificate}, faults, nil
}

// checkPackage compares the files of a package with its manifest, and with what
// its descriptor says of them, and checks each disk as its format demands.
func checkPackage(ctx context.Context, r block.Reader, o *Options, report func(Fault)) (*CheckResult, error) {
	p, err := readPackage(r, o)
	if err != nil {
		return nil, err
	}
	res := &CheckResult{Unit: "faults", Package: &PackageCheck{Checksums: len(p.Checksums()), Certificate: p.Certificate}}
	wrong := func(err error, disk string) {
		res.Corruptions++
		report(Fault{Count: 1, Err: err, Disk: disk})
	}
	for _, err := range p.Problems() {
		if errors.Is(err, block.ErrCorrupt) || errors.Is(err, block.ErrTruncated) {
			wrong(err, "")
		}
	}
	faults, err := p.Verify(ctx)
	if err != nil && !errors.Is(err, ova.ErrNoManifest) {
		return nil, err
	}
	for _, err := range faults {
		wrong(err, "")
	}
	for _, d := range p.Disks {
		if d.File == nil {
			continue // a blank disk has nothing that could be wrong
		}
		c := DiskCheck{Disk: d.ID, Member: d.File.Href}
		if c.Err = checkMember(ctx, p, d, o, &c, report, wrong); c.Err != nil && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if c.Result != nil {
			res.Corruptions += c.Result.Corruptions
			res.Leaks += c.Result.Leaks
			res.Dirty = res.Dirty || c.Result.Dirty
			res.Corrupt = res.Corrupt || c.Result.Corrupt
		}
		res.Package.Disks = append(res.Package.Disks, c)
	}
	return res, nil
}

// A verifier is a member whose archive has checksums of it.
type verifier interface {
	Verify(ctx context.Context, fault func(error)) error
}

// checkMember checks a disk of a package into c.
func checkMember(ctx context.Context, p *ova.Package, d *ova.Disk, o *Options, c *DiskCheck, report func(Fault), wrong func(error, string)) error {
	r, err := openMember(p, d.File)
	if err != nil {
		return err
	}
	defer r.Close()
	inner, _, err := memberOptions(p, d, r, o)
	if err != nil {
		return err
	}
	c.Format = inner.Format
	if n := d.File.Size; !p.Archive && d.File.Compression == "" && n >= 0 && n != r.Size() { // Open has compared those of an archive
		wrong(block.Errorf("ova", "disk "+d.ID, -1, block.ErrCorrupt, "its file has %d bytes, and the descriptor says %d", r.Size(), n), d.ID)
	}
	info, _, err := Describe(r, inner)
	if err != nil {
		return err
	}
	if d.Capacity != 0 && info.VirtualSize != d.Capacity {
		wrong(sizeFault(d, info), d.ID)
	}
	if v, ok := r.Device.(verifier); ok {
		if err := v.Verify(ctx, func(err error) { wrong(err, d.ID) }); err != nil {
			return err
		}
		c.Result = &CheckResult{Format: c.Format, Unit: "faults"}
	}
	if !Checks(c.Format) {
		return nil
	}
	c.Result, err = Check(ctx, r, inner, func(f Fault) {
		f.Disk = d.ID
		report(f)
	})
	return err
}

// sizeFault says that a disk has not the size of which its descriptor tells.
func sizeFault(d *ova.Disk, info *Info) error {
	return block.Errorf("ova", "disk "+d.ID, -1, block.ErrCorrupt, "it has %d bytes, and the descriptor says %d", info.VirtualSize, d.Capacity)
}
