package registry

import (
	"math/bits"

	"github.com/guestkit/guestkit/block"
)

// replayOld gathers what a log of the older form changes:
//
//	base block    one sector
//	dirty vector  "DIRT", then a bit for every 512 bytes of the hive bins
//	pages         from the next sector on, one for each bit that is set
//
// Such a log holds all that is to be written, so there is one to use: that of
// the write that was not finished, or of a later try of it. The base block is
// nil if there is none.
func (h *Hive) replayOld(logs []txLog) ([]change, *baseBlock, error) {
	since := h.base.modified
	if !h.base.intact() {
		p, err := block.ReadBytes(h.r, baseSize, binHeaderSize, binHeaderSize)
		if err != nil {
			return nil, nil, block.Locate(format, "hive bin", baseSize, err)
		}
		var b binHeader
		b.decode(p)
		since = b.modified
	}
	var best *txLog
	for i := range logs {
		if t := logs[i].base.modified; t >= since && (best == nil || t > best.base.modified) {
			best = &logs[i]
		}
	}
	if best == nil {
		return nil, nil, nil
	}
	changes, err := best.dirtyPages()
	if err != nil {
		return nil, nil, err
	}
	return changes, best.base, nil
}

// dirtyPages reads the dirty vector.
func (l *txLog) dirtyPages() ([]change, error) {
	fail := func(off int64, class error, detail string, args ...any) ([]change, error) {
		return nil, block.Errorf(format, "log", off, class, detail, args...)
	}
	if l.base.clustering < 1 || l.base.clustering > 8 {
		return fail(0x2c, block.ErrCorrupt, "the clustering factor is %d", l.base.clustering)
	}
	if l.base.bins%binAlign != 0 || l.base.bins > maxBins {
		return fail(0x28, block.ErrCorrupt, "the hive bins have a size of %d bytes", l.base.bins)
	}
	unit := sector * int64(l.base.clustering)
	pages := int64(l.base.bins) / sector
	b, err := block.ReadBytes(l.r, unit, 4+pages/8, 4+maxBins/sector/8)
	if err != nil {
		return nil, block.Locate(format, "dirty vector", unit, err)
	}
	if string(b[:4]) != "DIRT" {
		return fail(unit, block.ErrCorrupt, "it has no dirty vector")
	}
	at := (unit + int64(len(b)) + unit - 1) / unit * unit
	var out []change
	for i, set := range b[4:] {
		for ; set != 0; set &= set - 1 {
			off := (int64(i)*8 + int64(bits.TrailingZeros8(set))) * sector
			if at > l.r.Size()-sector {
				return fail(at, block.ErrTruncated, "it ends before its last page")
			}
			if n := len(out); n > 0 && out[n-1].off+out[n-1].n == off {
				out[n-1].n += sector
			} else if n == maxChanges {
				return fail(at, block.ErrLimit, "there are more than %d changed pages", maxChanges)
			} else {
				out = append(out, change{off, sector, l.r, at})
			}
			at += sector
		}
	}
	return out, nil
}
