package btrfs

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

const (
	blockGroupTree     = 11
	typeBlockGroupItem = 0xC0
	blockGroupItemSize = 0x18
	compatRoGroupTree  = 1 << 3 // block groups have a tree of their own
)

// usage is what the kernel's statfs makes of a filesystem, but for the reserve that the
// kernel keeps in memory for its own changes (allocation/global_rsv_size in sysfs), whose
// size depends on its version. free is -1 if it cannot be told.
type usage struct{ overhead, free int64 }

// countUsage takes the bytes in use from the block groups, as often as there are copies
// of each, and divides by the copies of data: so many bytes of files fit. The parity of
// RAID5 and RAID6 is not counted (btrfs_statfs in fs/btrfs/super.c).
func (f *filesystem) countUsage() usage {
	unknown := usage{free: -1}
	if f.sb.compatRo&^freeCompatRo != 0 {
		return unknown
	}
	id := uint64(extentTree)
	if f.sb.compatRo&compatRoGroupTree != 0 {
		id = blockGroupTree
	}
	groups, err := f.loadTree(id)
	if err != nil {
		return unknown
	}
	var used uint64
	copies, last := uint64(1), -1
	for _, c := range f.chunks {
		n, err := groups.used(c)
		if err != nil || n > c.length {
			return unknown
		}
		used += n * c.copies()
		if at := statfsOrder[c.profile]; c.typ&groupData != 0 && at > last {
			copies, last = c.copies(), at
		}
	}
	size := f.sb.totalBytes / copies
	used /= copies
	return usage{overhead: int64(f.sb.totalBytes - size), free: int64(size - min(used, size))}
}

// copies is how often a chunk is stored; ways counts those that parity gives too.
func (c *chunk) copies() uint64 {
	if c.parity > 0 {
		return 1
	}
	return uint64(c.ways)
}

// statfsOrder is the order of profiles in which the last one of data counts.
var statfsOrder = map[uint64]int{groupRAID10: 0, groupRAID1: 1, groupDUP: 2, groupRAID0: 3, 0: 4, groupRAID5: 5, groupRAID6: 6, groupRAID1C3: 7, groupRAID1C4: 8}

// used is how many bytes of a chunk are taken, by its block group.
func (t *tree) used(c *chunk) (uint64, error) {
	b, err := t.get(key{objectid: c.start, typ: typeBlockGroupItem, offset: c.length})
	if err == nil && len(b) < blockGroupItemSize {
		err = block.Errorf(format, "block group", -1, block.ErrCorrupt, "the chunk at logical address %#x has none, or %d bytes of one", c.start, len(b))
	}
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b), nil
}
