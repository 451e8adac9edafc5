package lvm

import (
	"encoding/binary"
	"sort"
	"sync"

	"github.com/guestkit/guestkit/block"
)

const (
	snapMagic      = 0x70416e53 // "SnAp"
	exceptionSize  = 16
	minSnapChunk   = sectorSize
	maxSnapChunk   = 512 << 10 // as lvm has it
	maxSnapRuns    = 4 << 20   // 24 bytes each
	snapHeaderSize = 16
)

// snapHead is the header of a persistent exception store, in its first chunk
// (drivers/md/dm-snap-persistent.c).
type snapHead struct {
	magic   uint32 // 0x00
	valid   uint32 // 0x04
	version uint32 // 0x08
	chunk   uint32 // 0x0c sectors
}

func (h *snapHead) decode(b []byte) {
	le := binary.LittleEndian
	h.magic, h.valid, h.version, h.chunk = le.Uint32(b), le.Uint32(b[4:]), le.Uint32(b[8:]), le.Uint32(b[12:])
}

// A snapshot is an origin with the chunks that a store keeps instead. Its table
// is read when it is first needed: it lies all over the store.
type snapshot struct {
	what        string
	origin, cow block.Device
	chunk       int64
	once        sync.Once
	runs        []snapRun // by old
	err         error
}

// A snapRun is n chunks, counted from old in the origin, that lie one behind
// the other from new on in the store.
type snapRun struct{ old, new, n int64 }

// openSnapshot reads the header of a store.
func openSnapshot(what string, origin, cow block.Device) (*snapshot, error) {
	fault := func(off int64, class error, detail string, args ...any) error {
		return block.Errorf(format, "store of the snapshot "+what, off, class, detail, args...)
	}
	b, err := block.ReadBytes(cow, 0, snapHeaderSize, snapHeaderSize)
	if err != nil {
		return nil, block.Locate(format, "store of the snapshot "+what, 0, err)
	}
	var h snapHead
	h.decode(b)
	s := &snapshot{what: what, origin: origin, cow: cow, chunk: int64(h.chunk) * sectorSize}
	switch {
	case h.magic != snapMagic:
		return nil, fault(0, block.ErrCorrupt, "no magic")
	case h.version != 1:
		return nil, fault(8, block.ErrUnsupported, "version %d", h.version)
	case h.valid == 0:
		return nil, fault(4, block.ErrCorrupt, "the snapshot is invalid: its store ran full, or failed")
	case s.chunk < minSnapChunk || s.chunk > maxSnapChunk || s.chunk&(s.chunk-1) != 0:
		return nil, fault(12, block.ErrCorrupt, "chunks of %d sectors", h.chunk)
	}
	return s, nil
}

// load reads the table: areas of one chunk, each followed by the chunks that it
// describes. The first empty entry ends it.
func (s *snapshot) load() {
	le := binary.LittleEndian
	per := s.chunk / exceptionSize
	chunks := s.cow.Size() / s.chunk
	b := make([]byte, s.chunk)
	var runs []snapRun
	for area := int64(1); area < chunks; area += per + 1 {
		if s.err = block.ReadFull(s.cow, b, area*s.chunk); s.err != nil {
			return
		}
		for i := range int(per) {
			old, at := le.Uint64(b[i*exceptionSize:]), le.Uint64(b[i*exceptionSize+8:])
			if at == 0 {
				s.runs, s.err = sortRuns(runs), nil
				s.checkRuns()
				return
			}
			if at >= uint64(chunks) || old > 1<<53 {
				s.err = s.fault(area*s.chunk+int64(i)*exceptionSize, block.ErrCorrupt, "chunk %d is kept as chunk %d, of %d", old, at, chunks)
				return
			}
			if int64(old) > s.origin.Size()/s.chunk {
				continue // which nothing reads
			}
			if n := len(runs); n > 0 && runs[n-1].old+runs[n-1].n == int64(old) && runs[n-1].new+runs[n-1].n == int64(at) {
				runs[n-1].n++
				continue
			}
			if len(runs) == maxSnapRuns {
				s.err = s.fault(area*s.chunk, block.ErrLimit, "more than %d runs of chunks that changed", maxSnapRuns)
				return
			}
			runs = append(runs, snapRun{int64(old), int64(at), 1})
		}
	}
	s.runs = sortRuns(runs)
	s.checkRuns()
}

func sortRuns(runs []snapRun) []snapRun {
	sort.Slice(runs, func(i, j int) bool { return runs[i].old < runs[j].old })
	return runs
}

// checkRuns refuses a table that keeps a chunk twice.
func (s *snapshot) checkRuns() {
	for i := 1; i < len(s.runs); i++ {
		if s.runs[i-1].old+s.runs[i-1].n > s.runs[i].old {
			s.err = s.fault(-1, block.ErrCorrupt, "chunk %d is kept twice", s.runs[i].old)
			s.runs = nil
			return
		}
	}
}

func (s *snapshot) fault(off int64, class error, detail string, args ...any) error {
	return block.Errorf(format, "table of the snapshot "+s.what, off, class, detail, args...)
}

func (s *snapshot) Size() int64     { return s.origin.Size() }
func (s *snapshot) SectorSize() int { return block.SectorSize(s.origin) }

// at returns which device has the bytes at off, where, and for how many bytes.
func (s *snapshot) at(off int64) (block.Device, int64, int64, error) {
	s.once.Do(s.load)
	if s.err != nil {
		return nil, 0, 0, s.err
	}
	c, in := off/s.chunk, off%s.chunk
	i := sort.Search(len(s.runs), func(i int) bool { return s.runs[i].old+s.runs[i].n > c })
	switch {
	case i == len(s.runs):
		return s.origin, off, s.Size() - off, nil
	case s.runs[i].old > c:
		return s.origin, off, min((s.runs[i].old-c)*s.chunk-in, s.Size()-off), nil
	}
	r := s.runs[i]
	return s.cow, (r.new+c-r.old)*s.chunk + in, min((r.old+r.n-c)*s.chunk-in, s.Size()-off), nil
}

func (s *snapshot) ReadAt(p []byte, off int64) (int, error) { return readRouted(s, p, off) }

func (s *snapshot) Extent(off int64) (block.Extent, error) { return routedExtent(s, off) }
