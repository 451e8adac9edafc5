package ext4

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

// A run is a stretch of a file's blocks that lie side by side.
type run struct {
	lblk, n   uint64 // its blocks in the file
	pblk      uint64 // the first of them on the disk; 0 is a hole
	unwritten bool   // allocated, but reads as zeros
}

// zero reports whether the run reads as zeros.
func (r run) zero() bool { return r.pblk == 0 || r.unwritten }

// mapBlock returns the run that holds the block lblk of the file, cut to start
// there.
func (n *inode) mapBlock(lblk uint64) (run, error) {
	r, err := n.mapWhole(lblk)
	if err != nil {
		return run{}, err
	}
	if skip := lblk - r.lblk; skip > 0 {
		r.lblk, r.n = lblk, r.n-skip
		if r.pblk != 0 {
			r.pblk += skip
		}
	}
	return r, nil
}

func (n *inode) mapWhole(lblk uint64) (run, error) {
	switch {
	case n.inTree():
		return n.mapExtent(lblk)
	case n.flags&flagExtents == 0:
		return n.mapIndirect(lblk)
	}
	return n.mapFast(lblk)
}

// inTree reports whether the extent tree tells all of where the blocks are.
func (n *inode) inTree() bool { return n.flags&flagExtents != 0 && len(n.ranges) == 0 }

// maxBlocks returns how many blocks a file of this inode's kind can have.
func (n *inode) maxBlocks() uint64 {
	if n.flags&flagExtents != 0 {
		return 1<<32 - 1
	}
	per := uint64(n.fs.sb.blockSize / 4)
	return min(directBlocks+per+per*per+per*per*per, 1<<32-1)
}

// data checks that n blocks at first can hold content of a file: that they are
// on the filesystem and none of its own structures.
func (f *filesystem) data(first, n uint64) bool {
	s := f.sb
	return first > uint64(s.firstDataBlock) && first < s.blocksCount && n <= s.blocksCount-first && !f.system(first, n)
}

const directBlocks = 12

// mapIndirect looks a block up in the block map of ext2 and ext3: twelve direct
// pointers, then one, two and three levels of blocks of pointers. The run that
// it returns ends at the latest with the block of pointers.
func (n *inode) mapIndirect(lblk uint64) (run, error) {
	le := binary.LittleEndian
	per := uint64(n.fs.sb.blockSize / 4)
	if lblk < directBlocks {
		return n.mapPointers(n.block[:4*directBlocks], 0, lblk)
	}
	first, span := uint64(directBlocks), per
	for level := 1; level <= 3; level++ {
		if lblk-first >= span {
			first += span
			span *= per
			continue
		}
		ptr := uint64(le.Uint32(n.block[4*(directBlocks+level-1):]))
		for {
			if ptr == 0 {
				return run{lblk: first, n: span}, nil
			}
			b, err := n.pointerBlock(ptr)
			if err != nil {
				return run{}, err
			}
			if span == per {
				return n.mapPointers(b, first, lblk)
			}
			span /= per
			i := (lblk - first) / span
			first += i * span
			ptr = uint64(le.Uint32(b[4*i:]))
		}
	}
	return run{}, n.fault(block.ErrLimit, "block %d lies past what a block map can reach", lblk)
}

// pointerBlock reads a block of pointers.
func (n *inode) pointerBlock(ptr uint64) ([]byte, error) {
	if !n.fs.data(ptr, 1) {
		return nil, n.corrupt("indirect block %d", ptr)
	}
	return n.fs.readBlock(ptr, 0, kindMap, nil)
}

// mapPointers returns the run that holds lblk, where b has the pointers of the
// blocks from first on.
func (n *inode) mapPointers(b []byte, first, lblk uint64) (run, error) {
	at := func(i uint64) uint64 { return uint64(binary.LittleEndian.Uint32(b[4*i:])) }
	i := lblk - first
	r := run{lblk: lblk, n: 1, pblk: at(i)}
	for i++; i < uint64(len(b)/4); i++ {
		p := at(i)
		if r.pblk == 0 && p != 0 || r.pblk != 0 && p != r.pblk+r.n {
			break
		}
		r.n++
	}
	if r.pblk != 0 && !n.fs.data(r.pblk, r.n) {
		// Only the block that was asked for decides.
		if r.n = 1; !n.fs.data(r.pblk, 1) {
			return run{}, n.corrupt("block %d of the file points to block %d", lblk, r.pblk)
		}
	}
	return r, nil
}
