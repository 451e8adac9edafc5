package ldm

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/guid"
)

const vblkHeadLen = 16

// vblk is the head of a record, or of a part of one that does not fit into one
// block.
type vblk struct {
	magic  [4]byte // 0x0 "VBLK"
	record uint32  // 0x8 the same in all parts
	index  uint16  // 0xC of this part
	count  uint16  // 0xE of parts; 0 in a block that is free
}

func (v *vblk) decode(b []byte) {
	copy(v.magic[:], b[0x0:])
	v.record = binary.BigEndian.Uint32(b[0x8:])
	v.index = binary.BigEndian.Uint16(b[0xC:])
	v.count = binary.BigEndian.Uint16(b[0xE:])
}

// Types of records, with their revision in the high half.
const (
	recComponent = 0x32
	recPartition = 0x33
	recDisk      = 0x34
	recDiskV4    = 0x44
	recVolume    = 0x51
)

// A database is what the records say.
type database struct {
	committed  uint64
	volumes    []volumeRecord
	components []componentRecord
	partitions []partitionRecord
	disks      map[uint64]diskRecord
	problems   []error
}

type volumeRecord struct {
	id         uint64
	name       string
	components uint64
	size       uint64 // sectors
	kind       byte   // of the partition, as an MBR has it
	guid       string
	drive      string // "E:"
}

type componentRecord struct {
	id, volume uint64
	name       string
	layout     byte
	partitions uint64
	chunk      uint64 // sectors
	columns    uint64
}

// Layouts of components.
const (
	layoutStriped = 1
	layoutSpanned = 2 // simple, if of one partition; each half of a mirror
	layoutRAID5   = 3
)

type partitionRecord struct {
	id, component, disk uint64
	name                string
	start, offset, size uint64 // sectors: on the disk's data, in the component
	index               uint64 // of its column
}

type diskRecord struct {
	name, guid string
}

// readRecords puts the parts of records together and reads those of volumes and of
// what they are made of.
func readRecords(b []byte, v *vmdb, off int64) (*database, error) {
	db := &database{committed: v.committed, disks: map[uint64]diskRecord{}}
	if v.state != 1 {
		db.fault(off, "a change was under way when the disk was copied; its volumes are shown as they were before it")
	}
	type parts struct {
		at    int64
		count int
		data  map[int][]byte // no more than there are blocks, whatever count says
	}
	open := map[uint32]*parts{}
	size := int(v.blockSize)
	for at := int(v.first); at+size <= len(b); at += size {
		var h vblk
		h.decode(b[at:])
		if string(h.magic[:]) != "VBLK" {
			break
		}
		if h.count == 0 {
			continue
		}
		p := open[h.record]
		if p == nil {
			p = &parts{at: off + int64(at), count: int(h.count), data: map[int][]byte{}}
			open[h.record] = p
		}
		index := int(h.index)
		if index >= p.count || p.data[index] != nil {
			db.fault(off+int64(at), "part %d of %d of record %d does not fit to the others", h.index, h.count, h.record)
			continue
		}
		p.data[index] = b[at+vblkHeadLen : at+size]
		if len(p.data) == p.count {
			delete(open, h.record)
			var record []byte
			for i := range p.count {
				record = append(record, p.data[i]...)
			}
			if err := db.add(record); err != nil {
				return nil, block.Errorf(format, "record", p.at, block.ErrCorrupt, "%v", err)
			}
		}
	}
	// What is left lacks parts: it is being written, or left over. What of a
	// volume is missing is noticed when it is put together.
	return db, nil
}

func (db *database) fault(off int64, detail string, args ...any) {
	if len(db.problems) < 100 {
		db.problems = append(db.problems, block.Errorf(format, "database", off, block.ErrCorrupt, detail, args...))
	}
}

// Flags of records: which fields follow at their end.
const (
	componentStriped = 0x10
	partitionIndexed = 0x08
	volumeID1        = 0x08
	volumeID2        = 0x20
	volumeSize       = 0x80
	volumeDrive      = 0x02
)

// add reads one record: status, flags, type and length, an identifier and a name,
// and the rest by its type.
func (db *database) add(b []byte) error {
	if len(b) < 8 || binary.BigEndian.Uint16(b) != 0 {
		return nil // not committed
	}
	flags, kind := b[2], b[3]
	c := &cursor{b: b[8:]}
	switch kind {
	case recVolume:
		r := volumeRecord{id: c.number(), name: c.text()}
		c.text() // "gen" or "raid5"
		c.text() // an old hint at the drive
		c.skip(21)
		r.components = c.number()
		c.skip(16)
		r.size = c.number()
		c.skip(4)
		r.kind = c.byte()
		if g := c.bytes(16); g != nil {
			r.guid = guid.UUID(g).String()
		}
		for _, f := range [...]byte{volumeID1, volumeID2, volumeSize} {
			if flags&f != 0 {
				c.text()
			}
		}
		if flags&volumeDrive != 0 {
			r.drive = c.text()
		}
		db.volumes = append(db.volumes, r)
	case recComponent:
		r := componentRecord{id: c.number(), name: c.text()}
		c.text() // its state
		r.layout = c.byte()
		c.skip(4)
		r.partitions = c.number()
		c.skip(16)
		r.volume = c.number()
		c.skip(1)
		if flags&componentStriped != 0 {
			r.chunk, r.columns = c.number(), c.number()
		}
		db.components = append(db.components, r)
	case recPartition:
		r := partitionRecord{id: c.number(), name: c.text()}
		c.skip(12)
		r.start, r.offset = c.uint64(), c.uint64()
		r.size, r.component, r.disk = c.number(), c.number(), c.number()
		if flags&partitionIndexed != 0 {
			r.index = c.number()
		}
		db.partitions = append(db.partitions, r)
	case recDisk:
		id := c.number()
		db.disks[id] = diskRecord{name: c.text(), guid: strings.ToLower(c.text())}
	case recDiskV4:
		id := c.number()
		r := diskRecord{name: c.text()}
		if g := c.bytes(16); g != nil {
			r.guid = guid.UUID(g).String()
		}
		db.disks[id] = r
	}
	if c.short {
		return fmt.Errorf("a record of type %#02x ends too early", kind)
	}
	return nil
}

// sort puts what belongs together in order.
func (db *database) sort() {
	slices.SortStableFunc(db.volumes, func(a, b volumeRecord) int { return cmp.Compare(a.name, b.name) })
	slices.SortStableFunc(db.components, func(a, b componentRecord) int { return cmp.Compare(a.id, b.id) })
	slices.SortStableFunc(db.partitions, func(a, b partitionRecord) int {
		return cmp.Or(cmp.Compare(a.index, b.index), cmp.Compare(a.offset, b.offset))
	})
}

// A cursor takes fields off the start of a record. Numbers and texts have a byte
// with their length before them.
type cursor struct {
	b     []byte
	short bool
}

func (c *cursor) bytes(n int) []byte {
	if n > len(c.b) {
		c.b, c.short = nil, true
		return nil
	}
	v := c.b[:n]
	c.b = c.b[n:]
	return v
}

func (c *cursor) skip(n int) { c.bytes(n) }

func (c *cursor) byte() byte {
	if b := c.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) uint64() uint64 {
	if b := c.bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (c *cursor) number() uint64 {
	n := int(c.byte())
	if n > 8 {
		c.short = true
	}
	var v uint64
	for _, x := range c.bytes(n) {
		v = v<<8 | uint64(x)
	}
	return v
}

func (c *cursor) text() string { return text(c.bytes(int(c.byte()))) }
