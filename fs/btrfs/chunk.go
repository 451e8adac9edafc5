package btrfs

import (
	"encoding/binary"
	"slices"
	"sort"

	"github.com/guestkit/guestkit/block"
)

// stripeLen is how many bytes go to one device before the next one's turn; Linux
// knows no other.
const stripeLen = 64 << 10

// maxChunks bounds the memory for the chunk map: 1 GiB each, they come to
// 256 TiB.
const (
	maxChunks  = 1 << 18
	maxStripes = 1 << 20
	maxDevices = 1 << 12
)

// Bits of a chunk's type.
const (
	groupData     = 0x1
	groupSystem   = 0x2
	groupMetadata = 0x4
	groupRAID0    = 0x8
	groupRAID1    = 0x10
	groupDUP      = 0x20
	groupRAID10   = 0x40
	groupRAID5    = 0x80
	groupRAID6    = 0x100
	groupRAID1C3  = 0x200
	groupRAID1C4  = 0x400

	groupProfiles = groupRAID0 | groupRAID1 | groupDUP | groupRAID10 | groupRAID5 | groupRAID6 | groupRAID1C3 | groupRAID1C4
	groupKnown    = groupData | groupSystem | groupMetadata | groupProfiles
)

const (
	chunkItemSize = 0x30 // without its stripes
	stripeSize    = 0x20
)

// A stripe is the part of a chunk that lies on one device.
type stripe struct {
	devid  uint64  // 0x00
	offset uint64  // 0x08
	uuid   uuid    // 0x10
	dev    *device // nil if it is missing
}

func (s *stripe) decode(b []byte) {
	s.devid = binary.LittleEndian.Uint64(b[0x00:])
	s.offset = binary.LittleEndian.Uint64(b[0x08:])
	copy(s.uuid[:], b[0x10:])
}

// chunk is struct btrfs_chunk: a run of logical addresses, and where it lies.
type chunk struct {
	start      uint64
	length     uint64 // 0x00
	stripeLen  uint64 // 0x10
	typ        uint64 // 0x18
	subStripes uint16 // 0x2E
	stripes    []stripe

	profile uint64
	parity  int // stripes of a row that hold parity
	ways    int // how many copies there are, at least 1
}

func (c *chunk) decode(start uint64, b []byte) {
	le := binary.LittleEndian
	c.start = start
	c.length = le.Uint64(b[0x00:])
	c.stripeLen = le.Uint64(b[0x10:])
	c.typ = le.Uint64(b[0x18:])
	c.subStripes = le.Uint16(b[0x2E:])
	for b = b[chunkItemSize:]; len(b) >= stripeSize; b = b[stripeSize:] {
		var s stripe
		s.decode(b)
		c.stripes = append(c.stripes, s)
	}
	c.profile = c.typ & groupProfiles
}

// decodeChunk reads and validates the item of a chunk.
func (f *filesystem) decodeChunk(start uint64, b []byte) (*chunk, error) {
	bad := func(class error, detail string, args ...any) error {
		return block.Errorf(format, "chunk", -1, class, "at logical address %#x: "+detail, append([]any{start}, args...)...)
	}
	if len(b) < chunkItemSize {
		return nil, bad(block.ErrCorrupt, "an item of %d bytes", len(b))
	}
	n := int(binary.LittleEndian.Uint16(b[0x2C:]))
	if n == 0 || len(b) != chunkItemSize+n*stripeSize {
		return nil, bad(block.ErrCorrupt, "%d stripes in %d bytes", n, len(b))
	}
	c := new(chunk)
	c.decode(start, b)
	sector := uint64(f.sb.sectorSize)
	switch {
	case c.typ&^groupKnown != 0:
		return nil, bad(block.ErrUnsupported, "type %#x", c.typ)
	case c.profile&(c.profile-1) != 0 || c.typ&(groupData|groupMetadata|groupSystem) == 0:
		return nil, bad(block.ErrCorrupt, "type %#x", c.typ)
	case c.stripeLen != stripeLen:
		return nil, bad(block.ErrCorrupt, "stripes of %d bytes", c.stripeLen)
	case c.length == 0 || c.length%sector != 0 || start%sector != 0 || start+c.length < start || start+c.length > 1<<63:
		return nil, bad(block.ErrCorrupt, "%#x bytes", c.length)
	}
	ok := true
	c.ways = 1
	switch c.profile {
	case 0:
		ok = n == 1
	case groupRAID0:
	case groupDUP, groupRAID1:
		ok, c.ways = n == 2, 2
	case groupRAID1C3:
		ok, c.ways = n == 3, 3
	case groupRAID1C4:
		ok, c.ways = n == 4, 4
	case groupRAID10:
		ok, c.ways = n >= 2 && n%2 == 0 && c.subStripes == 2, 2
	case groupRAID5:
		ok, c.parity, c.ways = n >= 2, 1, 2
	case groupRAID6:
		// Beside the data as it is and what P gives, another stripe of the
		// row may be the bad one.
		ok, c.parity, c.ways = n >= 3, 2, 2+n-1
	}
	if !ok {
		return nil, bad(block.ErrCorrupt, "%d stripes, type %#x", n, c.typ)
	}
	for _, s := range c.stripes {
		if s.offset > 1<<62 || c.length > 1<<62 || s.offset%sector != 0 {
			return nil, bad(block.ErrCorrupt, "a stripe at %#x", s.offset)
		}
	}
	return c, nil
}

