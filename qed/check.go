package qed

import (
	"context"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/blocks"
)

// Check follows every entry of the tables, by the rules of "Consistency
// checking": each must lead into the file, to clusters that no other entry leads
// to. Clusters of the file without an entry are leaks. It reads no data and
// opens no backing file. An error means that the check could not be finished.
// Memory is 24 bytes for each run of clusters.
func Check(ctx context.Context, r block.Reader, opts *Options, report func(block.Fault)) (*block.CheckResult, error) {
	if opts == nil {
		opts = &Options{}
	}
	im, err := open(r, opts)
	if err != nil {
		return nil, err
	}
	c := blocks.NewChecker(ctx, format, report)
	size := int64(im.h.clusterSize)
	c.Result.Unit, c.Result.Dirty = "clusters", im.h.dirty()
	c.Result.Total = (im.Size() + size - 1) / size
	if err := c.Use(0, im.h.dataStart(), 0); err != nil {
		return nil, err
	}
	if err := c.Use(int64(im.h.l1TableOffset), im.h.tableBytes(), 0x28); err != nil {
		return nil, err
	}
	tables := map[int64]bool{}
	for i := range im.h.l2Tables() {
		if err := c.Step(); err != nil {
			return nil, err
		}
		table, at, err := im.l2Table(i)
		switch {
		case err != nil:
			if err := c.Failed(err); err != nil {
				return nil, err
			}
			continue
		case table == 0:
			continue
		}
		if err := c.Use(table, im.h.tableBytes(), at); err != nil {
			return nil, err
		}
		if tables[table] {
			continue // it was walked, and is a fault as a place that is used twice
		}
		tables[table] = true
		if err := im.checkTable(c, i, table); err != nil {
			return nil, err
		}
	}
	c.Overlaps("table", r.Size()/size*size, func(off, n int64) {
		c.Leak((n+size-1)/size, block.Errorf(format, "cluster", off, block.ErrCorrupt, "nothing refers to it"))
	})
	return c.Finish(), nil
}

// checkTable follows the entries of the L2 table at table, which is that of
// entry i of the L1 table.
func (im *Image) checkTable(c *blocks.Checker, i, table int64) error {
	size, entries := int64(im.h.clusterSize), im.h.entries()
	var from, n, first int64 // a run of clusters, and the entry that it begins with
	use := func() error {
		if n == 0 {
			return nil
		}
		return c.Use(from, n, first)
	}
	for j := range entries {
		off := (i*entries + j) * size
		if off >= im.Size() {
			break
		}
		if err := c.Step(); err != nil {
			return err
		}
		k, host, at, err := im.cluster(table, j, off)
		switch {
		case err != nil:
			if err := c.Failed(err); err != nil {
				return err
			}
			continue
		case k != data:
			continue
		}
		c.Result.Allocated++
		if n > 0 && host == from+n {
			n += size
			continue
		}
		if n > 0 {
			c.Result.Fragmented++
		}
		if err := use(); err != nil {
			return err
		}
		from, n, first = host, size, at
	}
	return use()
}
