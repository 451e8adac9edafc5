package xfs

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

const (
	symlinkMagic  = 0x58534c4d // "XSLM", version 5 only
	symlinkHeader = 56
)

// symlinkBlock begins each run of blocks of a long target in version 5.
type symlinkBlock struct {
	magic  uint32 // 0x00
	offset uint32 // 0x04 of these bytes in the target
	bytes  uint32 // 0x08
}

func (s *symlinkBlock) decode(b []byte) {
	s.magic = binary.BigEndian.Uint32(b[0x00:])
	s.offset = binary.BigEndian.Uint32(b[0x04:])
	s.bytes = binary.BigEndian.Uint32(b[0x08:])
}

// readLink returns the target of a symbolic link.
func (f *filesystem) readLink(n *inode) (string, error) {
	if n.core.size > maxSymlink {
		return "", n.corrupt("target of %d bytes", n.core.size)
	}
	size := int(n.core.size)
	if n.data.format == forkLocal {
		if size > len(n.data.b) {
			return "", n.corrupt("target of %d bytes in %d", size, len(n.data.b))
		}
		return string(n.data.b[:size]), nil
	}
	target := make([]byte, 0, size)
	for blk := uint64(0); len(target) < size; {
		m, err := f.mapAt(&n.data, blk)
		if err != nil {
			return "", err
		}
		if m.hole || m.unwritten || m.off != blk {
			return "", n.corrupt("the target has %d bytes of %d", len(target), size)
		}
		part, err := f.symlinkRun(n, &m, len(target), size)
		if err != nil {
			return "", err
		}
		target = append(target, part...)
		blk = m.end()
	}
	return string(target), nil
}

// symlinkRun reads the part of a target from byte done on that lies in one run
// of blocks.
func (f *filesystem) symlinkRun(n *inode, m *mapping, done, size int) ([]byte, error) {
	off, _ := f.sb.blockOff(m.start) // mapAt has checked the run
	if m.count > maxSymlink*2>>f.sb.blocklog+1 {
		return nil, n.corrupt("%d blocks for a target of %d bytes", m.count, size)
	}
	b, err := f.read(kindSymlink, off, int(m.count)<<f.sb.blocklog)
	if err != nil {
		return nil, err
	}
	if !f.sb.v5() {
		return b[:min(len(b), size-done)], nil
	}
	var h symlinkBlock
	h.decode(b)
	if h.magic != symlinkMagic {
		return nil, block.Errorf(format, "symlink block", off, block.ErrCorrupt, "magic is %#x", h.magic)
	}
	if err := f.verify(kindSymlink, b, off, n.ino); err != nil {
		return nil, err
	}
	part := b[symlinkHeader:]
	part = part[:min(len(part), size-done)]
	if int(h.offset) != done || int64(h.bytes) != int64(len(part)) {
		return nil, block.Errorf(format, "symlink block", off, block.ErrCorrupt, "it holds %d bytes at %d where %d at %d are due", h.bytes, h.offset, len(part), done)
	}
	return part, nil
}
