package ext4

import (
	"encoding/binary"
	"sort"
	"sync"

	"github.com/guestkit/guestkit/block"
)

// groupDesc is struct ext4_group_desc as far as a reader needs it.
type groupDesc struct {
	blockBitmap uint64 // 0x00, 0x20
	inodeBitmap uint64 // 0x04, 0x24
	inodeTable  uint64 // 0x08, 0x28
	checksum    uint16 // 0x1E
}

func (g *groupDesc) decode(b []byte) {
	le := binary.LittleEndian
	g.blockBitmap = uint64(le.Uint32(b[0x00:]))
	g.inodeBitmap = uint64(le.Uint32(b[0x04:]))
	g.inodeTable = uint64(le.Uint32(b[0x08:]))
	g.checksum = le.Uint16(b[0x1E:])
	if len(b) >= 64 {
		g.blockBitmap |= uint64(le.Uint32(b[0x20:])) << 32
		g.inodeBitmap |= uint64(le.Uint32(b[0x24:])) << 32
		g.inodeTable |= uint64(le.Uint32(b[0x28:])) << 32
	}
}

// descBlock returns the block that holds the i-th block of group descriptors:
// behind the superblock, or with meta_bg in the first group that it describes.
func (s *superblock) descBlock(i uint32) uint64 {
	if s.featureIncompat&incompatMetaBG == 0 || i < s.firstMetaBG {
		return uint64(superblockOff/s.blockSize) + 1 + uint64(i)
	}
	group := i * s.descPerBlk
	n := s.groupFirst(group)
	if s.hasSuper(group) {
		n++
	}
	if group == 0 && s.blockSize == 1024 && s.firstDataBlock == 0 {
		n++ // the superblock is in block 1, not in the first of the group
	}
	return n
}

// A numberedGroup is a descriptor that was read.
type numberedGroup struct {
	group uint32
	desc  groupDesc
}

// group reads the descriptor of a group. The last one is remembered decoded:
// neighbours in a directory are mostly inodes of one group.
func (f *filesystem) group(group uint32) (groupDesc, error) {
	if last := f.lastGroup.Load(); last != nil && last.group == group {
		return last.desc, nil
	}
	g, err := f.readGroup(group)
	if err == nil {
		f.lastGroup.Store(&numberedGroup{group, g})
	}
	return g, err
}

func (f *filesystem) readGroup(group uint32) (groupDesc, error) {
	i := group / f.sb.descPerBlk
	n := f.sb.descBlock(i)
	b, err := f.readBlock(n, 0, kindRaw, nil)
	if err != nil {
		return groupDesc{}, block.Locate("ext4", "group descriptors", f.blockOff(n), err)
	}
	size := uint32(f.sb.descSize)
	at := group % f.sb.descPerBlk * size
	b = b[at : at+size]
	var g groupDesc
	g.decode(b)
	if sum, ok := f.sb.groupSum(group, b); ok && sum != g.checksum {
		f.problems.Add(block.Errorf("ext4", "group descriptor", f.blockOff(n)+int64(at), block.ErrCorrupt,
			"checksum %#04x of group %d, computed %#04x", g.checksum, group, sum))
	}
	return g, nil
}

// groupSum computes the checksum of a group descriptor, if the filesystem has
// them.
func (s *superblock) groupSum(group uint32, b []byte) (uint16, bool) {
	switch {
	case s.has(roMetadataCsum):
		return uint16(crc32cHole(crc32cLE(s.csumSeed, group), b, 0x1E, 2)), true
	case s.has(roGdtCsum):
		var le [4]byte
		binary.LittleEndian.PutUint32(le[:], group)
		crc := crc16(crc16(^uint16(0), s.uuid[:]), le[:])
		crc = crc16(crc, b[:0x1E])
		if s.featureIncompat&incompat64bit != 0 {
			crc = crc16(crc, b[0x20:])
		}
		return crc, true
	}
	return 0, false
}

