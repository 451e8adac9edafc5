package xfs

import (
	"bytes"
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

// inodePatch is what the log says of one inode, the latest of each part.
type inodePatch struct {
	order      binary.ByteOrder
	core       region // nil as long as the inode on disk is newer
	data, attr forkPatch
	rdev       uint32
	hasRdev    bool
	dataOwner  bool // the blocks of the btree may still name another owner
	attrOwner  bool
}

// forkPatch is a logged fork.
type forkPatch struct {
	at   region
	root bool  // a btree root, which is larger in memory than on disk
	off  uint8 // di_forkoff at the time
}

// applyInode notes an inode item.
func (l *replay) applyInode(t *transaction, it *logItem) error {
	if len(it.head) != inodeFormat64 && len(it.head) != inodeFormat32 {
		return itemError("inode", "a format of %d bytes", len(it.head))
	}
	var f inodeFormat
	f.decode(it.head, t.order)
	if l.cancel[bufKey{f.blkno, int64(f.count)}] > 0 {
		return nil
	}
	off, ok := l.sb.inodeOff(f.ino)
	if !ok || f.blkno < 0 || f.blkno > l.base.Size()/basicBlock || f.blkno*basicBlock+int64(f.boffset) != off {
		return itemError("inode", "inode %d does not lie at block %d + %d", f.ino, f.blkno, f.boffset)
	}
	if len(it.regions) == 0 || it.regions[0].size() < coreSize-4 || it.regions[0].size() > coreSizeV3 {
		return itemError("inode", "inode %d has no core", f.ino)
	}
	core, err := l.bytes(it.regions[0])
	if err != nil {
		return err
	}
	if t.order.Uint16(core) != inodeMagic || l.sb.v5() && len(core) < coreSizeV3 {
		return itemError("inode", "the core of inode %d is none", f.ino)
	}
	p := l.inodes[f.ino]
	if p == nil {
		p = &inodePatch{}
		l.inodes[f.ino] = p
		if err := l.charge(patchCost); err != nil {
			return err
		}
	}
	// Blocks of the tree may be older than the inode.
	p.dataOwner = p.dataOwner || f.fields&logDOwner != 0
	p.attrOwner = p.attrOwner || f.fields&logAOwner != 0
	if p.core == nil {
		if newer, err := l.newerInode(off, core, t); err != nil || newer {
			return err
		}
	}
	p.order, p.core = t.order, it.regions[0]
	if f.fields&logDev != 0 {
		p.rdev, p.hasRdev = f.rdev, true
	}
	rest := it.regions[1:]
	if f.fields&logDFork != 0 && len(rest) > 0 {
		p.data = forkPatch{at: rest[0], root: f.fields&logDRoot != 0, off: core[0x52]}
		rest = rest[1:]
	}
	if f.fields&logAFork != 0 && len(rest) > 0 {
		p.attr = forkPatch{at: rest[0], root: f.fields&logARoot != 0, off: core[0x52]}
	}
	l.touch(off, int64(l.sb.inodesize))
	return l.charge(16)
}

// newerInode reports whether the inode on disk was written after the
// transaction, by its LSN or, in version 4, by a counter of flushes.
func (l *replay) newerInode(off int64, core []byte, t *transaction) (bool, error) {
	if l.fresh[off&^int64(l.sb.blocksize-1)] {
		return false, nil
	}
	b, err := block.ReadBytes(l.base, off, int64(l.sb.inodesize), 1<<maxInodeLog)
	if err != nil {
		return false, block.Locate(format, "log item", off, err)
	}
	var d dinode
	d.decode(b)
	if d.magic != inodeMagic {
		return false, nil
	}
	if l.sb.v5() {
		return d.lsn != 0 && d.lsn != 1<<64-1 && d.lsn > t.lsn, nil
	}
	const flushOff, maxFlush = 0x1e, 0xffff
	logged, disk := t.order.Uint16(core[flushOff:]), binary.BigEndian.Uint16(b[flushOff:])
	return logged < disk && !(disk == maxFlush && logged < maxFlush/2), nil
}

// bytes reads a region of the log.
func (l *replay) bytes(r region) ([]byte, error) {
	b := make([]byte, r.size())
	at := 0
	for _, s := range r {
		if err := block.ReadFull(l.src, b[at:at+int(s.n)], s.off); err != nil {
			return nil, block.Locate(format, "log", s.off, err)
		}
		at += int(s.n)
	}
	return b, nil
}

// ownerChanged reports whether blocks of a btree may name another owner than
// the inode, whose fork came from there.
func (l *replay) ownerChanged(ino uint64, attr bool) bool {
	p := l.inodes[ino]
	return p != nil && (attr && p.attrOwner || !attr && p.dataOwner)
}

// patchInode returns an inode as the log makes it, and whether its checksum is
// void by that.
func (l *replay) patchInode(ino uint64, off int64, b []byte) ([]byte, bool, error) {
	p := l.inodes[ino]
	if p == nil || p.core == nil {
		return b, l.touches(off, int64(len(b))), nil
	}
	core, err := l.bytes(p.core)
	if err != nil {
		return nil, false, err
	}
	b = bytes.Clone(b)
	putCore(b, core, p.order)
	var d dinode
	d.decode(b)
	area := b[min(d.coreSize(), len(b)):]
	if p.hasRdev {
		binary.BigEndian.PutUint32(area, p.rdev)
	}
	data := area
	if p.data.off != 0 {
		data = area[:min(int(p.data.off)*8, len(area))]
	}
	if err := l.putFork(data, &p.data); err != nil {
		return nil, false, err
	}
	// An attribute fork that has moved since was empty then, or is logged again.
	if at := int(d.forkoff) * 8; at < len(area) && p.attr.off == d.forkoff {
		if err := l.putFork(area[at:], &p.attr); err != nil {
			return nil, false, err
		}
	}
	return b, true, nil
}

// coreFields are the numbers of a core that are logged in the CPU's order, and
// their sizes. Times are apart.
var coreFields = [...]struct{ off, size int }{
	{0x00, 2}, {0x02, 2}, {0x04, 1}, {0x05, 1}, {0x06, 2}, {0x08, 4}, {0x0c, 4}, {0x10, 4}, {0x14, 2}, {0x16, 2},
	{0x38, 8}, {0x40, 8}, {0x48, 4}, {0x4c, 4}, {0x50, 2}, {0x52, 1}, {0x53, 1}, {0x54, 4}, {0x58, 2}, {0x5a, 2}, {0x5c, 4},
	{0x68, 8}, {0x78, 8}, {0x80, 4}, {0x98, 8}, // version 3
}

// putCore writes a logged core over the one on disk, but for the list of
// unlinked inodes and the checksum.
func putCore(dst, core []byte, order binary.ByteOrder) {
	v3 := core[0x04] == 3 && len(core) >= coreSizeV3
	swap := func(off, size int) {
		for i := range size {
			from := off + i
			if order == binary.LittleEndian {
				from = off + size - 1 - i
			}
			dst[off+i] = core[from]
		}
	}
	for _, f := range coreFields {
		if f.off < coreSize-4 || v3 {
			swap(f.off, f.size)
		}
	}
	big, wide := false, false
	if v3 {
		flags2 := order.Uint64(core[0x78:])
		big, wide = flags2&flag2Bigtime != 0, flags2&flag2Nrext64 != 0
		copy(dst[0xa0:0xb0], core[0xa0:])
		clear(dst[0x84:0x90])
	}
	times := []int{0x20, 0x28, 0x30}
	if v3 {
		times = append(times, 0x90)
	}
	for _, off := range times {
		if big {
			swap(off, 8)
		} else {
			swap(off, 4)
			swap(off+4, 4)
		}
	}
	clear(dst[0x18:0x20])
	if wide {
		swap(0x18, 8)
	}
}

// putFork writes a logged fork into its part of the inode.
func (l *replay) putFork(area []byte, p *forkPatch) error {
	if len(p.at) == 0 {
		return nil
	}
	b, err := l.bytes(p.at)
	if err != nil {
		return err
	}
	if !p.root {
		copy(area, b)
		return nil
	}
	// A root in memory is a whole btree block; on disk it is level, count, keys
	// and pointers, the latter where a full root of that size has them.
	header := btreeHeader
	if l.sb.v5() {
		header = btreeHeaderV5
	}
	if len(b) < header || len(area) < 4 {
		return itemError("inode", "a btree root of %d bytes", len(b))
	}
	count := int(binary.BigEndian.Uint16(b[6:]))
	have, room := (len(b)-header)/16, (len(area)-4)/16
	if count > have || count > room {
		return itemError("inode", "a btree root of %d records with room for %d", count, min(have, room))
	}
	copy(area[:4], b[4:8])
	copy(area[4:], b[header:][:count*8])
	copy(area[4+room*8:], b[header+have*8:][:count*8])
	return nil
}
