package blocks

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/guestkit/guestkit/block"
)

const (
	// maxPlaces bounds the memory of a check: 24 bytes for each block.
	maxPlaces = 4 << 20
	// MaxReports is how many faults are told one by one.
	MaxReports = 1000
)

// A Checker collects what the table of an image says, for the checks of the
// formats.
type Checker struct {
	Result block.CheckResult

	ctx      context.Context
	report   func(block.Fault)
	reported int
	untold   int64 // corruptions that were not reported
	lost     int64 // leaked blocks that were not
	places   []place
	next     int64 // where a block would lie that is not fragmented
	steps    int
}

// A place is n bytes at off that the table entry at gives to a block.
type place struct{ off, n, at int64 }

// NewChecker starts a check of a format, which tells report about each fault.
func NewChecker(ctx context.Context, format string, report func(block.Fault)) *Checker {
	if report == nil {
		report = func(block.Fault) {}
	}
	return &Checker{ctx: ctx, report: report, Result: block.CheckResult{Format: format, Unit: "blocks"}}
}

// Step is called for each entry of the table. It ends the check where its
// context is done.
func (c *Checker) Step() error {
	if c.steps++; c.steps%4096 == 0 && c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	return nil
}

// Broken notes a corruption.
func (c *Checker) Broken(err error) {
	c.Result.Corruptions++
	if c.reported++; c.reported > MaxReports {
		c.untold++
		return
	}
	c.report(block.Fault{Count: 1, Err: err})
}

// Failed notes err as a corruption if the image is to blame for it. Otherwise,
// as where the file cannot be read, it returns err, which ends the check.
func (c *Checker) Failed(err error) error {
	if !OfImage(err) {
		return err
	}
	c.Broken(err)
	return nil
}

// OfImage reports whether err is a fault of the image, and not one of reading
// it.
func OfImage(err error) bool {
	return errors.Is(err, block.ErrCorrupt) || errors.Is(err, block.ErrTruncated) || errors.Is(err, block.ErrLimit)
}

// Block notes that the entry at gives the n bytes at off to a block.
func (c *Checker) Block(off, n, at int64) error {
	c.Result.Allocated++
	if c.Result.Allocated > 1 && off < c.next {
		c.Result.Fragmented++
	}
	c.next = off + n
	return c.Use(off, n, at)
}

// Use notes that the entry at gives the n bytes at off to something else.
func (c *Checker) Use(off, n, at int64) error {
	if len(c.places) >= maxPlaces {
		return block.Errorf(c.Result.Format, "check", -1, block.ErrLimit, "more than %d blocks", maxPlaces)
	}
	c.places = append(c.places, place{off, n, at})
	c.Result.ImageEnd = max(c.Result.ImageEnd, off+n)
	return nil
}

// Overlaps notes each place that lies over the one before it in the file, and
// calls gap for what lies between them, up to end.
func (c *Checker) Overlaps(what string, end int64, gap func(off, n int64)) {
	slices.SortFunc(c.places, func(a, b place) int { return cmp.Or(cmp.Compare(a.off, b.off), cmp.Compare(a.at, b.at)) })
	start := int64(0)
	for _, p := range c.places {
		switch {
		case p.off < start:
			c.Broken(block.Errorf(c.Result.Format, what, p.at, block.ErrCorrupt, "what lies at %#x is over something else, which ends at %#x", p.off, start))
		case p.off > start:
			gap(start, p.off-start)
		}
		start = max(start, p.off+p.n)
	}
	if end > start {
		gap(start, end-start)
	}
}

// Leak notes that n blocks are lost.
func (c *Checker) Leak(n int64, err error) {
	c.Result.Leaks += n
	if c.reported++; c.reported > MaxReports {
		c.lost += n
		return
	}
	c.report(block.Fault{Leak: true, Count: n, Err: err})
}

// Finish returns the result.
func (c *Checker) Finish() *block.CheckResult {
	if c.untold > 0 {
		c.report(block.Fault{Count: c.untold, Err: block.Errorf(c.Result.Format, "check", -1, block.ErrCorrupt, "%d more faults are not listed", c.untold)})
	}
	if c.lost > 0 {
		c.report(block.Fault{Leak: true, Count: c.lost, Err: block.Errorf(c.Result.Format, "check", -1, block.ErrCorrupt, "%d more blocks are leaked", c.lost)})
	}
	return &c.Result
}
