// Package sessions finds the sessions of a disc that was written in several, in an
// image of all of it. The disc's own table of contents says where they start, and
// no image has it: they are found by their volume descriptors, whose addresses
// count from the start of the disc.
package sessions

import (
	"encoding/binary"
	"slices"

	"github.com/guestkit/guestkit/block"
)

// Sector is the size of a sector in bytes.
const Sector = 2048

const (
	most        = 99      // sessions of a disc
	descriptors = 16      // sectors before the first volume descriptor
	anchor      = 256     // sectors before the anchor of UDF
	window      = 256     // sectors of one read
	gap         = 12_000  // sectors between sessions, and some: lead-out, lead-in and pregap of a CD are 11,400
	longest     = 450_000 // sectors of a CD; no more are searched for sessions
)

var le = binary.LittleEndian

// Find returns the sectors at which the sessions of ISO 9660 or UDF on r start.
// They rise, and the first is 0. Of a disc whose first descriptors were replaced by
// those of the last session, as tools do where a medium can be overwritten, that is
// all. What was found comes with an error, which is one of reading, or wraps
// [block.ErrLimit] where the gaps between sessions are longer in all than a CD.
func Find(r block.Reader) ([]int64, error) {
	if k, ok := r.(*known); ok {
		return slices.Clone(k.starts), nil
	}
	d, size := block.Plain(r), r.Size()/Sector
	starts, left := []int64{0}, int64(longest)
	for len(starts) < most {
		s := starts[len(starts)-1]
		end, known, err := endOf(d, s)
		if err != nil {
			return starts, err
		}
		until := min(size, end+gap)
		if !known {
			until = size
			if size > longest {
				return starts, nil // no CD, but a disc of which the end is missing
			}
		}
		next, err := search(d, max(end, s+descriptors+1), until, &left)
		if err != nil || next < 0 {
			return starts, err
		}
		starts = append(starts, next)
	}
	return starts, nil
}

// Known returns d as a disc of which Find need not find the sessions: they start at
// these sectors, the first of which is 0.
func Known(d block.Device, starts []int64) block.Device { return &known{d, starts} }

type known struct {
	block.Device
	starts []int64
}

func (k *known) SectorSize() int { return block.SectorSize(k.Device) }

// endOf returns where the session from sector s on ends, and whether it says so
// itself: a partition of UDF may be as long as an empty disc.
func endOf(d block.Device, s int64) (end int64, known bool, err error) {
	size := d.Size() / Sector
	b, err := read(d, s+descriptors, 1)
	if err != nil {
		return size, true, err
	}
	if isPrimary(b) && le.Uint16(b[0x80:]) == Sector {
		n := int64(le.Uint32(b[0x50:]))
		if end, known = s+n, true; end > size && n <= size && n > s { // it counts from the start of the disc
			end = n
		}
	}
	parts, err := partitionEnd(d, s)
	switch {
	case err != nil || parts == 0 && !known:
		return size, true, err
	case parts > size && !known:
		return s + anchor + 1, false, nil
	case parts <= size:
		end, known = max(end, parts), true
	}
	return end, known, nil
}

// partitionEnd returns where the last partition of UDF in a session ends, 0 if it
// has none.
func partitionEnd(d block.Device, s int64) (end int64, err error) {
	b, err := read(d, s+anchor, 1)
	if err != nil || !isAnchor(b, s+anchor) {
		return 0, err
	}
	at := int64(le.Uint32(b[20:]))
	for i := range min(int64(le.Uint32(b[16:]))/Sector, 64) {
		b, err := read(d, at+i, 1)
		if err != nil || b == nil {
			return end, err
		}
		switch le.Uint16(b) {
		case 5: // a partition
			end = max(end, int64(le.Uint32(b[0xBC:]))+int64(le.Uint32(b[0xC0:])))
		case 0, 8: // the end
			return end, nil
		}
	}
	return end, nil
}

// search looks in the sectors from one to another for the start of a session, and
// returns -1 if there is none. It takes what it reads from what is left.
func search(d block.Device, from, to int64, left *int64) (int64, error) {
	for at := from; at+descriptors < to; {
		first := at + descriptors
		e, err := d.Extent(first * Sector)
		if err != nil {
			return -1, err
		}
		if skip := e.Len / Sector; e.Zero && skip > 0 {
			at += skip
			continue
		}
		if *left == 0 {
			return -1, block.Errorf("", "sessions", -1, block.ErrLimit, "after %d sectors between them none is looked for from sector %d on", longest, at)
		}
		n := min(window, to-first, *left)
		*left -= n
		b, err := read(d, first, n)
		if err != nil {
			return -1, err
		}
		for i := range n {
			ok, err := startsAt(d, at+i, b[i*Sector:(i+1)*Sector])
			if ok || err != nil {
				return at + i, err
			}
		}
		at += n
	}
	return -1, nil
}

// startsAt reports whether a session starts at sector s, whose first descriptor is
// b. What lies in a file, or in a partition, counts its sectors from there.
func startsAt(d block.Device, s int64, b []byte) (bool, error) {
	switch {
	case isPrimary(b):
		root := int64(le.Uint32(b[0x9E:]))
		if root <= s+descriptors {
			return false, nil
		}
		self, err := read(d, root, 1) // a directory begins with a record of itself
		return self != nil && self[0] >= 34 && int64(le.Uint32(self[2:])) == root && self[25]&2 != 0, err
	case string(b[1:6]) == "BEA01":
		a, err := read(d, s+anchor, 1)
		return isAnchor(a, s+anchor), err
	}
	return false, nil
}

func isPrimary(b []byte) bool { return b != nil && string(b[:6]) == "\x01CD001" }

// isAnchor reports whether b is the anchor of UDF that belongs in a sector.
func isAnchor(b []byte, at int64) bool {
	if b == nil || le.Uint16(b) != 2 || int64(le.Uint32(b[12:])) != at {
		return false
	}
	sum := -b[4]
	for _, c := range b[:16] {
		sum += c
	}
	return sum == b[4]
}

// read returns n sectors, nil where they are not all there.
func read(d block.Device, at, n int64) ([]byte, error) {
	if at < 0 || at > d.Size()/Sector-n {
		return nil, nil
	}
	b := make([]byte, n*Sector)
	return b, block.ReadFull(d, b, at*Sector)
}
