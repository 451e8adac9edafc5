package xfs

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sort"

	"github.com/guestkit/guestkit/block"
)

// replay is what a dirty log changes: ranges of the disk that come from the
// log instead, and inodes, whose items are put together when they are read.
type replay struct {
	sb     *superblock
	src    *unpacked
	base   block.Device
	over   *block.Overlay
	cancel map[bufKey]int // buffers that are freed later on
	voids  map[int64]int  // the same, by block alone
	seen   map[int64]bool // buffers, by block, that were replayed
	fresh  map[int64]bool // offsets of blocks of new inodes
	inodes map[uint64]*inodePatch
	ranges []logRange // replayed, in the end sorted and merged
	open   intents
	cost   int64
	limit  int64
}

type logRange struct{ off, end int64 }

// What an entry of the index takes, about.
const (
	rangeCost = 300
	patchCost = 320
)

func (l *replay) charge(n int64) error {
	if l.cost += n; l.cost > l.limit {
		return block.Errorf(format, "log", l.src.j.off, block.ErrLimit, "its index takes more than %d bytes", l.limit)
	}
	return nil
}

// recover looks at the log and lays what it holds over the disk, or says why it
// did not. It is all or nothing.
func (f *filesystem) recover(r block.Reader) {
	if f.opts.IgnoreLog {
		return
	}
	stale := func(err error) {
		f.dirty = true
		f.problems.Add(&block.Error{Format: format, What: "log", Off: -1, Err: fmt.Errorf("%w: what changed last may be missing or stale: %w", block.ErrDirty, err)})
	}
	j, err := f.journal(r)
	if err != nil {
		stale(err)
		return
	}
	a, err := j.find()
	if err != nil {
		stale(err)
		return
	}
	if a.cut != nil {
		f.problems.Add(&block.Error{Format: format, What: "log", Off: -1, Err: fmt.Errorf("%w: what changed last is lost: %w", block.ErrDirty, a.cut)})
	}
	if a.clean {
		f.dirty = f.dirty || a.cut != nil
		return
	}
	f.dirty = true
	l, err := f.replay(j, a)
	if err == nil {
		err = f.adopt(l)
	}
	if err != nil {
		stale(err)
	}
}

// journal finds the log on its device.
func (f *filesystem) journal(r block.Reader) (*journal, error) {
	j := &journal{r: r, sb: &f.sb, blocks: int64(f.sb.logblocks) << f.sb.blocklog / basicBlock}
	if f.sb.logstart == 0 {
		if j.r = f.opts.Log; j.r == nil {
			return nil, block.Errorf(format, "superblock", 0x30, block.ErrMissing, "the log is on another device; add its disk with -a")
		}
	} else {
		j.off, _ = f.sb.blockOff(f.sb.logstart) // validate has checked it
	}
	if size := j.blocks * basicBlock; size < 2*basicBlock || size > maxLogBytes {
		return nil, block.Errorf(format, "superblock", 0x60, block.ErrLimit, "a log of %d bytes", size)
	}
	return j, nil
}

// replay reads the active part of the log twice: for the buffers that are freed
// in it, and to apply it.
func (f *filesystem) replay(j *journal, a active) (*replay, error) {
	if bits := f.sb.logIncompat &^ logIncompatXattrs; f.sb.v5() && bits != 0 {
		return nil, block.Errorf(format, "superblock", 0xdc, block.ErrUnsupported, "log feature bits %#x", bits)
	}
	l := &replay{sb: &f.sb, src: &unpacked{j: j}, base: f.dev, cancel: map[bufKey]int{}, voids: map[int64]int{}, seen: map[int64]bool{}, fresh: map[int64]bool{},
		inodes: map[uint64]*inodePatch{}, open: intents{}, limit: f.opts.LogBytes}
	l.over = block.NewOverlay(f.dev, f.dev.Size(), int(l.limit/rangeCost)+1)
	first := logReader{j: j, limit: l.limit, commit: l.survey, visit: func(blk int64, h *recHeader) error {
		l.src.add(blk, h)
		return l.charge(32)
	}}
	if err := first.walk(a); err != nil {
		return nil, err
	}
	l.src.sort()
	second := logReader{j: j, limit: l.limit, commit: l.apply}
	if err := second.walk(a); err != nil {
		return nil, err
	}
	l.finish()
	return l, nil
}

// adopt makes the replayed log part of the filesystem. The superblock may be
// among what it changes.
func (f *filesystem) adopt(l *replay) error {
	dev := l.over.Device()
	b, err := block.ReadBytes(dev, 0, sbSize, sbSize)
	if err != nil {
		return block.Locate(format, "superblock", 0, err)
	}
	var sb superblock
	sb.decode(b)
	if sb.magicnum != sbMagic || sb.blocksize != f.sb.blocksize || sb.agblocks != f.sb.agblocks || sb.inodesize != f.sb.inodesize || sb.version() != f.sb.version() {
		return block.Errorf(format, "superblock", 0, block.ErrCorrupt, "the log changes its geometry")
	}
	if err := sb.validate(); err != nil {
		return err
	}
	f.sb, f.dev, f.log = sb, dev, l
	l.sb = &f.sb
	for _, what := range l.open {
		f.problems.Add(block.Errorf(format, "log", -1, block.ErrDirty, "%s was begun and not ended; it reads as it was at that moment", what))
	}
	return nil
}

