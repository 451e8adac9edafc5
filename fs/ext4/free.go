package ext4

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sort"

	"github.com/guestkit/guestkit/block"
)

// Bits of bg_flags.
const blockUninit = 0x2

// allocation is what a group descriptor says of the blocks of its group.
type allocation struct {
	freeBlocks uint32 // 0x0C, 0x2C
	flags      uint16 // 0x12
	bitmapSum  uint32 // 0x18, 0x38
}

func (a *allocation) decode(b []byte) {
	le := binary.LittleEndian
	a.freeBlocks = uint32(le.Uint16(b[0x0C:]))
	a.flags = le.Uint16(b[0x12:])
	a.bitmapSum = uint32(le.Uint16(b[0x18:]))
	if len(b) >= 64 {
		a.freeBlocks |= uint32(le.Uint16(b[0x2C:])) << 16
		a.bitmapSum |= uint32(le.Uint16(b[0x38:])) << 16
	}
}

// The features with which what a bitmap has as free is free. Snapshots of next3
// keep blocks that its bitmaps do not show.
const (
	freeCompat = 0x1 | 0x2 | compatHasJournal | 0x8 | 0x10 | compatDirIndex | compatSparseSuper2 | compatFastCommit | 0x800 | 0x1000
	freeRo     = roSparseSuper | roLargeFile | roBtreeDir | roHugeFile | roGdtCsum | 0x20 | 0x40 | 0x100 | roBigalloc |
		roMetadataCsum | 0x1000 | 0x2000 | 0x4000 | 0x8000
)

// Free implements vfs.Freer. The bitmap of each group must have the checksum
// that its descriptor states, as many free blocks, and the filesystem's own
// structures as used.
func (f *filesystem) Free(yield func(off, n int64) error) error {
	s := f.sb
	switch {
	case s.featureCompat&^freeCompat != 0:
		return block.Errorf("ext4", "superblock", superblockOff+0x5C, block.ErrUnsupported, "free blocks with the feature %s",
			featureNames(s.featureCompat&^freeCompat, &compatNames, 'C')[0])
	case s.featureRoCompat&^freeRo != 0:
		return block.Errorf("ext4", "superblock", superblockOff+0x64, block.ErrUnsupported, "free blocks with the feature %s",
			featureNames(s.featureRoCompat&^freeRo, &roNames, 'R')[0])
	case s.groups > maxZoneGroups:
		return block.Errorf("ext4", "superblock", superblockOff, block.ErrLimit, "%d groups", s.groups)
	case s.state&stateValid == 0 || s.state&stateError != 0:
		return block.Errorf("ext4", "superblock", superblockOff+0x3A, block.ErrDirty, "state %#x", s.state)
	}
	own, err := f.ownBlocks()
	if err != nil {
		return err
	}
	for g := range s.groups {
		if err := f.freeOfGroup(g, own, yield); err != nil {
			return err
		}
	}
	return nil
}

// maxOwnRuns bounds the fragments of the files that no directory names.
const maxOwnRuns = 1 << 16

// ownBlocks are the blocks of the filesystem's own structures, in rising order:
// what findZones knows, and the journal.
func (f *filesystem) ownBlocks() ([]zone, error) {
	f.system(0, 1) // finds the zones
	own := slices.Clone(f.zones.ranges)
	if f.sb.featureCompat&compatHasJournal != 0 && f.sb.journalInum != 0 {
		n, err := f.inode(f.sb.journalInum)
		if err != nil {
			return nil, err
		}
		blocks := uint64(n.stat.Size+f.sb.blockSize-1) / uint64(f.sb.blockSize)
		for lblk, runs := uint64(0), 0; lblk < blocks; runs++ {
			r, err := n.mapBlock(lblk)
			if err != nil {
				return nil, err
			}
			if r.n == 0 || runs == maxOwnRuns {
				return nil, n.corrupt("the journal has more than %d fragments", runs)
			}
			if r.pblk != 0 {
				own = append(own, zone{r.pblk, r.pblk + min(r.n, blocks-lblk)})
			}
			lblk += r.n
		}
	}
	slices.SortFunc(own, func(a, b zone) int { return cmp.Compare(a.first, b.first) })
	return own, nil
}

