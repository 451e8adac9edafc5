package registry

import (
	"encoding/binary"
	"sort"

	"github.com/guestkit/guestkit/block"
)

const (
	binHeaderSize = 32
	// maxBin bounds the bitmap of the cells of one bin. Windows makes bins of
	// the size of the cell that is needed, which is 1 MiB at most.
	maxBin       = 64 << 20
	cellUnit     = 8 // cells are multiples of it
	cellHeadSize = 4 // the size that a cell begins with
	// largeBin is how large a bin is whose map is kept, come what may: to make
	// it again for every other cell would take forever.
	largeBin = 64 << 10
)

// binHeader starts a hive bin.
type binHeader struct {
	signature [4]byte // 0x00 "hbin"
	offset    uint32  // 0x04 of this bin, from the first
	size      uint32  // 0x08
	// 0x0c reserved
	modified uint64 // 0x14 FILETIME, in the first bin only
	// 0x1c spare
}

func (b *binHeader) decode(p []byte) {
	le := binary.LittleEndian
	copy(b.signature[:], p)
	b.offset = le.Uint32(p[0x04:])
	b.size = le.Uint32(p[0x08:])
	b.modified = le.Uint64(p[0x14:])
}

// validate checks the bin that should lie at the offset at, before end.
func (b *binHeader) validate(at, end int64) error {
	fail := func(class error, detail string, args ...any) error {
		return block.Errorf(format, "hive bin", baseSize+at, class, detail, args...)
	}
	size := int64(b.size)
	switch {
	case string(b.signature[:]) != "hbin":
		return fail(block.ErrCorrupt, "it has no signature")
	case int64(b.offset) != at:
		return fail(block.ErrCorrupt, "it says that it lies at %#x", baseSize+int64(b.offset))
	case size == 0 || size%binAlign != 0 || size > end-at:
		return fail(block.ErrCorrupt, "its size of %d bytes does not fit", size)
	case size > maxBin:
		return fail(block.ErrLimit, "it has %d bytes, more than %d", size, maxBin)
	}
	return nil
}

// bins says where the hive bins are. What lies past end cannot be told from
// noise, for the reason err.
type bins struct {
	starts []uint32
	end    int64
	err    error
}

// readBins walks the headers of all bins, so that no data inside of one can
// pose as a header.
func readBins(r block.Reader, size int64) bins {
	var out bins
	p := make([]byte, binHeaderSize)
	for out.end < size {
		if err := block.ReadFull(r, p, baseSize+out.end); err != nil {
			out.err = block.Locate(format, "hive bin", baseSize+out.end, err)
			break
		}
		var h binHeader
		h.decode(p)
		if out.err = h.validate(out.end, size); out.err != nil {
			break
		}
		if have := r.Size() - baseSize; int64(h.size) > have-out.end {
			out.err = block.Errorf(format, "hive bin", baseSize+out.end, block.ErrTruncated, "it has %d bytes, %d are there", h.size, have-out.end)
			break
		}
		out.starts = append(out.starts, uint32(out.end))
		out.end += int64(h.size)
	}
	return out
}

// largeMaps is the cost of the maps of all large bins.
func (b *bins) largeMaps() int64 {
	var sum int64
	for i, start := range b.starts {
		end := b.end
		if i+1 < len(b.starts) {
			end = int64(b.starts[i+1])
		}
		if n := end - int64(start); n >= largeBin {
			sum += mapCost(n)
		}
	}
	return sum
}

// find returns the bin that holds the offset off, which is below b.end.
func (b *bins) find(off int64) (start, end int64) {
	i := sort.Search(len(b.starts), func(i int) bool { return int64(b.starts[i]) > off })
	end = b.end
	if i < len(b.starts) {
		end = int64(b.starts[i])
	}
	return int64(b.starts[i-1]), end
}

// cellMap knows where the cells of one bin begin: they follow each other
// without a gap, so whatever points elsewhere points into the middle of one.
type cellMap struct {
	begins []uint64 // a bit for every 8 bytes of the bin
	end    int64    // what lies behind is not known, for the reason err
	err    error
}

func (c *cellMap) has(at int64) bool {
	return at%cellUnit == 0 && c.begins[at/cellUnit/64]>>(at/cellUnit%64)&1 != 0
}

// mapWords is how long the map of a bin of n bytes is.
func mapWords(n int64) int64 { return (n/cellUnit + 63) / 64 }

func mapCost(n int64) int64 { return 8*mapWords(n) + 64 }

// cells returns the map of the bin from start to end.
func (h *Hive) cells(start, end int64) (*cellMap, error) {
	return h.maps.Get(start, func() (*cellMap, int64, error) {
		m := &cellMap{begins: make([]uint64, mapWords(end-start))}
		cost := mapCost(end - start)
		for at := int64(binHeaderSize); at < end-start; {
			b, err := h.pages.View(baseSize+start+at, 4)
			if err != nil {
				return nil, 0, block.Locate(format, "cell", baseSize+start+at, err)
			}
			n := cellSize(b)
			if n < cellUnit || n%cellUnit != 0 || n > end-start-at {
				m.end = at
				m.err = block.Errorf(format, "cell", baseSize+start+at, block.ErrCorrupt, "its size of %d bytes does not fit into its hive bin", n)
				return m, cost, nil
			}
			m.begins[at/cellUnit/64] |= 1 << (at / cellUnit % 64)
			at += n
		}
		m.end = end - start
		return m, cost, nil
	})
}

// cellSize is how many bytes a cell takes, its size field included.
func cellSize(b []byte) int64 {
	n := int64(int32(binary.LittleEndian.Uint32(b)))
	if n < 0 {
		return -n
	}
	return n
}