// survey is the first pass over a transaction: it refuses what is not
// understood, and counts the buffers that are freed.
func (l *replay) survey(t *transaction) error {
	for _, it := range t.items {
		if len(it.regions)+1 != it.want {
			return itemError("transaction", "an item has %d regions of %d", len(it.regions)+1, it.want)
		}
		switch typ := t.order.Uint16(it.head); typ {
		case itemBuf:
			f, err := bufItem(it, t.order, l.base.Size())
			if err != nil {
				return err
			}
			if f.flags&bufCancel != 0 {
				l.cancel[f.key()]++
				l.voids[f.blkno]++
				if err := l.charge(128); err != nil {
					return err
				}
			}
		case itemInode, itemICreate, itemDquot, itemQuotaff, itemEFI, itemEFD, itemRUI, itemRUD, itemCUI, itemCUD,
			itemBUI, itemBUD, itemATTRI, itemATTRD, itemXMI, itemXMD:
		default:
			if typ >= itemEFIRT && typ <= itemCUDRT {
				break
			}
			return block.Errorf(format, "log item", -1, block.ErrUnsupported, "type %#x", typ)
		}
	}
	return nil
}

// apply is the second pass. Within a transaction buffers come first and those
// that are freed last.
func (l *replay) apply(t *transaction) error {
	var freed []*logItem
	for _, it := range t.items {
		switch t.order.Uint16(it.head) {
		case itemBuf:
			f, err := bufItem(it, t.order, l.base.Size())
			if err != nil {
				return err
			}
			if f.flags&bufCancel != 0 {
				freed = append(freed, it)
			} else if err := l.applyBuf(t, it, &f); err != nil {
				return err
			}
		case itemICreate:
			if err := l.applyICreate(it); err != nil {
				return err
			}
		}
	}
	for _, it := range t.items {
		switch typ := t.order.Uint16(it.head); typ {
		case itemInode:
			if err := l.applyInode(t, it); err != nil {
				return err
			}
		case itemBUI, itemBUD, itemATTRI, itemATTRD, itemXMI, itemXMD:
			if err := l.open.note(typ, it.head, t.order); err != nil {
				return err
			}
			if err := l.charge(16); err != nil {
				return err
			}
		}
	}
	for _, it := range freed {
		f, err := bufItem(it, t.order, l.base.Size())
		if err != nil {
			return err
		}
		if l.cancel[f.key()]--; l.cancel[f.key()] <= 0 {
			delete(l.cancel, f.key())
		}
		l.voids[f.blkno]--
	}
	return nil
}

// applyBuf lays the logged chunks of a buffer over the disk. Inode buffers hold
// only the list of unlinked inodes, dquot buffers only quotas: neither is read.
func (l *replay) applyBuf(t *transaction, it *logItem, f *bufFormat) error {
	if l.cancel[f.key()] > 0 || f.flags&(bufInodes|bufDquots) != 0 {
		return nil
	}
	off, size := f.blkno*basicBlock, int(f.count)*basicBlock
	if newer, err := l.newerOnDisk(off, size, t.lsn); err != nil || newer {
		return err
	}
	if f.flags>>bufTypeLog == bufTypeIno {
		l.forget(off, int64(size))
	}
	next := 0 // region
	for bit := 0; bit < int(f.words)*32; {
		if !f.set(bit, t.order) {
			bit++
			continue
		}
		run := 1
		for f.set(bit+run, t.order) {
			run++
		}
		if next == len(it.regions) {
			return itemError("buffer", "the map names more than %d regions", next)
		}
		r := it.regions[next]
		next++
		// A run of chunks may be logged as several regions.
		n := r.size() / bufChunk
		if n == 0 || r.size()%bufChunk != 0 {
			return itemError("buffer", "a region of %d bytes", r.size())
		}
		n = min(n, run)
		if (bit+n)*bufChunk > size {
			return itemError("buffer", "a region at %d of %d bytes", bit*bufChunk, size)
		}
		if err := l.lay(off+int64(bit)*bufChunk, n*bufChunk, r); err != nil {
			return err
		}
		bit += n
	}
	l.touch(off, int64(size))
	l.seen[off] = true
	return l.charge(64)
}

// lay lays the first n bytes of a region over the disk.
func (l *replay) lay(off int64, n int, r region) error {
	for _, s := range r {
		part := min(n, int(s.n))
		if part == 0 {
			break
		}
		if err := l.over.Set(off, int64(part), l.src, s.off); err != nil {
			return err
		}
		if err := l.charge(rangeCost); err != nil {
			return err
		}
		off += int64(part)
		n -= part
	}
	return nil
}

