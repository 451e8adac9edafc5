package format

import (
	"context"
	"fmt"

	"github.com/guestkit/guestkit/block"
)

// A Fault is one thing that a check finds to be wrong with an image.
type Fault struct {
	Leak  bool  // room is lost, and nothing else is wrong
	Count int64 // how many units (clusters, grains, blocks) it concerns
	Err   error
}

// A CheckResult sums up a check. It counts in the format's unit of allocation.
type CheckResult struct {
	Format      string
	Unit        string // "clusters", "grains", "blocks"
	Corruptions int64
	Leaks       int64
	ImageEnd    int64 // offset past the last unit that is in use, 0 if the check does not tell

	Total      int64 // of the disk
	Allocated  int64
	Compressed int64
	Fragmented int64 // not behind the one before it

	Dirty   bool // a program did not close the image
	Corrupt bool // a program marked it as damaged
}

// Clean reports whether nothing is wrong.
func (r *CheckResult) Clean() bool { return r.Corruptions == 0 && r.Leaks == 0 && !r.Corrupt }

// Checks reports whether images of a format have something that can be
// checked.
func Checks(format string) bool {
	d, ok := find(format)
	return ok && d.check != nil
}

// CheckFile checks the metadata of the image at path: that every reference in
// it leads where it may. It opens the files that hold a part of the same image
// as opts allow, and no image behind it. Every fault is reported as it is
// found. An error means that the check could not be finished; it wraps
// block.ErrUnsupported if the format has nothing to check.
func CheckFile(ctx context.Context, path string, opts *Options, report func(Fault)) (*CheckResult, error) {
	if opts == nil {
		opts = &Options{}
	}
	c, err := newChain(path, opts)
	if err != nil {
		return nil, err
	}
	f, err := OpenHostFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	res, err := c.check(ctx, f, report)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return res, nil
}

func (c *chain) check(ctx context.Context, f *HostFile, report func(Fault)) (*CheckResult, error) {
	d, format, err := choose(f, c.opts)
	if err != nil {
		return nil, err
	}
	if d.check == nil {
		return nil, block.Errorf(format, "image", -1, block.ErrUnsupported, "there is nothing to check")
	}
	o := *c.opts
	if o.Opener == nil {
		here := *c
		here.files = append(here.files, f.before)
		o.Opener = func(ref block.Ref) (block.Device, error) { return here.follow(ref) }
	}
	if report == nil {
		report = func(Fault) {}
	}
	res, err := d.check(ctx, f, &o, report)
	if err != nil {
		return nil, err
	}
	res.Format = format
	return res, nil
}
