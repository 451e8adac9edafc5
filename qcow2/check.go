package qcow2

import (
	"context"
	"fmt"
	"math/bits"

	"github.com/guestkit/guestkit/block"
)

// Check follows every reference in the image and compares their numbers with
// the refcounts. It reads metadata only. An error means that the check could
// not be finished; faults are no errors.
//
// Faults are reported in the order in which they are found.
//
// Memory is bounded: four bytes for each cluster of the file that is in use.
func Check(ctx context.Context, r block.Reader, opts *Options, report func(block.Fault)) (*block.CheckResult, error) {
	c, err := check(ctx, r, opts, report)
	if err != nil {
		return nil, err
	}
	return &c.res, nil
}

func check(ctx context.Context, r block.Reader, opts *Options, report func(block.Fault)) (*checker, error) {
	if opts == nil {
		opts = &Options{}
	}
	m, err := readMetadata(r, opts)
	if err != nil {
		return nil, err
	}
	c := &checker{metadata: m, ctx: ctx, report: report, counts: newCounts(), l2s: map[int64]uint32{}, active: map[int64]bool{}, nth: map[int64]int64{}}
	h := &m.hdr
	c.res.Format, c.res.Unit = format, "clusters"
	c.res.Total = (int64(h.size) + h.clusterSize() - 1) >> h.clusterBits
	c.res.Dirty = h.incompatibleFeatures&incompatDirty != 0
	c.res.Corrupt = h.incompatibleFeatures&incompatCorrupt != 0
	if c.res.Corrupt {
		c.res.Notes = append(c.res.Notes, "a program marked the image as corrupt when it met a fault (incompatible_features, bit 1); a repair of all faults clears the mark")
	}
	for _, step := range []func() error{c.countFixed, c.countTables, c.countBitmaps, c.scanL2s, c.countRefcounts, c.compare, c.checkCopied} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// A checker is one check.
type checker struct {
	*metadata
	ctx    context.Context
	report func(block.Fault)
	res    block.CheckResult
	counts *counts
	meta   *metadataMap
	l2s    map[int64]uint32 // L2 tables, and how many L1 entries lead to them
	order  []int64          // the keys of l2s as they were found
	nth    map[int64]int64  // which of the L1 table each is, where that matters: with a data file
	active map[int64]bool   // those of the active L1 table
	blocks []int64          // refcount blocks by index, 0 where there is none
	steps  int
}

// tick looks for the end of the context now and then.
func (c *checker) tick() error {
	if c.steps++; c.steps&1023 == 0 && c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	return nil
}

func (c *checker) fault(f block.Fault) {
	switch {
	case f.Leak:
		c.res.Leaks += f.Count
	default:
		c.res.Corruptions += f.Count
		if f.Repairable {
			c.res.Repairable += f.Count
		}
	}
	if c.report != nil {
		c.report(f)
	}
}

// broken is a corruption that no recount sets right.
func (c *checker) broken(what string, off int64, detail string, args ...any) {
	c.fault(block.Fault{Count: 1, Err: corrupt(what, off, detail, args...)})
}

// use counts references to the clusters of n bytes at off.
func (c *checker) use(what string, at, off, n int64, times uint32) error {
	if n <= 0 {
		return nil
	}
	cs := c.hdr.clusterSize()
	// The last cluster of a file may be cut short.
	if end := c.r.Size() + (-c.r.Size())&(cs-1); off < 0 || off >= end || n > end-off {
		c.broken(what, at, "%d bytes at %#x pass the end of the file at %#x", n, off, c.r.Size())
		return nil
	}
	for i := off / cs; i <= (off+n-1)/cs; i++ {
		if err := c.counts.add(i, times); err != nil {
			return err
		}
	}
	c.res.ImageEnd = max(c.res.ImageEnd, (off+n+cs-1)&^(cs-1))
	return nil
}

// countFixed counts the header and the tables that it names.
func (c *checker) countFixed() error {
	h := &c.hdr
	var err error
	l1 := span{start: int64(h.l1TableOffset), end: int64(h.l1TableOffset) + int64(h.l1Size)*8}
	if c.meta, err = c.metadataMap(l1); err != nil {
		return err
	}
	if err := c.use("header", 0, 0, h.clusterSize(), 1); err != nil {
		return err
	}
	if err := c.use("snapshot table", 0x40, int64(h.snapshotsOffset), c.snapTable, 1); err != nil {
		return err
	}
	for _, e := range c.ext.all {
		if e.typ == extCrypto && len(e.data) >= 16 {
			off, n := tableEntry(e.data, 0), tableEntry(e.data, 8)
			if off > maxHost || n > maxHost {
				c.broken("encryption header", e.off, "%d bytes at %#x", n, off)
			} else if err := c.use("encryption header", e.off, int64(off), int64(n), 1); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxL1Entries bounds how many entries of L1 tables are read: those of the
// active table and of all snapshots together.
const maxL1Entries = 64 << 20

// countTables counts the L1 tables and finds the L2 tables.
func (c *checker) countTables() error {
	h := &c.hdr
	total := int64(0)
	table := func(what string, at int64, off uint64, size uint32, active bool) error {
		if total += int64(size); total > maxL1Entries {
			return block.Errorf(format, what, at, block.ErrLimit, "more than %d entries in all L1 tables", maxL1Entries)
		}
		n := int64(size) * 8
		if err := c.use(what, at, int64(off), max(n, 1), 1); err != nil {
			return err
		}
		b, err := block.ReadBytes(c.r, int64(off), n, c.lim.L1Table)
		if err != nil {
			return block.Locate(format, what, int64(off), err)
		}
		for pos := int64(0); pos < n; pos += 8 {
			e := tableEntry(b, pos)
			l2 := int64(e & offsetMask)
			if e&l1Reserved != 0 {
				c.broken(what+" entry", int64(off)+pos, "%#x has reserved bits", e)
			}
			switch {
			case l2&(h.clusterSize()-1) != 0:
				c.broken(what+" entry", int64(off)+pos, "%#x is no multiple of the cluster size", l2)
			case l2 == 0:
			case l2 > c.r.Size()-h.clusterSize():
				c.broken(what+" entry", int64(off)+pos, "the L2 table at %#x passes the end of the file", l2)
			default:
				if c.l2s[l2]++; c.l2s[l2] == 1 {
					c.order = append(c.order, l2)
				}
				c.active[l2] = c.active[l2] || active
				if i, again := c.nth[l2]; again && i != pos/8 {
					c.broken(what+" entry", int64(off)+pos, "the L2 table at %#x is in use twice, with a data file", l2)
				} else if h.dataFile() {
					c.nth[l2] = pos / 8
				}
				if start, over := c.meta.nextSpan(l2); start < l2+h.clusterSize() {
					c.broken(what+" entry", int64(off)+pos, "the L2 table at %#x lies over the %s", l2, over)
				}
			}
		}
		return nil
	}
	if h.l1Size > 0 {
		if err := table("L1 table", 0x28, h.l1TableOffset, h.l1Size, true); err != nil {
			return err
		}
	} else if h.l1TableOffset != 0 {
		if err := c.use("L1 table", 0x28, int64(h.l1TableOffset), 1, 1); err != nil {
			return err
		}
	}
	for i := range c.snapshots {
		s := &c.snapshots[i]
		if err := c.validateSnapshot(s); err != nil {
			c.fault(block.Fault{Count: 1, Err: err})
			continue
		}
		if err := table("L1 table of a snapshot", s.at, s.l1Offset, s.l1Size, false); err != nil {
			return err
		}
	}
	return nil
}

// countBitmaps counts the bitmap directory, the tables of the bitmaps and their
// clusters.
func (c *checker) countBitmaps() error {
	if c.ext.bitmaps == nil || c.hdr.autoclearFeatures&autoclearBitmaps == 0 {
		return nil
	}
	if err := c.use("bitmap directory", c.ext.bitmaps.off, c.bitmapDir.start, c.bitmapDir.end-c.bitmapDir.start, 1); err != nil {
		return err
	}
	total := int64(0)
	for _, b := range c.bitmaps {
		n := int64(b.clusters) * 8
		if total += n; total > c.lim.L1Table*8 {
			return block.Errorf(format, "bitmap table", -1, block.ErrLimit, "more than %d bytes of bitmap tables", c.lim.L1Table*8)
		}
		if b.table > maxHost {
			c.broken("bitmap table", c.bitmapDir.start, "its offset is %#x", b.table)
			continue
		}
		off := int64(b.table)
		if err := c.use("bitmap table", c.bitmapDir.start, off, n, 1); err != nil {
			return err
		}
		t, err := block.ReadBytes(c.r, off, n, c.lim.L1Table*8)
		if err != nil {
			c.fault(block.Fault{Count: 1, Err: block.Locate(format, "bitmap table", off, err)})
			continue
		}
		for pos := int64(0); pos < n; pos += 8 {
			if host := int64(tableEntry(t, pos) & offsetMask); host != 0 {
				if err := c.use("bitmap table entry", off+pos, host, c.hdr.clusterSize(), 1); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// scanL2s counts the clusters that each L2 table refers to, once for each L1
// entry that leads to the table.
func (c *checker) scanL2s() error {
	h := &c.hdr
	im := &Image{metadata: c.metadata, data: c.r}
	buf := make([]byte, h.clusterSize())
	for _, l2 := range c.order {
		next := int64(-1) // where the following cluster would not be fragmented
		times := c.l2s[l2]
		if err := c.use("L2 table", l2, l2, h.clusterSize(), times); err != nil {
			return err
		}
		if err := block.ReadFull(c.r, buf, l2); err != nil {
			return block.Locate(format, "L2 table", l2, err)
		}
		for pos := int64(0); pos < int64(len(buf)); pos += h.l2EntrySize() {
			if err := c.tick(); err != nil {
				return err
			}
			off := c.nth[l2]*h.l2Span() + pos/h.l2EntrySize()*h.clusterSize()
			if err := c.scanEntry(im, buf[pos:], l2+pos, off, times, &next, c.active[l2]); err != nil {
				return err
			}
		}
	}
	return nil
}

// scanEntry counts what one L2 entry refers to, that of the cluster at off of the disk.
func (c *checker) scanEntry(im *Image, b []byte, at, off int64, times uint32, next *int64, active bool) error {
	h := &c.hdr
	e := tableEntry(b, 0)
	if e == 0 {
		if h.extendedL2() && uint32(tableEntry(b, 8)) != 0 {
			c.broken("L2 table entry", at+8, "subclusters are allocated without a host cluster")
		}
		return nil
	}
	if e&flagCompressed != 0 {
		r, err := im.compressed(e, at)
		if err != nil {
			c.fault(block.Fault{Count: 1, Err: err})
			return nil
		}
		if e&flagCopied != 0 {
			c.fault(block.Fault{Count: 1, Repairable: true, Err: corrupt("L2 table entry", at, "a compressed cluster has the copied flag")})
		}
		if start, over := c.meta.next(r.host); start < r.host+r.csize {
			c.broken("L2 table entry", at, "the data at %#x lies over the %s", r.host, over)
		}
		if active {
			c.res.Allocated++
			c.res.Compressed++
			c.res.Fragmented++ // as QEMU counts
		}
		return c.use("compressed cluster", at, r.host, min(r.csize, max(c.r.Size()-r.host, 1)), times)
	}
	reserved := uint64(l2Reserved)
	if h.extendedL2() {
		reserved = extendedL2Reserved
		if m := tableEntry(b, 8); m&(m>>32)&0xffffffff != 0 {
			c.broken("L2 table entry", at+8, "subclusters are allocated and zero at once (bitmap %#x)", m)
		}
	}
	host := int64(e & offsetMask)
	if e&reserved != 0 {
		c.broken("L2 table entry", at, "%#x has reserved bits", e)
	}
	switch {
	case host&(h.clusterSize()-1) != 0:
		c.broken("L2 table entry", at, "host offset %#x is no multiple of the cluster size", host)
		return nil
	case h.version < 3 && e&flagZero != 0:
		c.broken("L2 table entry", at, "a zero cluster in a version 2 image")
	}
	if !im.allocated(e) {
		return nil
	}
	if active {
		c.res.Allocated++
		if *next >= 0 && host != *next {
			c.res.Fragmented++
		}
		*next = host + h.clusterSize()
	}
	if h.dataFile() {
		if host != off {
			c.fault(block.Fault{Count: 1, Err: elsewhere(at, host, off)})
		}
		return nil
	}
	if start, over := c.meta.next(host); start < host+h.clusterSize() {
		c.broken("L2 table entry", at, "the data at %#x lies over the %s", host, over)
	}
	return c.use("L2 table entry", at, host, h.clusterSize(), times)
}

// countRefcounts counts the refcount table and its blocks.
func (c *checker) countRefcounts() error {
	h := &c.hdr
	off, n := int64(h.refcountTableOffset), int64(h.refcountTableClusters)<<h.clusterBits
	if err := c.use("refcount table", 0x30, off, n, 1); err != nil {
		return err
	}
	b, err := block.ReadBytes(c.r, off, n, c.lim.RefcountTable)
	if err != nil {
		return block.Locate(format, "refcount table", off, err)
	}
	seen := map[int64]bool{}
	for pos := int64(0); pos < n; pos += 8 {
		e := tableEntry(b, pos)
		host := int64(e)
		switch {
		case e == 0:
		case e > maxHost || host&(h.clusterSize()-1) != 0:
			c.broken("refcount table entry", off+pos, "%#x is no multiple of the cluster size, or has reserved bits", e)
			host = 0
		case host > c.r.Size()-h.clusterSize():
			c.broken("refcount table entry", off+pos, "the refcount block at %#x passes the end of the file", host)
			host = 0
		case seen[host]:
			c.broken("refcount table entry", off+pos, "the refcount block at %#x is in use twice", host)
			host = 0
		default:
			seen[host] = true
			if err := c.use("refcount block", off+pos, host, h.clusterSize(), 1); err != nil {
				return err
			}
		}
		c.blocks = append(c.blocks, host)
	}
	return nil
}

// compare compares the refcounts with what was counted, and joins faults of
// neighbours.
func (c *checker) compare() error {
	h := &c.hdr
	per := h.refcountsPerBlock()
	clusters := (c.r.Size() + h.clusterSize() - 1) >> h.clusterBits
	covered := (clusters + per - 1) / per
	buf := make([]byte, h.clusterSize())
	var run countFault
	for i := int64(0); i < max(covered, int64(len(c.blocks))); i++ {
		host := int64(0)
		if i < int64(len(c.blocks)) {
			host = c.blocks[i]
		}
		switch {
		case host != 0:
			if err := block.ReadFull(c.r, buf, host); err != nil {
				return block.Locate(format, "refcount block", host, err)
			}
		case i >= covered: // of which a table may have millions
			continue
		default:
			clear(buf)
		}
		for j := range per {
			if err := c.tick(); err != nil {
				return err
			}
			c.compareOne(&run, i*per+j, refcount(buf, j, h.refcountOrder))
		}
	}
	run.flush(c)
	return nil
}

func (c *checker) compareOne(run *countFault, i int64, stored uint64) {
	want := c.counts.of(i)
	if stored == want {
		run.flush(c)
		return
	}
	if run.n > 0 && run.first+run.n == i && run.stored == stored && run.want == want {
		run.n++
		return
	}
	run.flush(c)
	*run = countFault{first: i, n: 1, stored: stored, want: want}
}

// countFault is a run of clusters whose refcounts are wrong alike.
type countFault struct {
	first, n     int64
	stored, want uint64
}

func (f *countFault) flush(c *checker) {
	if f.n == 0 {
		return
	}
	leak := f.stored > f.want
	what := "refcount"
	if leak {
		what = "leaked cluster"
	}
	c.fault(block.Fault{Leak: leak, Repairable: true, Count: f.n,
		Err: corrupt(what, f.first<<c.hdr.clusterBits, "%s: its refcount is %d and it is in use %d times", plural(f.n), f.stored, f.want)})
	f.n = 0
}

func plural(n int64) string {
	if n == 1 {
		return "1 cluster"
	}
	return fmt.Sprintf("%d clusters in a row, each of them", n)
}

// checkCopied compares the copied flags of the active tables with the number
// of references.
func (c *checker) checkCopied() error {
	return c.eachCopied(func(what string, at int64, entry uint64, copied bool) {
		word := "lacks"
		if !copied {
			word = "has"
		}
		c.fault(block.Fault{Repairable: true, Count: 1, Err: corrupt(what, at, "%#x %s the copied flag", entry, word)})
	}, nil)
}

// eachCopied calls wrong for each entry of the active tables whose copied flag
// should be the other way, and table with each L2 table that has some.
func (c *checker) eachCopied(wrong func(what string, at int64, entry uint64, copied bool), table func(l1 int64, l2 int64, b []byte) error) error {
	h := &c.hdr
	if h.l1Size == 0 {
		return nil
	}
	l1, err := block.ReadBytes(c.r, int64(h.l1TableOffset), int64(h.l1Size)*8, c.lim.L1Table)
	if err != nil {
		return err
	}
	seen := map[int64]bool{}
	buf := make([]byte, h.clusterSize())
	for pos := int64(0); pos < int64(len(l1)); pos += 8 {
		e := tableEntry(l1, pos)
		l2 := int64(e & offsetMask)
		if c.l2s[l2] == 0 || seen[l2] {
			continue
		}
		seen[l2] = true
		one := c.counts.of(l2>>h.clusterBits) == 1
		if one != (e&flagCopied != 0) {
			wrong("L1 table entry", int64(h.l1TableOffset)+pos, e, one)
		}
		if err := block.ReadFull(c.r, buf, l2); err != nil {
			return block.Locate(format, "L2 table", l2, err)
		}
		changed := false
		for at := int64(0); at < int64(len(buf)); at += h.l2EntrySize() {
			if err := c.tick(); err != nil {
				return err
			}
			e := tableEntry(buf, at)
			host := int64(e & offsetMask)
			if e&flagCompressed != 0 {
				if e&flagCopied != 0 {
					changed = true // it was reported before
					buf[at] &^= 0x80
				}
				continue
			}
			if host == 0 && e&flagCopied == 0 || h.dataFile() || host&(h.clusterSize()-1) != 0 || bits.Len64(e&l2Reserved) > 0 {
				continue
			}
			one := c.counts.of(host>>h.clusterBits) == 1
			if one != (e&flagCopied != 0) {
				wrong("L2 table entry", l2+at, e, one)
				changed = true
				buf[at] ^= 0x80
			}
		}
		if changed && table != nil {
			if err := table(pos/8, l2, buf); err != nil {
				return err
			}
		}
	}
	return nil
}
