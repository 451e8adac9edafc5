package format

import (
	"context"

	"github.com/guestkit/guestkit/block"
)

// A Fault is one thing that a check finds to be wrong with an image.
type Fault = block.Fault

// A CheckResult sums up a check.
type CheckResult = block.CheckResult

// Checks reports whether images of a format have something that can be
// checked.
func Checks(format string) bool {
	d, ok := find(format)
	return ok && d.check != nil
}

// CheckFile checks the metadata of the image at path: that every reference in
// it leads where it may. It opens the files that hold a part of the same image
// as opts allow, and no image behind it. Of a package it checks the files by
// the manifest, and each disk as its own format demands. Faults are reported as they are
// found; past a thousand of them, formats other than qcow2 only count the rest. An
// error means that the check could not be finished; it wraps block.ErrUnsupported
// if the format has nothing to check.
func CheckFile(ctx context.Context, path string, opts *Options, report func(Fault)) (*CheckResult, error) {
	src, err := PathSource(path, opts)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	res, err := Check(ctx, src, opts, report)
	return res, named(src, err)
}

// Check checks the metadata of the image in r, as CheckFile does that of a file.
// Where r is a Source, other files that hold a part of the image are looked for
// in its Folder.
func Check(ctx context.Context, r block.Reader, opts *Options, report func(Fault)) (*CheckResult, error) {
	c := newChain(sourceOf(r), opts)
	return check(ctx, c.src, c.options(), report)
}

func check(ctx context.Context, r block.Reader, o *Options, report func(Fault)) (*CheckResult, error) {
	r, o, _, err := unwrap(r, o)
	if err != nil {
		return nil, err
	}
	d, format, err := choose(r, o)
	if err != nil {
		return nil, err
	}
	if d.check == nil {
		return nil, block.Errorf(format, "image", -1, block.ErrUnsupported, "there is nothing to check")
	}
	if report == nil {
		report = func(Fault) {}
	}
	res, err := d.check(ctx, r, o, report)
	if err != nil {
		return nil, err
	}
	res.Format = format
	return res, nil
}
