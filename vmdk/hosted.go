package vmdk

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/paged"
	"github.com/guestkit/guestkit/internal/problem"
)

// directory is a grain directory of 32-bit entries and its grain tables: those
// of hosted sparse extents and of COWD.
type directory struct {
	pages     *paged.Cache
	fileSize  int64
	off       int64 // of the directory, bytes
	redundant int64 // of its copy, 0 if there is none
	entries   int64
	perTable  int64 // entries a table
	grain     int64 // bytes
	zeroGrain bool  // an entry of 1 is a grain of zeros
	// A compressed grain takes its marker and some data; how much, the marker
	// tells.
	compressed bool
	taken      []span // where no grain may lie
	problems   *problem.List
}

// A span is a run of bytes of the file that has a use.
type span struct {
	what     string
	off, end int64
}

func (d *directory) find(i, need int64) (place, error) {
	n := i / d.perTable
	if n >= d.entries {
		return place{}, block.Errorf(format, "grain directory", d.off, block.ErrCorrupt, "%d entries do not reach grain %d", d.entries, i)
	}
	table, err := d.table(n)
	if err != nil {
		return place{}, err
	}
	if table == 0 {
		return place{kind: placeUnset, same: d.perTable - i%d.perTable}, nil
	}
	at := table + 4*(i%d.perTable)
	b, err := d.pages.View(at, 4)
	if err != nil {
		return place{}, block.Locate(format, "grain table", at, err)
	}
	switch e := binary.LittleEndian.Uint32(b); {
	case e == 0:
		return place{kind: placeUnset, same: 1}, nil
	case e == 1 && d.zeroGrain:
		return place{kind: placeZero, same: 1}, nil
	default:
		off := int64(e) * sectorSize
		if d.compressed {
			need = markerSize
		}
		if off > d.fileSize || need > d.fileSize-off {
			return place{}, block.Errorf(format, "grain table", at, block.ErrTruncated, "grain %d at %#x, the file ends at %#x", i, off, d.fileSize)
		}
		for _, s := range d.taken {
			if off < s.end && off+need > s.off {
				return place{}, block.Errorf(format, "grain table", at, block.ErrCorrupt, "grain %d at %#x lies over the %s", i, off, s.what)
			}
		}
		if off < table+4*d.perTable && off+need > table {
			return place{}, block.Errorf(format, "grain table", at, block.ErrCorrupt, "grain %d at %#x lies over its own table", i, off)
		}
		return place{kind: placeStored, off: off}, nil
	}
}

// table returns where grain table n lies, 0 if it is not there. The redundant
// directory serves where an entry of the first is bad.
func (d *directory) table(n int64) (int64, error) {
	off, err := d.entry(d.off, n)
	if err == nil || d.redundant == 0 {
		return off, err
	}
	second, err2 := d.entry(d.redundant, n)
	if err2 != nil {
		return 0, err
	}
	d.problems.Add(fmt.Errorf("%w; the redundant grain directory is used", err))
	return second, nil
}

func (d *directory) entry(directory, n int64) (int64, error) {
	at := directory + 4*n
	b, err := d.pages.View(at, 4)
	if err != nil {
		return 0, block.Locate(format, "grain directory", at, err)
	}
	off := int64(binary.LittleEndian.Uint32(b)) * sectorSize
	if off == 0 {
		return 0, nil
	}
	if off > d.fileSize || 4*d.perTable > d.fileSize-off {
		return 0, block.Errorf(format, "grain directory", at, block.ErrTruncated, "grain table %d at %#x does not end in the file", n, off)
	}
	for _, s := range d.taken {
		if off < s.end && off+4*d.perTable > s.off {
			return 0, block.Errorf(format, "grain directory", at, block.ErrCorrupt, "grain table %d at %#x lies over the %s", n, off, s.what)
		}
	}
	return off, nil
}

// openHosted opens a hosted sparse extent ("KDMV") and returns the text of the
// descriptor inside it, nil if there is none.
func openHosted(r block.Reader, o *Options, problems *problem.List) (*grains, *sparseHeader, []byte, error) {
	b, err := block.ReadBytes(r, 0, headerSize, headerSize)
	if err != nil {
		return nil, nil, nil, block.Locate(format, "sparse header", 0, err)
	}
	var h sparseHeader
	h.decode(b)
	if err := h.validate(0, r.Size()); err != nil {
		return nil, nil, nil, err
	}
	taken := []span{{"header", 0, headerSize}}
	var text []byte
	if h.descriptorOffset != 0 {
		off, n := int64(h.descriptorOffset)*sectorSize, int64(h.descriptorSize)*sectorSize
		if text, err = block.ReadBytes(r, off, n, MaxDescriptor+1); err != nil {
			return nil, nil, nil, block.Locate(format, "descriptor", off, err)
		}
		taken = append(taken, span{"descriptor", off, off + n})
	}
	if h.gdOffset == directoryAtEnd {
		if err := readFooter(r, &h); err != nil {
			return nil, nil, nil, err
		}
	}
	if h.uncleanShutdown != 0 {
		problems.Add(block.Errorf(format, "sparse header", 0x48, block.ErrDirty, "the disk was not closed cleanly"))
	}
	d := &directory{fileSize: r.Size(), entries: h.directoryEntries(), perTable: int64(h.numGTEsPerGT), grain: int64(h.grainSize) * sectorSize,
		zeroGrain: h.flags&flagZeroGrain != 0, compressed: h.flags&flagCompressed != 0, problems: problems}
	if err := d.place(&h, taken); err != nil {
		return nil, nil, nil, err
	}
	d.pages = paged.New(r, 4096, o.tableBudget())
	g := &grains{r: r, size: int64(h.capacity) * sectorSize, grain: d.grain, table: d}
	if d.compressed {
		if d.grain > maxCompressed {
			return nil, nil, nil, block.Errorf(format, "sparse header", 0x14, block.ErrLimit, "compressed grains of %d bytes, at most %d are read", d.grain, maxCompressed)
		}
		g.inf = newInflater(r, d.grain, o.grainBudget())
	}
	return g, &h, text, nil
}

