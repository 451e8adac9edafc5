package md

import (
	"encoding/binary"
	"fmt"
	"sort"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/raid"
)

// A Member is a device with a superblock.
type Member struct {
	Device  block.Device
	Version string // "0.90", "1.0", "1.1", "1.2"
	UUID    string // of the array
	Name    string // of the array, "host:name"; its number in version 0.90
	Own     string // what tells this member from the others
	Events  uint64 // how often the array changed as far as this member saw
	// Role is the place in the array, -1 for a member that has none. State
	// says what the member is to the array. Both are set by [Assemble].
	Role  int
	State State

	devUUID  string
	number   int
	utime    uint64
	at       int64 // of the superblock, in bytes
	features uint32
	shape    shape
	roles    []int // by the number of a member

	dataOff, dataSize int64 // bytes
	synced            int64 // bytes that were rebuilt, -1 all
	clean             bool  // the array was stopped in order, and is in sync
	writeMostly       bool
	replacement       bool
	journalTail       int64 // bytes
	badAt, badSize    int64 // of the list of bad blocks, in bytes
	badShift          uint
	bitmapAt          int64 // of the write-intent bitmap, 0 if there is none
}

// shape is what all members of an array agree in.
type shape struct {
	level   int
	layout  uint32
	disks   int
	chunk   int64 // bytes
	size    int64 // bytes used of each member, 0 for levels that use all of it
	laidOut bool  // the layout says something
	reshape bool
}

// A State says what a member is to its array.
type State string

// The states of members.
const (
	Active      State = "active"
	Rebuilding  State = "rebuilding"  // holds what lies before the place where its rebuild was
	Spare       State = "spare"       // holds nothing
	Stale       State = "stale"       // dropped out, and the array went on without it
	Faulty      State = "faulty"      // the array says that it failed
	Journal     State = "journal"     // holds the journal of a level with parity
	Replacement State = "replacement" // a copy of a member that is there too
	Duplicate   State = "duplicate"   // a copy of a member, made outside of the array
)

// Open reads the superblock of r. The error wraps block.ErrFormat if r has
// none.
func Open(r block.Device) (*Member, error) {
	var bad error
	for _, p := range places1(r.Size()) {
		m, err := open1(r, p.minor, p.off)
		if err == nil && m != nil {
			return m, nil
		}
		if bad == nil {
			bad = err
		}
	}
	m, err := open0(r)
	switch {
	case err == nil && m != nil:
		return m, nil
	case bad != nil:
		return nil, bad
	case err != nil:
		return nil, err
	}
	return nil, block.Errorf(format, "superblock", 0, block.ErrFormat, "")
}

// role returns the role that this superblock gives to the member of a number.
func (m *Member) role(number int) int {
	if number < 0 || number >= len(m.roles) {
		return roleSpare
	}
	return m.roles[number]
}

// data is the member as arrays want it: cut to its data.
func (m *Member) data() (raid.Member, error) {
	out := raid.Member{Name: m.label(), Synced: m.synced, Late: m.writeMostly}
	out.Dev = block.Section(m.Device, m.dataOff, m.dataSize)
	bad, err := m.badBlocks()
	out.Bad = bad
	return out, err
}

func (m *Member) label() string {
	return fmt.Sprintf("member %d", m.Role)
}

// maxBad bounds the list of bad blocks: Linux keeps no more than one page.
const maxBad = 4096

// badBlocks reads the list of blocks that cannot be read, as ranges of the
// data. Entries count sectors of the device.
func (m *Member) badBlocks() ([]raid.Range, error) {
	if m.badSize == 0 {
		return nil, nil
	}
	fault := func(detail string, args ...any) error {
		return block.Errorf(format, "list of bad blocks of "+m.label(), m.badAt, block.ErrCorrupt, detail, args...)
	}
	if m.badShift > 40 {
		return nil, fault("a shift of %d", m.badShift)
	}
	b, err := block.ReadBytes(m.Device, m.badAt, min(m.badSize, maxBad), maxBad)
	if err != nil {
		return nil, block.Locate(format, "list of bad blocks", m.badAt, err)
	}
	var out []raid.Range
	for ; len(b) >= 8; b = b[8:] {
		v := binary.LittleEndian.Uint64(b)
		if v == maxSector {
			break
		}
		first, n := v>>10<<m.badShift, (v&0x3ff)<<m.badShift
		if n == 0 {
			continue
		}
		if first > maxSize/sectorSize || n > maxSize/sectorSize {
			return nil, fault("%d sectors from %d on", n, first)
		}
		off, end := int64(first)*sectorSize-m.dataOff, int64(first+n)*sectorSize-m.dataOff
		if off = max(off, 0); off < end {
			out = append(out, raid.Range{Off: off, Len: end - off})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Off < out[j].Off })
	return join(out), nil
}

// join puts sorted ranges that touch or overlap together.
func join(in []raid.Range) []raid.Range {
	var out []raid.Range
	for _, r := range in {
		if n := len(out); n > 0 && r.Off <= out[n-1].Off+out[n-1].Len {
			out[n-1].Len = max(out[n-1].Len, r.Off+r.Len-out[n-1].Off)
			continue
		}
		out = append(out, r)
	}
	return out
}
