package btrfs

import (
	"bytes"
	"encoding/binary"
)

// replayExtent replays an extent of a file in place of what is there, and its
// checksums with it.
func (r *replayer) replayExtent(k key, data []byte) error {
	le := binary.LittleEndian
	sector := uint64(r.f.sb.sectorSize)
	n := &inode{fs: r.f, tree: r.t, ino: k.objectid}
	b, err := r.inode(k.objectid)
	if err == nil && b == nil {
		err = r.corrupt("there is no inode %d", k.objectid)
	}
	if err != nil {
		return err
	}
	e, err := n.decodeExtent(k.offset, data)
	if err != nil {
		return err
	}
	end := k.offset + uint64(e.n)
	inline := e.typ == extentInline
	if inline {
		end = (end + sector - 1) / sector * sector
	} else if old, err := r.t.get(k); err != nil || bytes.Equal(old, data) {
		return err
	}
	if err := r.dropExtents(k.objectid, k.offset, end); err != nil {
		return err
	}
	if e.typ == extentHole && r.f.sb.incompat&incompatNoHoles != 0 {
		return nil
	}
	if err := r.put(r.t, k, data); err != nil {
		return err
	}
	if e.typ == extentHole {
		return nil
	}
	if err := r.editInode(k.objectid, func(b []byte) {
		le.PutUint64(b[inodeNbytes:], inodeField64(b, inodeNbytes)+uint64(e.n))
	}); err != nil || inline {
		return err
	}
	if e.compression != compressNone {
		return r.copySums(e.disk, e.disk+e.diskLen)
	}
	return r.copySums(e.disk+e.skip, e.disk+e.skip+uint64(e.n))
}

// dropExtents removes the extents of a file from a range, or the parts of them
// that lie in it.
func (r *replayer) dropExtents(ino, from, to uint64) error {
	n := &inode{fs: r.f, tree: r.t, ino: ino}
	le := binary.LittleEndian
	sector := int64(r.f.sb.sectorSize)
	at := key{ino, typeExtentData, from}
	if k, _, ok, err := r.t.floor(at); err != nil {
		return err
	} else if ok && k.objectid == ino && k.typ == typeExtentData {
		at = k
	}
	dropped := uint64(0)
	for {
		c, err := r.t.seek(at)
		if err != nil {
			return err
		}
		if !c.ok || c.key.objectid != ino || c.key.typ != typeExtentData || c.key.offset >= to {
			break
		}
		at = c.key.next()
		e, err := n.decodeExtent(c.key.offset, c.data)
		if err != nil {
			return err
		}
		k, data, start := c.key, bytes.Clone(c.data), c.key.offset
		end := start + uint64(e.n)
		if e.typ == extentInline {
			end = start + uint64((e.n+sector-1)/sector*sector)
		}
		if end <= from {
			continue
		}
		if e.typ == extentInline && (start < from || end > to) {
			return r.corrupt("a part of the inline extent of inode %d was replaced", ino)
		}
		if err := r.remove(r.t, k); err != nil {
			return err
		}
		if e.typ != extentHole {
			dropped += min(end, to) - max(start, from)
		}
		if start < from {
			left := bytes.Clone(data)
			le.PutUint64(left[0x2D:], from-start)
			if err := r.put(r.t, k, left); err != nil {
				return err
			}
		}
		if end > to {
			if e.typ != extentHole {
				le.PutUint64(data[0x25:], e.skip+to-start)
			}
			le.PutUint64(data[0x2D:], end-to)
			if err := r.put(r.t, key{ino, typeExtentData, to}, data); err != nil {
				return err
			}
			break
		}
	}
	if dropped == 0 {
		return nil
	}
	return r.editInode(ino, func(b []byte) {
		le.PutUint64(b[inodeNbytes:], max(inodeField64(b, inodeNbytes), dropped)-dropped)
	})
}

// copySums copies the checksums that the log has for a range of logical addresses
// over those of the checksum tree.
func (r *replayer) copySums(from, to uint64) error {
	if r.f.csums == nil {
		return nil
	}
	return r.eachSum(r.log, from, to, func(_ key, start uint64, sums []byte) error {
		size, sector := uint64(r.f.sb.csumType.size()), uint64(r.f.sb.sectorSize)
		end := start + uint64(len(sums))/size*sector
		if err := r.dropSums(start, end); err != nil {
			return err
		}
		return r.put(r.f.csums, key{extentCsum, typeExtentCsum, start}, sums)
	})
}

// eachSum visits the items of checksums of a tree that touch a range, and gives
// the part of each that lies in it.
func (r *replayer) eachSum(t *tree, from, to uint64, visit func(k key, start uint64, sums []byte) error) error {
	size, sector := uint64(r.f.sb.csumType.size()), uint64(r.f.sb.sectorSize)
	at := key{extentCsum, typeExtentCsum, from}
	if k, _, ok, err := t.floor(at); err != nil {
		return err
	} else if ok && k.objectid == extentCsum && k.typ == typeExtentCsum {
		at = k
	}
	for {
		c, err := t.seek(at)
		if err != nil || !c.ok || c.key.objectid != extentCsum || c.key.typ != typeExtentCsum || c.key.offset >= to {
			return err
		}
		at = c.key.next()
		k := c.key
		if k.offset%sector != 0 || uint64(len(c.data))%size != 0 {
			return r.corrupt("checksums at %#x of %d bytes", k.offset, len(c.data))
		}
		end := k.offset + uint64(len(c.data))/size*sector
		if end <= from {
			continue
		}
		start, stop := max(k.offset, from), min(end, to)
		if err := visit(k, start, bytes.Clone(c.data[(start-k.offset)/sector*size:(stop-k.offset)/sector*size])); err != nil {
			return err
		}
	}
}

// dropSums removes checksums of a range from the checksum tree.
func (r *replayer) dropSums(from, to uint64) error {
	size, sector := uint64(r.f.sb.csumType.size()), uint64(r.f.sb.sectorSize)
	t := r.f.csums
	return r.eachSum(t, from, to, func(k key, _ uint64, _ []byte) error {
		data, err := t.get(k)
		if err != nil {
			return err
		}
		data = bytes.Clone(data)
		end := k.offset + uint64(len(data))/size*sector
		if err := r.remove(t, k); err != nil {
			return err
		}
		if k.offset < from {
			if err := r.put(t, k, data[:(from-k.offset)/sector*size]); err != nil {
				return err
			}
		}
		if end > to {
			return r.put(t, key{extentCsum, typeExtentCsum, to}, data[(to-k.offset)/sector*size:])
		}
		return nil
	})
}