// place checks where the directories lie. One that does not end in the file
// leaves the other.
func (d *directory) place(h *sparseHeader, taken []span) error {
	d.taken = taken
	n := 4 * d.entries
	check := func(what string, sector uint64) (int64, error) {
		if sector > uint64(d.fileSize)/sectorSize || n > d.fileSize-int64(sector)*sectorSize {
			return 0, block.Errorf(format, what, -1, block.ErrTruncated, "%d entries at sector %#x do not end in the file", d.entries, sector)
		}
		off := int64(sector) * sectorSize
		for _, s := range taken {
			if off < s.end && off+n > s.off {
				return 0, block.Errorf(format, what, off, block.ErrCorrupt, "it lies over the %s", s.what)
			}
		}
		return off, nil
	}
	first, err := check("grain directory", h.gdOffset)
	second, err2 := int64(0), error(nil)
	if h.flags&flagRedundant != 0 {
		second, err2 = check("redundant grain directory", h.rgdOffset)
	}
	switch {
	case err == nil && err2 == nil:
		d.off, d.redundant = first, second
	case err == nil:
		d.off = first
		d.problems.Add(err2)
	case h.flags&flagRedundant != 0 && err2 == nil:
		d.off = second
		d.problems.Add(fmt.Errorf("%w; the redundant one is used", err))
	default:
		return err
	}
	for _, at := range []int64{d.off, d.redundant} {
		if at != 0 {
			d.taken = append(d.taken, span{"grain directory", at, at + n})
		}
	}
	return nil
}

// readFooter replaces what the header of a streamOptimized file leaves open by
// what its footer says. The footer lies between its marker and the end-of-stream
// marker, which end the file as a rule; what lies behind them, as tapes and
// archives leave it, is passed over, as VMware does, which reads forward.
func readFooter(r block.Reader, h *sparseHeader) error {
	off := r.Size()/sectorSize*sectorSize - 2*sectorSize
	f, err := footerAt(r, off)
	if errors.Is(err, block.ErrTruncated) {
		if off, err = findFooter(r, h); err == nil {
			f, err = footerAt(r, off)
		}
	}
	if err != nil {
		return err
	}
	if err := f.validate(off, r.Size()); err != nil {
		return err
	}
	if f.capacity != h.capacity || f.grainSize != h.grainSize || f.numGTEsPerGT != h.numGTEsPerGT || f.flags != h.flags || f.gdOffset == directoryAtEnd {
		return block.Errorf(format, "footer", off, block.ErrCorrupt, "it disagrees with the header")
	}
	*h = f
	return nil
}

func noFooter(off int64) error {
	return block.Errorf(format, "footer", off, block.ErrTruncated, "the grain directory is at the end of the file, and no footer is there")
}

// footerAt reads the footer at off, with the markers around it.
func footerAt(r block.Reader, off int64) (f sparseHeader, err error) {
	if off < 2*sectorSize || off > r.Size()-2*sectorSize {
		return f, noFooter(off)
	}
	b, err := block.ReadBytes(r, off-sectorSize, 3*sectorSize, 3*sectorSize)
	if err != nil {
		return f, block.Locate(format, "footer", off, err)
	}
	kind := func(b []byte) uint32 { return binary.LittleEndian.Uint32(b[12:]) }
	size := func(b []byte) uint32 { return binary.LittleEndian.Uint32(b[8:]) }
	f.decode(b[sectorSize:])
	if string(f.magic[:]) != sparseMagic || size(b) != 0 || kind(b) != markerFooter || size(b[2*sectorSize:]) != 0 || kind(b[2*sectorSize:]) != markerEnd {
		return f, noFooter(off)
	}
	return f, nil
}

// maxMarkers bounds how many markers are followed to the footer: the grains of
// 4 TiB.
const maxMarkers = 64 << 20

// findFooter follows the markers of the stream to its footer. Each leads forward
// by a sector or more.
func findFooter(r block.Reader, h *sparseHeader) (int64, error) {
	pages := paged.New(r, 4096, 64<<10)
	off := int64(0)
	if h.overHead < uint64(r.Size()/sectorSize) {
		off = int64(h.overHead) * sectorSize
	}
	for range maxMarkers {
		if off > r.Size()-2*sectorSize {
			break
		}
		b, err := pages.View(off, 16)
		if err != nil {
			return 0, block.Locate(format, "marker", off, err)
		}
		value, size, kind := binary.LittleEndian.Uint64(b), int64(binary.LittleEndian.Uint32(b[8:])), binary.LittleEndian.Uint32(b[12:])
		switch {
		case size > 0: // a grain
			off += (markerSize + size + sectorSize - 1) / sectorSize * sectorSize
		case kind == markerFooter:
			return off + sectorSize, nil
		case kind == markerEnd || value > uint64(r.Size()/sectorSize):
			return 0, noFooter(off)
		default: // a table or a directory
			off += sectorSize * (1 + int64(value))
		}
	}
	return 0, noFooter(off)
}