// lsnPlaces says where a block of version 5 has its LSN and UUID, by its magic.
var lsnPlaces = map[uint32]struct{ lsn, uuid int }{
	0x41423342:      {0x20, 0x28}, // AB3B, free space by block
	0x41423343:      {0x20, 0x28}, // AB3C, by size
	0x49414233:      {0x20, 0x28}, // IAB3, inodes
	0x46494233:      {0x20, 0x28}, // FIB3, free inodes
	0x524d4233:      {0x20, 0x28}, // RMB3, reverse map
	0x52334643:      {0x20, 0x28}, // R3FC, reference counts
	bmbtMagicV5:     {0x20, 0x28},
	0x58414746:      {0xd0, 0x40},   // XAGF
	0x58414749:      {0x140, 0x128}, // XAGI
	0x5841464c:      {0x18, 0x08},   // XAFL
	symlinkMagic:    {0x30, 0x10},
	dirDataMagicV5:  {0x10, 0x18},
	dirBlockMagicV5: {0x10, 0x18},
	0x58444633:      {0x10, 0x18}, // XDF3, free space of a directory
	sbMagic:         {0xf0, 0x20},
}

// newerOnDisk reports whether the buffer on disk was written after the
// transaction. Once a buffer was replayed, what comes later is newer.
func (l *replay) newerOnDisk(off int64, size int, lsn uint64) (bool, error) {
	if !l.sb.v5() || l.seen[off] {
		return false, nil
	}
	b, err := block.ReadBytes(l.base, off, basicBlock, basicBlock)
	if err != nil {
		return false, block.Locate(format, "log item", off, err)
	}
	p, ok := lsnPlaces[binary.BigEndian.Uint32(b)]
	if !ok {
		switch binary.BigEndian.Uint16(b[8:]) {
		case dirLeaf1MagicV5, dirLeafMagicV5, daNodeMagicV5, attrLeafMagicV5:
			p.lsn, p.uuid = 0x18, 0x20
		default:
			return false, nil // of no known sort: replay
		}
	}
	if binary.BigEndian.Uint32(b) == sbMagic && l.sb.incompat&incompatMetaUUID != 0 {
		p.uuid = 0xf8
	}
	disk := binary.BigEndian.Uint64(b[p.lsn:])
	if [16]byte(b[p.uuid:]) != l.sb.metadataUUID() || disk == 0 || disk == 1<<64-1 {
		return false, nil
	}
	return disk >= lsn, nil
}

// applyICreate makes a chunk of inodes new: free, and older than all that
// follows.
func (l *replay) applyICreate(it *logItem) error {
	if len(it.head) < icreateFormatSize {
		return itemError("inode chunk", "%d bytes", len(it.head))
	}
	var f icreateFormat
	f.decode(it.head)
	fsb := uint64(f.ag)<<l.sb.agblklog | uint64(f.agbno)
	off, ok := l.sb.blockOff(fsb)
	if !ok || f.ag >= l.sb.agcount || f.length == 0 || uint64(f.length) > l.sb.agBlocks(uint64(f.ag))-uint64(f.agbno) ||
		f.isize != uint32(l.sb.inodesize) || f.count > max(inodesPerChunk, uint32(l.sb.inopblock)) || uint64(f.count)*uint64(f.isize) != uint64(f.length)<<l.sb.blocklog {
		return itemError("inode chunk", "%d inodes of %d bytes in %d blocks at %d", f.count, f.isize, f.length, fsb)
	}
	size := int64(f.length) << l.sb.blocklog
	for at := off; at < off+size; at += int64(l.sb.blocksize) {
		if l.voids[at/basicBlock] > 0 { // its clusters are freed again
			return nil
		}
	}
	if err := l.over.Set(off, size, nil, 0); err != nil {
		return err
	}
	l.forget(off, size)
	for at := off; at < off+size; at += int64(l.sb.blocksize) {
		l.fresh[at] = true
	}
	l.touch(off, size)
	return l.charge(rangeCost + 48*int64(f.length))
}

// forget drops what the log said before of the inodes in a range.
func (l *replay) forget(off, size int64) {
	for at := off; at < off+size; at += int64(l.sb.inodesize) {
		delete(l.inodes, l.sb.inodeAt(at))
	}
}

func (l *replay) touch(off, n int64) { l.ranges = append(l.ranges, logRange{off, off + n}) }

// finish sorts what was replayed and drops what only the replay needed.
func (l *replay) finish() {
	slices.SortFunc(l.ranges, func(a, b logRange) int { return int(min(max(a.off-b.off, -1), 1)) })
	out := l.ranges[:0]
	for _, r := range l.ranges {
		if n := len(out); n > 0 && r.off <= out[n-1].end {
			out[n-1].end = max(out[n-1].end, r.end)
			continue
		}
		out = append(out, r)
	}
	l.ranges = slices.Clip(out)
	l.cancel, l.voids, l.seen, l.fresh = nil, nil, nil, nil
}

// touches reports whether the log changes any of n bytes at off.
func (l *replay) touches(off, n int64) bool {
	i := sort.Search(len(l.ranges), func(i int) bool { return l.ranges[i].end > off })
	return i < len(l.ranges) && l.ranges[i].off < off+n
}