// freeOfGroup lists the free blocks of a group, none of which may be of own.
func (f *filesystem) freeOfGroup(g uint32, zones []zone, yield func(off, n int64) error) error {
	s := f.sb
	n := s.descBlock(g / s.descPerBlk)
	b, err := f.readBlock(n, 0, kindRaw, nil)
	if err != nil {
		return block.Locate("ext4", "group descriptors", f.blockOff(n), err)
	}
	at := int64(g%s.descPerBlk) * int64(s.descSize)
	b = b[at : at+int64(s.descSize)]
	var d groupDesc
	var a allocation
	d.decode(b)
	a.decode(b)
	bad := func(detail string, args ...any) error {
		return block.Errorf("ext4", "block bitmap", f.blockOff(d.blockBitmap), block.ErrCorrupt, "of group %d: "+detail, append([]any{g}, args...)...)
	}
	// A bit is for a cluster: a block, but with bigalloc.
	shift := uint32(0)
	if s.has(roBigalloc) {
		shift = s.logClusterSize - s.logBlockSize
	}
	first := s.groupFirst(g)
	blocks := min(uint64(s.blocksPerGroup), s.blocksCount-first)
	bits := (blocks + 1<<shift - 1) >> shift
	var bitmap []byte
	if a.flags&blockUninit == 0 || !s.has(roMetadataCsum|roGdtCsum) {
		if bitmap, err = f.readBlock(d.blockBitmap, 0, kindRaw, nil); err != nil {
			return block.Locate("ext4", "block bitmap", f.blockOff(d.blockBitmap), err)
		}
		if s.has(roMetadataCsum) {
			per := s.blocksPerGroup >> shift / 8
			sum := crc32c(s.csumSeed, bitmap[:per])
			if s.descSize < 64 {
				sum &= 0xFFFF
			}
			if sum != a.bitmapSum {
				return bad("checksum %#x, computed %#x", a.bitmapSum, sum)
			}
		}
	}
	z := sort.Search(len(zones), func(i int) bool { return zones[i].end > first })
	free := uint32(0)
	start := uint64(0) // of the run at hand, in bits
	run := func(end uint64) error {
		if start == end {
			return nil
		}
		from, to := first+start<<shift, first+min(end<<shift, blocks)
		free += uint32(end - start)
		return yield(int64(from)*s.blockSize, int64(to-from)*s.blockSize)
	}
	for i := uint64(0); i < bits; i++ {
		from := first + i<<shift
		if i%8 == 0 && i+8 <= bits && bitmap != nil { // eight at once, where they are alike
			alike := bitmap[i/8] == 0 && (z == len(zones) || zones[z].first >= from+8<<shift)
			if bitmap[i/8] == 0xFF {
				if err := run(i); err != nil {
					return err
				}
				start, alike = i+8, true
			}
			if alike {
				i += 7
				continue
			}
		}
		to := min(from+1<<shift, first+blocks)
		for z < len(zones) && zones[z].end <= from {
			z++
		}
		own := z < len(zones) && zones[z].first < to
		used := own
		if bitmap != nil {
			used = bitmap[i/8]>>(i%8)&1 != 0
			if own && !used {
				return bad("block %d is free in it, and holds the filesystem's own structures", max(from, zones[z].first))
			}
		}
		if used {
			if err := run(i); err != nil {
				return err
			}
			start = i + 1
		}
	}
	if err := run(bits); err != nil {
		return err
	}
	if free != a.freeBlocks {
		return bad("%d clusters are free in it, and the group has %d", free, a.freeBlocks)
	}
	return nil
}