// A place is where a run of a chunk lies on a device.
type place struct {
	s   *stripe
	off int64
	n   int64
}

// rows returns how many stripes of a row hold data.
func (c *chunk) rows() uint64 {
	switch c.profile {
	case groupRAID0:
		return uint64(len(c.stripes))
	case groupRAID10:
		return uint64(len(c.stripes) / 2)
	case groupRAID5, groupRAID6:
		return uint64(len(c.stripes) - c.parity)
	}
	return 1
}

// at returns where the byte at off of the chunk lies in a copy, and how many
// bytes follow it there. For RAID5 and RAID6 there is one such place.
func (c *chunk) at(off uint64, copy int) place {
	left := c.length - off
	rows := c.rows()
	if c.parity == 0 && rows == 1 {
		s := &c.stripes[copy%len(c.stripes)]
		return place{s, int64(s.offset + off), int64(left)}
	}
	nr, in := off/stripeLen, off%stripeLen
	row, i := nr/rows, nr%rows
	switch {
	case c.profile == groupRAID10:
		i = i*2 + uint64(copy&1)
	case c.parity > 0:
		i = (i + row) % uint64(len(c.stripes))
	}
	s := &c.stripes[i]
	return place{s, int64(s.offset + row*stripeLen + in), int64(min(left, stripeLen-in))}
}

// attach finds the device of each stripe. Where there are copies, those on
// devices that are here come first.
func (c *chunk) attach(f *filesystem) {
	for i := range c.stripes {
		c.stripes[i].dev = f.device(c.stripes[i].devid, c.stripes[i].uuid)
	}
	group := 0
	switch c.profile {
	case groupDUP, groupRAID1, groupRAID1C3, groupRAID1C4:
		group = len(c.stripes)
	case groupRAID10:
		group = 2
	default:
		return
	}
	for i := 0; i < len(c.stripes); i += group {
		part := c.stripes[i : i+group]
		sort.SliceStable(part, func(a, b int) bool { return part[a].dev != nil && part[b].dev == nil })
	}
}

// chunks is a map of logical addresses: chunks in rising order.
type chunks []*chunk

// find returns the chunk that holds a logical address, or nil.
func (cs chunks) find(logical uint64) *chunk {
	i := sort.Search(len(cs), func(i int) bool { return cs[i].start > logical }) - 1
	if i < 0 || logical-cs[i].start >= cs[i].length {
		return nil
	}
	return cs[i]
}

// add returns the map with c in it. A chunk may come twice if it is the same.
func (cs chunks) add(c *chunk) (chunks, error) {
	i := sort.Search(len(cs), func(i int) bool { return cs[i].start >= c.start })
	if i < len(cs) && cs[i].start == c.start && cs[i].length == c.length && cs[i].typ == c.typ && slices.Equal(cs[i].stripes, c.stripes) {
		return cs, nil
	}
	if i > 0 && cs[i-1].start+cs[i-1].length > c.start || i < len(cs) && c.start+c.length > cs[i].start {
		return cs, block.Errorf(format, "chunk", -1, block.ErrCorrupt, "at logical address %#x: it lies over another", c.start)
	}
	return slices.Insert(cs, i, c), nil
}