// zones knows the blocks that hold the filesystem's own structures. A file or
// directory that claims one of them is corrupt.
type zones struct {
	once   sync.Once
	ranges []zone // in rising order, disjoint
}

type zone struct{ first, end uint64 }

// maxZoneGroups bounds for how many groups the zones are looked up: 32 TiB with
// 4 KiB blocks. Larger filesystems go without that check.
const maxZoneGroups = 1 << 18

// system reports whether any of n blocks at first hold the filesystem's own
// structures.
func (f *filesystem) system(first, n uint64) bool {
	f.zones.once.Do(func() { f.zones.ranges = f.findZones() })
	z := f.zones.ranges
	i := sort.Search(len(z), func(i int) bool { return z[i].end > first })
	return i < len(z) && z[i].first < first+n
}

func (f *filesystem) findZones() []zone {
	s := f.sb
	if s.groups > maxZoneGroups {
		return nil
	}
	var all []zone
	add := func(first, n uint64) {
		if first >= s.blocksCount || n == 0 {
			return
		}
		end := first + min(n, s.blocksCount-first)
		if last := len(all) - 1; last >= 0 && first >= all[last].first && first <= all[last].end {
			all[last].end = max(all[last].end, end)
			return
		}
		all = append(all, zone{first, end})
	}
	table := s.tableBlocks()
	for g := range s.groups {
		add(s.groupFirst(g), s.baseBlocks(g))
		d, err := f.group(g)
		if err != nil {
			f.problems.Add(err)
			continue
		}
		add(d.blockBitmap, 1)
		add(d.inodeBitmap, 1)
		add(d.inodeTable, table)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].first < all[j].first })
	out := all[:0]
	for _, z := range all {
		if last := len(out) - 1; last >= 0 && z.first <= out[last].end {
			out[last].end = max(out[last].end, z.end)
			continue
		}
		out = append(out, z)
	}
	return out
}

// baseBlocks returns how many blocks at the start of a group hold copies of
// the superblock and group descriptors, and the room for more of these.
func (s *superblock) baseBlocks(group uint32) uint64 {
	n := uint64(0)
	if s.hasSuper(group) {
		n = 1
	}
	descBlocks := (s.groups + s.descPerBlk - 1) / s.descPerBlk
	if s.featureIncompat&incompatMetaBG == 0 || group/s.descPerBlk < s.firstMetaBG {
		if n == 0 {
			return 0
		}
		if s.featureIncompat&incompatMetaBG != 0 {
			descBlocks = min(descBlocks, s.firstMetaBG)
		}
		return n + uint64(descBlocks) + uint64(s.reservedGDT)
	}
	if i := group % s.descPerBlk; i == 0 || i == 1 || i == s.descPerBlk-1 {
		n++
	}
	return n
}

// tableBlocks is how long the table of inodes of a group is.
func (s *superblock) tableBlocks() uint64 {
	return (uint64(s.inodesPerGroup)*uint64(s.inodeSize) + uint64(s.blockSize) - 1) / uint64(s.blockSize)
}

// countOverhead returns the blocks that never hold files, as the kernel counts them
// (ext4_calculate_overhead): before the first group, the tables of all groups, the
// journal. With clusters, and in what is too large to be counted, it is what mke2fs
// counted.
func (f *filesystem) countOverhead() uint64 {
	s := f.sb
	switch {
	case s.has(roBigalloc):
		return uint64(s.overhead) << (s.logClusterSize - s.logBlockSize)
	case s.groups > maxZoneGroups:
		return uint64(s.overhead)
	}
	n := uint64(s.firstDataBlock) + uint64(s.groups)*(s.tableBlocks()+2)
	for g := range s.groups {
		n += s.baseBlocks(g)
	}
	if s.featureCompat&compatHasJournal != 0 && s.journalInum != 0 {
		if j, err := f.inode(s.journalInum); err == nil {
			n += uint64(j.stat.Size / s.blockSize)
		}
	}
	return n
}
