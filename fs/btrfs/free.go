package btrfs

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/guestkit/guestkit/block"
)

// Types of items of the extent tree.
const (
	typeExtentItem   = 168
	typeMetadataItem = 169
)

// reservedBytes at the start of each device belong to boot loaders.
const reservedBytes = 1 << 20

// freeCompatRo are the features with which what no extent item has is free:
// free_space_tree, free_space_tree_valid, verity, block_group_tree.
const freeCompatRo = 0xF

// Free implements vfs.Freer, for the first device: what is in no chunk, and what
// is in one that the extent tree has nothing of. The extents must lie in chunks,
// not over each other, and come to as many bytes as the superblock says.
func (f *filesystem) Free(yield func(off, n int64) error) error {
	if unknown := f.sb.compatRo &^ freeCompatRo; unknown != 0 {
		return block.Errorf(format, "superblock", 0xB4, block.ErrUnsupported, "free blocks with the read-only compatible features %#x", unknown)
	}
	if len(f.devices) == 0 || f.devices[0].given != nil {
		return block.Errorf(format, "device", -1, block.ErrMissing, "the first one is none of the filesystem")
	}
	if f.sb.logged() {
		return block.Errorf(format, "device", -1, block.ErrUnsupported, "free blocks beside logs of superblocks")
	}
	if len(f.seeds) > 0 {
		return block.Errorf(format, "device", -1, block.ErrUnsupported, "free blocks over a seed")
	}
	t, err := f.loadTree(extentTree)
	if err != nil {
		return err
	}
	w := &freeWalk{f: f, dev: f.devices[0], yield: yield}
	if err := w.outside(); err != nil {
		return err
	}
	c, err := t.seek(key{})
	for ; err == nil && c.ok; err = c.next() {
		var n uint64
		switch c.key.typ {
		case typeExtentItem:
			n = c.key.offset
		case typeMetadataItem:
			n = uint64(f.sb.nodeSize)
		default:
			continue
		}
		if err := w.extent(c.key.objectid, n); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if err := w.to(len(f.chunks)); err != nil {
		return err
	}
	if w.used != f.sb.bytesUsed {
		return block.Errorf(format, "extent tree", -1, block.ErrCorrupt, "its extents have %d bytes, and the superblock says %d", w.used, f.sb.bytesUsed)
	}
	return nil
}

// A freeWalk passes the chunks and the extents side by side.
type freeWalk struct {
	f     *filesystem
	dev   *device
	yield func(off, n int64) error
	i     int    // the chunk at hand
	pos   uint64 // in it: what lies before is passed
	used  uint64
}

// extent passes an extent, which lies behind those before.
func (w *freeWalk) extent(start, n uint64) error {
	bad := func(detail string) error {
		return block.Errorf(format, "extent tree", -1, block.ErrCorrupt, "the extent of %d bytes at logical address %#x %s", n, start, detail)
	}
	if n == 0 || start+n < start {
		return bad("has no length")
	}
	i := w.i
	for i < len(w.f.chunks) && w.f.chunks[i].start+w.f.chunks[i].length <= start {
		i++
	}
	if err := w.to(i); err != nil {
		return err
	}
	if i == len(w.f.chunks) || start < w.f.chunks[i].start || start+n > w.f.chunks[i].start+w.f.chunks[i].length {
		return bad("lies in no chunk")
	}
	c := w.f.chunks[i]
	if start-c.start < w.pos {
		return bad("lies over another")
	}
	if err := w.gap(c, w.pos, start-c.start); err != nil {
		return err
	}
	w.pos = start - c.start + n
	w.used += n
	return nil
}

// to passes what is left of the chunks before the i-th.
func (w *freeWalk) to(i int) error {
	for ; w.i < i; w.i, w.pos = w.i+1, 0 {
		c := w.f.chunks[w.i]
		if err := w.gap(c, w.pos, c.length); err != nil {
			return err
		}
	}
	return nil
}

// gap tells what of a free part of a chunk lies on the device. In RAID5 and RAID6
// what is free still counts for the parity of the rest.
func (w *freeWalk) gap(c *chunk, from, to uint64) error {
	if c.parity > 0 || !slices.ContainsFunc(c.stripes, func(s stripe) bool { return s.dev == w.dev }) {
		return nil
	}
	for copy := range c.ways {
		for at := from; at < to; {
			p := c.at(at, copy)
			n := min(uint64(p.n), to-at)
			if p.s.dev == w.dev {
				if err := w.free(p.off, int64(n)); err != nil {
					return err
				}
			}
			at += n
		}
	}
	return nil
}

// free yields a run but for the places of superblocks.
func (w *freeWalk) free(off, n int64) error {
	size := int64(min(w.dev.size, uint64(w.dev.r.Size())))
	end := min(off+n, size)
	off = max(off, reservedBytes)
	for _, sb := range superblockOffs {
		if off < sb+stripeLen && end > sb {
			if sb > off {
				if err := w.yield(off, sb-off); err != nil {
					return err
				}
			}
			off = sb + stripeLen
		}
	}
	if off < end {
		return w.yield(off, end-off)
	}
	return nil
}

// outside tells what of the device is in no chunk. The chunks must be those that
// the device tree has.
func (w *freeWalk) outside() error {
	type span struct{ off, end uint64 }
	var taken []span
	for _, c := range w.f.chunks {
		n := c.length
		switch c.profile {
		case groupRAID0, groupRAID10, groupRAID5, groupRAID6:
			n = (c.length + c.rows() - 1) / c.rows()
			n = (n + stripeLen - 1) &^ (stripeLen - 1)
		}
		for i := range c.stripes {
			if s := &c.stripes[i]; s.dev == w.dev {
				taken = append(taken, span{s.offset, s.offset + n})
			}
		}
	}
	for _, s := range taken {
		if s.end > w.dev.size {
			return block.Errorf(format, "chunk", int64(s.off), block.ErrCorrupt, "it reaches past the end of the device")
		}
	}
	slices.SortFunc(taken, func(a, b span) int { return cmp.Compare(a.off, b.off) })
	for i := 1; i < len(taken); i++ {
		if taken[i].off < taken[i-1].end {
			return block.Errorf(format, "chunk", int64(taken[i].off), block.ErrCorrupt, "two chunks lie over each other on the device")
		}
	}
	t, err := w.f.loadTree(devTree)
	if err != nil {
		return err
	}
	const typeDevExtent = 204
	c, err := t.seek(key{w.dev.id, typeDevExtent, 0})
	have := 0
	for ; err == nil && c.ok && c.key.objectid == w.dev.id && c.key.typ == typeDevExtent; err = c.next() {
		if len(c.data) < 0x20 || have == len(taken) || taken[have].off != c.key.offset || taken[have].end != c.key.offset+binary.LittleEndian.Uint64(c.data[0x18:]) {
			return block.Errorf(format, "device tree", -1, block.ErrCorrupt, "the extent at %#x of device %d is that of no chunk", c.key.offset, w.dev.id)
		}
		have++
	}
	if err == nil && have != len(taken) {
		err = block.Errorf(format, "device tree", -1, block.ErrCorrupt, "device %d has %d extents, and the chunks say %d", w.dev.id, have, len(taken))
	}
	if err != nil {
		return err
	}
	pos := uint64(reservedBytes)
	for _, s := range append(taken, span{w.dev.size, w.dev.size}) {
		if s.off > pos {
			if err := w.free(int64(pos), int64(s.off-pos)); err != nil {
				return err
			}
		}
		pos = max(pos, s.end)
	}
	return nil
}
