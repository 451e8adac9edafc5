package vhdx

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/guid"
)

const (
	regionTableSize = 64 * kib
	regionAt1       = 192 * kib
	regionAt2       = 256 * kib
	maxRegions      = 2047
)

var (
	regionBAT      = guid.Must("2dc27766-f623-4200-9d64-115e9bfd4a08")
	regionMetadata = guid.Must("8b7ca206-4790-4b9a-b8fe-575f050f886e")
)

// regionEntry is section 2.2.3.2.
type regionEntry struct {
	id       guid.GUID // 0x00
	offset   uint64    // 0x10
	length   uint32    // 0x18
	required uint32    // 0x1c bit 0
}

func (e *regionEntry) decode(b []byte) {
	copy(e.id[:], b[0x00:])
	e.offset = binary.LittleEndian.Uint64(b[0x10:])
	e.length = binary.LittleEndian.Uint32(b[0x18:])
	e.required = binary.LittleEndian.Uint32(b[0x1c:])
}

// encode writes the entry to b.
func (e *regionEntry) encode(b []byte) {
	copy(b, e.id[:])
	binary.LittleEndian.PutUint64(b[0x10:], e.offset)
	binary.LittleEndian.PutUint32(b[0x18:], e.length)
	binary.LittleEndian.PutUint32(b[0x1c:], e.required)
}

// A region is a part of the file with one use.
type region struct {
	what     string
	off, end int64
}

func (g region) overlaps(off, end int64) bool { return off < g.end && end > g.off }

// readRegions returns the BAT and the metadata region. The second copy of the
// table serves where the first one is bad; problem is then what is wrong with
// the first.
func readRegions(r block.Reader, taken []region) (bat, metadata region, problem, err error) {
	var first error
	for _, at := range []int64{regionAt1, regionAt2} {
		b, err := block.ReadBytes(r, at, regionTableSize, regionTableSize)
		if err != nil {
			return bat, metadata, nil, block.Locate(format, "region table", at, err)
		}
		switch {
		case string(b[:4]) != "regi":
			err = block.Errorf(format, "region table", at, block.ErrCorrupt, "no signature")
		case checksum(b) != binary.LittleEndian.Uint32(b[4:]):
			err = block.Errorf(format, "region table", at, block.ErrCorrupt, "bad checksum")
		default:
			bat, metadata, err = parseRegions(b, at, r.Size(), taken)
			return bat, metadata, first, err
		}
		if first == nil {
			first = err
		}
	}
	return bat, metadata, nil, first
}

func parseRegions(b []byte, at, fileSize int64, taken []region) (bat, metadata region, err error) {
	n := binary.LittleEndian.Uint32(b[8:])
	if n > maxRegions {
		return bat, metadata, block.Errorf(format, "region table", at+8, block.ErrLimit, "%d entries, at most %d are valid", n, maxRegions)
	}
	for i := range int(n) {
		var e regionEntry
		off := 16 + 32*i
		e.decode(b[off:])
		fault := func(class error, detail string, args ...any) error {
			return block.Errorf(format, "region table entry", at+int64(off), class, detail, args...)
		}
		g := region{what: "region " + e.id.String()}
		switch e.id {
		case regionBAT:
			g.what = "BAT"
		case regionMetadata:
			g.what = "metadata region"
		default:
			if e.required&1 != 0 {
				return bat, metadata, fault(block.ErrUnsupported, "unknown region %s is required", e.id)
			}
		}
		if e.offset%mib != 0 || e.length%mib != 0 || e.length == 0 || e.offset < reservedEnd {
			return bat, metadata, fault(block.ErrCorrupt, "%s at %#x of %d bytes is not aligned to MiB or lies over the headers", g.what, e.offset, e.length)
		}
		if e.offset > uint64(fileSize) || int64(e.length) > fileSize-int64(e.offset) {
			return bat, metadata, fault(block.ErrTruncated, "%s at %#x does not end in the file", g.what, e.offset)
		}
		g.off, g.end = int64(e.offset), int64(e.offset)+int64(e.length)
		for _, t := range taken {
			if t.overlaps(g.off, g.end) {
				return bat, metadata, fault(block.ErrCorrupt, "%s at %#x overlaps the %s", g.what, g.off, t.what)
			}
		}
		taken = append(taken[:len(taken):len(taken)], g)
		switch e.id {
		case regionBAT:
			bat = g
		case regionMetadata:
			metadata = g
		}
	}
	if bat.end == 0 || metadata.end == 0 {
		return bat, metadata, block.Errorf(format, "region table", at, block.ErrCorrupt, "the BAT or the metadata region is missing")
	}
	return bat, metadata, nil
}
