package vmdk

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/blocks"
)

// Check follows every entry of the grain directories and tables: each must lead
// to a grain in the file, that no other entry leads to and that lies over no
// metadata; a redundant directory must say the same; and a compressed grain
// must have its own marker. It opens the extents by opts.Opener, reads no data
// and opens no parent. Faults are reported in the order in which they are
// found, the first thousand one by one; an error means that the check could not
// be finished.
//
// Memory is bounded: eight bytes for each grain that is stored in one extent, at
// most 64 million and no more than the file has sectors.
func Check(ctx context.Context, r block.Reader, opts *Options, report func(block.Fault)) (*block.CheckResult, error) {
	if opts == nil {
		opts = &Options{}
	}
	im, err := describe(r, opts)
	if err != nil {
		return nil, err
	}
	defer im.Close()
	if err := im.openParts(opts); err != nil {
		return nil, err
	}
	c := &checker{ctx: ctx, report: report, res: block.CheckResult{Format: format, Unit: "grains"}}
	for _, p := range im.parts {
		if g, ok := p.dev.(*grains); ok {
			if err := c.extent(g); err != nil {
				return nil, err
			}
		}
	}
	if len(im.parts) > 1 {
		c.res.ImageEnd = 0
	}
	for _, err := range im.problems.All() { // of opening, and of what the redundant directory has served
		c.res.Dirty = c.res.Dirty || errors.Is(err, block.ErrDirty)
		if blocks.OfImage(err) {
			c.fault(1, err)
		}
	}
	c.flush()
	if c.untold > 0 && report != nil {
		report(block.Fault{Count: c.untold, Err: block.Errorf(format, "check", -1, block.ErrCorrupt, "more faults are not listed, for %d grains", c.untold)})
	}
	return &c.res, nil
}

type checker struct {
	ctx    context.Context
	report func(block.Fault)
	res    block.CheckResult
	last   block.Fault // not yet reported: the same error may hold for more grains

	reported int
	untold   int64 // grains of faults that were not reported
}

// maxRuns bounds the memory of a check: stored grains of one extent.
const maxRuns = 64 << 20

func (c *checker) fault(grains int64, err error) {
	c.res.Corruptions += grains
	if c.last.Err != nil && c.last.Err.Error() == err.Error() {
		c.last.Count += grains
		return
	}
	c.flush()
	c.last = block.Fault{Count: grains, Err: err}
}

func (c *checker) flush() {
	if c.last.Err != nil {
		if c.reported++; c.reported > blocks.MaxReports {
			c.untold += c.last.Count
		} else if c.report != nil {
			c.report(c.last)
		}
	}
	c.last = block.Fault{}
}

// A run is a stored grain: where it begins in the file, and in the lowest 22
// bits how long it is, in sectors. Runs sort by where they begin.
type run uint64

func newRun(off, n int64) run { return run(off/sectorSize<<22 | (n+sectorSize-1)/sectorSize) }
func (r run) off() int64      { return int64(r>>22) * sectorSize }
func (r run) end() int64      { return int64(r>>22+r&(1<<22-1)) * sectorSize }

func (c *checker) extent(g *grains) error {
	total := (g.size + g.grain - 1) / g.grain
	c.res.Total += total
	if d, ok := g.table.(*directory); ok && d.redundant != 0 {
		if err := c.redundant(d); err != nil {
			return err
		}
	}
	var all []run
	most := min(g.r.Size()/sectorSize, maxRuns) // each takes a sector or more
	var w *workspace
	if g.inf != nil {
		w = g.inf.take()
		defer g.inf.give(w)
	}
	for i, steps := int64(0), 0; i < total; steps++ {
		if steps&1023 == 0 && c.ctx.Err() != nil {
			return context.Cause(c.ctx)
		}
		p, err := g.table.find(i, g.need(i))
		switch {
		case err != nil && !blocks.OfImage(err):
			return err
		case err != nil:
			c.fault(1, err)
		case p.kind != placeStored:
			i += max(p.same, 1)
			continue
		default:
			c.res.Allocated++
			n := g.need(i)
			if g.inf != nil {
				c.res.Compressed++
				size, err := g.inf.marker(w, i, p.off, 0)
				if err != nil && !blocks.OfImage(err) {
					return err
				}
				if err != nil {
					c.fault(1, err)
				}
				n = markerSize + size
			}
			if int64(len(all)) >= most {
				return block.Errorf(format, "check", -1, block.ErrLimit, "more than %d grains are stored in a file of %d bytes", most, g.r.Size())
			}
			all = append(all, newRun(p.off, n))
		}
		i++
	}
	slices.Sort(all)
	for k := 1; k < len(all); k++ {
		if at := all[k].off(); at < all[k-1].end() {
			c.fault(1, block.Errorf(format, "grain", at, block.ErrCorrupt, "another grain lies over it"))
		}
	}
	if len(all) > 0 {
		c.res.ImageEnd = all[len(all)-1].end()
	}
	c.flush()
	return nil
}

// redundant compares the tables of both directories.
func (c *checker) redundant(d *directory) error {
	for n := range d.entries {
		if n&1023 == 0 && c.ctx.Err() != nil {
			return context.Cause(c.ctx)
		}
		first, err := d.entry(d.off, n)
		if err != nil && !blocks.OfImage(err) {
			return err
		}
		second, err2 := d.entry(d.redundant, n)
		if err2 != nil && !blocks.OfImage(err2) {
			return err2
		}
		switch {
		case err != nil:
			continue // told when its grains are looked at, unless the second one serves
		case err2 != nil:
			c.fault(1, err2)
			continue
		case first == 0 || second == 0:
			if first != second {
				c.fault(d.perTable, block.Errorf(format, "redundant grain directory", d.redundant+4*n, block.ErrCorrupt, "grain table %d is in one of the directories only", n))
			}
			continue
		}
		a, err := d.pages.View(first, int(4*d.perTable))
		if err != nil {
			return err
		}
		b, err := d.pages.View(second, int(4*d.perTable))
		if err != nil {
			return err
		}
		if !bytes.Equal(a, b) {
			c.fault(1, block.Errorf(format, "redundant grain table", second, block.ErrCorrupt, "it differs from grain table %d at %#x", n, first))
		}
	}
	return nil
}
