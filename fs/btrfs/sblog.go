package btrfs

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

// A host-managed zoned device can be written in sequence only, so that the superblock has
// no place there: the first two zones are a log of superblocks, one behind the other. When
// one zone is full, the other is emptied and goes on. Each has the address in it that it
// would have elsewhere.

// Zones of Btrfs are powers of two within these bounds.
const (
	minZone = 4 << 20
	maxZone = 8 << 30
)

// logged returns the newest superblock of such a log, nil if the device has none. One that
// is damaged is an error, and the one before it serves.
func logged(r block.Reader) (*superblock, error) {
	first := loggedAt(r, 0)
	if first == nil {
		return nil, nil
	}
	zone := first.zoneSize()
	if zone == 0 {
		return nil, block.Errorf(format, "superblock", 0, block.ErrUnsupported, "a log of superblocks in zones whose size nothing tells")
	}
	newest := lastLogged(r, 0, zone)
	if other := lastLogged(r, zone, zone); other > 0 {
		a, b := loggedAt(r, newest), loggedAt(r, other)
		if a != nil && b != nil && b.generation > a.generation {
			newest = other
		}
	}
	s, err := checkedSuperblock(r, newest, superblockOffs[0])
	if err != nil && newest%zone > 0 {
		s, _ = checkedSuperblock(r, newest-superblockSize, superblockOffs[0])
	}
	return s, err
}

// lastLogged returns where the last superblock is that was written to a zone since it was
// emptied: generations do not sink up to there.
func lastLogged(r block.Reader, start, zone int64) int64 {
	first := loggedAt(r, start)
	if first == nil {
		return -1
	}
	low, high := int64(0), zone/superblockSize // one that is there, and one behind all
	for low+1 < high {
		at := low + (high-low)/2
		if s := loggedAt(r, start+at*superblockSize); s != nil && s.generation >= first.generation {
			low = at
		} else {
			high = at
		}
	}
	return start + low*superblockSize
}

// logged reports whether it was read from a log.
func (s *superblock) logged() bool { return s.off != int64(s.bytenr) }

// loggedAt returns the superblock of a log at off, which is not verified, nil if there is
// none.
func loggedAt(r block.Reader, off int64) *superblock {
	if off < 0 || r.Size() < off+superblockSize {
		return nil
	}
	b, err := block.ReadBytes(r, off, superblockSize, superblockSize)
	if err != nil || string(b[0x40:0x48]) != magic || binary.LittleEndian.Uint64(b[0x30:]) != uint64(superblockOffs[0]) {
		return nil
	}
	s := &superblock{off: off}
	if s.decode(b); s.incompat&incompatZoned == 0 {
		return nil
	}
	return s
}

// zoneSize is that of a zoned filesystem, in which a chunk has a zone of each device: that
// of the first chunk, which has one profile or the other of whole copies. It is 0 if that
// is not so.
func (s *superblock) zoneSize() int64 {
	b := s.sysChunkArray
	if len(b) < keySize+32 {
		return 0
	}
	length, profile := binary.LittleEndian.Uint64(b[keySize:]), binary.LittleEndian.Uint64(b[keySize+24:])
	if profile&(groupRAID0|groupRAID10|groupRAID5|groupRAID6) != 0 || length < minZone || length > maxZone || length&(length-1) != 0 {
		return 0
	}
	return int64(length)
}
