package vhdx

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/guid"
	"github.com/guestkit/guestkit/internal/paged"
	"github.com/guestkit/guestkit/internal/problem"
)

// States of a block in its BAT entry (section 2.5.1.1).
const (
	blockNotPresent       = 0
	blockUndefined        = 1
	blockZero             = 2
	blockUnmapped         = 3
	blockUnmappedOld      = 5 // UNMAPPED of drafts of the format
	blockFullyPresent     = 6
	blockPartiallyPresent = 7
)

// States of a sector bitmap in its BAT entry (section 2.5.1.2).
const bitmapPresent = 6

const bitmapSize = 1 * mib // of one chunk

// Options says how an image is opened. The zero value suits hostile input.
type Options struct {
	// Opener gives the parent of a differencing image; nil refuses, and such
	// an image is then block.ErrParent.
	Opener block.Opener
	// CacheBytes bounds the memory for the BAT and the bitmaps; 0 means 2 MiB.
	CacheBytes int64
}

// Info describes an image.
type Info struct {
	Size           int64  // of the disk, bytes
	BlockSize      int64  // bytes
	Subformat      string // "fixed", "dynamic" or "differencing"
	LogicalSector  int    // bytes
	PhysicalSector int    // bytes, 0 if not said
	DiskID         string
	DataWriteGUID  string
	ParentNames    []string // as stored, may be hostile
	ParentLinkage  string   // the DataWriteGUID that the parent must have, as stored; "" if there is none
	LogReplayed    int      // entries of the log that are part of what is read
}

// An Image is an open VHDX. It is a [block.Device] and a [block.SectorSizer].
type Image struct {
	dev      block.Device // the file with its log replayed
	r        block.Reader // the file
	h        header
	m        metadata
	bat      region
	meta     region
	taken    []region // where no block may lie
	table    *paged.Cache
	chunk    int64 // blocks a chunk
	replayed int
	parent   block.Device
	problems problem.List
	closed   atomic.Bool
}

// Open reads the structures of r and replays its log into memory. The errors
// wrap block.ErrFormat if r is no VHDX, block.ErrParent for a differencing
// image without its parent, or another class of package block.
func Open(r block.Reader, opts *Options) (*Image, error) {
	if opts == nil {
		opts = &Options{}
	}
	im, err := open(r, opts)
	if err == nil && im.m.hasParent {
		err = im.openParent(opts.Opener)
	}
	if err != nil {
		return nil, err
	}
	return im, nil
}

// Describe returns what the image in r says about itself, and what is odd
// about it, without its parent.
func Describe(r block.Reader, opts *Options) (Info, []error, error) {
	if opts == nil {
		opts = &Options{}
	}
	im, err := open(r, opts)
	if err != nil {
		return Info{}, nil, err
	}
	return im.Info(), im.Problems(), nil
}

// open is Open without the parent.
func open(r block.Reader, opts *Options) (*Image, error) {
	var sig [8]byte
	if r.Size() < int64(len(sig)) {
		return nil, block.Errorf(format, "file type", 0, block.ErrFormat, "a file of %d bytes", r.Size())
	}
	if err := block.ReadFull(r, sig[:], 0); err != nil {
		return nil, block.Locate(format, "file type", 0, err)
	}
	if string(sig[:]) != fileSignature {
		return nil, block.Errorf(format, "file type", 0, block.ErrFormat, "")
	}
	im := &Image{r: r, dev: block.Plain(r)}
	var off int64
	var problem, err error
	if im.h, off, problem, err = readHeader(r); err != nil {
		return nil, err
	}
	im.problems.Add(problem)
	im.taken = []region{{"headers", 0, reservedEnd}}
	if im.h.logLength > 0 && im.h.logOffset <= maxReplaySize {
		im.taken = append(im.taken, region{"log", int64(im.h.logOffset), int64(im.h.logOffset) + int64(im.h.logLength)})
	}
	if !im.h.logGUID.IsZero() {
		if im.dev, im.replayed, problem, err = replayLog(r, im.h); err != nil {
			return nil, err
		}
		im.problems.Add(problem)
		im.problems.Add(block.Errorf(format, "header", off+0x30, block.ErrDirty, "the image was not closed cleanly; the %d entries of its log are replayed in memory, the file stays as it is", im.replayed))
	}
	if err := im.openRegions(); err != nil {
		return nil, err
	}
	budget := opts.CacheBytes
	if budget == 0 {
		budget = 2 << 20
	}
	im.table = paged.New(im.dev, 4096, budget)
	return im, nil
}

// openRegions reads the region table and the metadata and checks the BAT's
// size (section 2.5).
func (im *Image) openRegions() error {
	bat, meta, problem, err := readRegions(im.dev, im.taken)
	if err != nil {
		return err
	}
	if problem != nil {
		im.problems.Add(fmt.Errorf("%w; the second copy is used", problem))
	}
	if im.m, err = readMetadata(im.dev, meta); err != nil {
		return err
	}
	im.bat, im.meta = bat, meta
	im.taken = append(im.taken, bat, meta)
	im.chunk = chunkRatio(im.m.logicalSector, im.m.blockSize)
	entries := batEntries((im.m.size+im.m.blockSize-1)/im.m.blockSize, im.chunk, im.m.hasParent)
	if 8*entries > bat.end-bat.off {
		return block.Errorf(format, "BAT", bat.off, block.ErrCorrupt, "%d bytes are too few for %d entries", bat.end-bat.off, entries)
	}
	return nil
}

// chunkRatio is how many blocks one sector bitmap of 1 MiB is for (section
// 2.5).
func chunkRatio(logicalSector, blockSize int64) int64 { return (1 << 23) * logicalSector / blockSize }

// batEntries is how many entries the BAT of so many blocks has, with those of
// the sector bitmaps.
func batEntries(blocks, chunk int64, differencing bool) int64 {
	switch {
	case differencing:
		return (blocks + chunk - 1) / chunk * (chunk + 1)
	case blocks > 0:
		return blocks + (blocks-1)/chunk
	}
	return 0
}

// linkage has the identities of which the data of the parent must have one.
func (im *Image) linkage() map[guid.GUID]bool {
	linkage := map[guid.GUID]bool{}
	for _, key := range []string{linkageKey, secondKey} {
		if g, err := guid.Parse(im.m.locator[key]); err == nil {
			linkage[g] = true
		}
	}
	return linkage
}

func (im *Image) openParent(opener block.Opener) error {
	linkage := im.linkage()
	var err error
	im.parent, err = block.OpenParent(opener, block.Ref{Kind: "parent", Format: format, From: im.r}, im.parentNames(), func(d block.Device) (bool, error) {
		p, ok := d.(*Image)
		if ok && !linkage[p.h.dataWriteGUID] {
			return false, fmt.Errorf("its data has the identity %s, not %s", p.DataWriteGUID(), im.m.locator[linkageKey])
		}
		return ok, nil
	})
	return block.Locate(format, "parent locator", -1, err)
}

// parentNames returns what the locator calls the parent, the most portable
// name first.
func (im *Image) parentNames() (names []string) {
	for _, key := range []string{"relative_path", "volume_path", "absolute_win32_path"} {
		if name := im.m.locator[key]; name != "" {
			names = append(names, name)
		}
	}
	return names
}

// parentLinkage is the identity of the parent's data, as the locator has it.
func (im *Image) parentLinkage() string {
	g, err := guid.Parse(im.m.locator[linkageKey])
	if err != nil {
		return ""
	}
	return g.String()
}

// DataWriteGUID identifies the content of the disk: what a child is checked
// against.
func (im *Image) DataWriteGUID() string { return im.h.dataWriteGUID.String() }

// Info describes the image.
func (im *Image) Info() Info {
	i := Info{Size: im.m.size, BlockSize: im.m.blockSize, Subformat: "dynamic", LogicalSector: int(im.m.logicalSector), PhysicalSector: int(im.m.physicalSector),
		DiskID: im.m.diskID.String(), DataWriteGUID: im.DataWriteGUID(), ParentNames: im.parentNames(), ParentLinkage: im.parentLinkage(), LogReplayed: im.replayed}
	switch {
	case im.m.hasParent:
		i.Subformat = "differencing"
	case im.m.fixed:
		i.Subformat = "fixed"
	}
	return i
}

// Problems lists what is odd about the image and does not keep it from being
// read. A log that was replayed is one, of class block.ErrDirty.
func (im *Image) Problems() []error { return im.problems.All() }

// Size is the size of the disk in bytes.
func (im *Image) Size() int64 { return im.m.size }

// SectorSize is the size of a logical sector in bytes, 512 or 4096.
func (im *Image) SectorSize() int { return int(im.m.logicalSector) }

// Close closes what the Opener returned. The Reader that Open was given stays
// open.
func (im *Image) Close() error {
	if im.closed.Swap(true) {
		return nil
	}
	return block.Close(im.parent)
}

// A run is a part of the disk that one place holds.
type run struct {
	n       int64 // bytes
	kind    runKind
	hostOff int64 // if stored
}

type runKind int

const (
	runParent runKind = iota // or unset, without a parent
	runZero
	runStored
)

// entry returns the state and the place of BAT entry i; a place is checked
// against the file for n bytes.
func (im *Image) entry(i, n int64, present func(state uint64) bool) (state uint64, hostOff int64, err error) {
	at := im.bat.off + 8*i
	b, err := im.table.View(at, 8)
	if err != nil {
		return 0, 0, block.Locate(format, "BAT", at, err)
	}
	e := binary.LittleEndian.Uint64(b)
	state, off := e&7, e&^(mib-1)
	if !present(state) {
		return state, 0, nil
	}
	if size := im.dev.Size(); off > uint64(size) || n > size-int64(off) {
		return 0, 0, block.Errorf(format, "BAT", at, block.ErrTruncated, "entry %d: %d bytes at %#x, the file ends at %#x", i, n, off, size)
	}
	for _, g := range im.taken {
		if g.overlaps(int64(off), int64(off)+n) {
			return 0, 0, block.Errorf(format, "BAT", at, block.ErrCorrupt, "entry %d at %#x lies over the %s", i, off, g.what)
		}
	}
	return state, int64(off), nil
}

// blockEntry returns the state and the place of block i, and checks them.
func (im *Image) blockEntry(i int64) (state uint64, hostOff int64, err error) {
	at := i + i/im.chunk
	state, hostOff, err = im.entry(at, min(im.m.blockSize, im.m.size-i*im.m.blockSize), func(s uint64) bool { return s == blockFullyPresent || s == blockPartiallyPresent })
	switch {
	case err != nil:
		return 0, 0, err
	case state == 4:
		err = block.Errorf(format, "BAT", im.bat.off+8*at, block.ErrCorrupt, "block %d has the state %d", i, state)
	case state == blockPartiallyPresent && !im.m.hasParent:
		err = block.Errorf(format, "BAT", im.bat.off+8*at, block.ErrCorrupt, "block %d is partially present in an image without a parent", i)
	}
	return state, hostOff, err
}

// bitmapEntry returns whether the sector bitmap of a chunk is there, and where.
func (im *Image) bitmapEntry(chunk int64) (present bool, hostOff int64, err error) {
	state, hostOff, err := im.entry(im.bitmapIndex(chunk), bitmapSize, func(s uint64) bool { return s == bitmapPresent })
	return state == bitmapPresent, hostOff, err
}

// bitmapIndex is the BAT entry of the sector bitmap of a chunk.
func (im *Image) bitmapIndex(chunk int64) int64 { return (chunk+1)*im.chunk + chunk }

// runAt returns the run that starts at off, which lies inside the disk.
func (im *Image) runAt(off int64) (run, error) {
	bs := im.m.blockSize
	i, in := off/bs, off%bs
	n := min(bs-in, im.m.size-off)
	state, hostOff, err := im.blockEntry(i)
	if err != nil {
		return run{}, err
	}
	switch state {
	case blockNotPresent:
		return run{n: n}, nil
	case blockUndefined, blockZero, blockUnmapped, blockUnmappedOld:
		return run{n: n, kind: runZero}, nil
	case blockFullyPresent:
		return run{n, runStored, hostOff + in}, nil
	}
	return im.partial(i, in, n, hostOff)
}

// partial looks into the sector bitmap of the chunk of block i.
func (im *Image) partial(i, in, n, hostOff int64) (run, error) {
	chunk := i / im.chunk
	present, bitmap, err := im.bitmapEntry(chunk)
	if err != nil {
		return run{}, err
	}
	if !present {
		return run{}, block.Errorf(format, "BAT", im.bat.off+8*im.bitmapIndex(chunk), block.ErrCorrupt, "block %d is partially present and its sector bitmap is not there", i)
	}
	sector := im.m.logicalSector
	first := (i % im.chunk) * (im.m.blockSize / sector)
	stored, sectors, err := im.table.BitRun(bitmap, first+in/sector, first+(in+n+sector-1)/sector, paged.LeastFirst)
	if err != nil {
		return run{}, block.Locate(format, "sector bitmap", bitmap, err)
	}
	x := run{n: min(n, sectors*sector-in%sector)}
	if stored {
		x.kind, x.hostOff = runStored, hostOff+in
	}
	return x, nil
}

// ReadAt implements [io.ReaderAt].
func (im *Image) ReadAt(p []byte, off int64) (int, error) {
	if im.closed.Load() {
		return 0, os.ErrClosed
	}
	q, eof := block.Clip(p, off, im.m.size)
	for done := 0; done < len(q); {
		pos := off + int64(done)
		x, err := im.runAt(pos)
		if err != nil {
			return done, err
		}
		part := q[done:min(int64(len(q)), int64(done)+x.n)]
		switch {
		case x.kind == runStored:
			err = block.Locate(format, "block", x.hostOff, block.ReadFull(im.dev, part, x.hostOff))
		case x.kind == runParent && im.parent != nil:
			err = block.ReadParent(im.parent, part, pos)
		default:
			clear(part)
		}
		if err != nil {
			return done, err
		}
		done += len(part)
	}
	return len(q), eof
}

// Extent implements [block.Device].
func (im *Image) Extent(off int64) (block.Extent, error) {
	if im.closed.Load() {
		return block.Extent{}, os.ErrClosed
	}
	if off < 0 || off >= im.m.size {
		return block.Extent{}, io.EOF
	}
	x, err := im.runAt(off)
	if err != nil {
		return block.Extent{}, err
	}
	e := block.Extent{Off: off, Len: x.n}
	switch {
	case x.kind == runStored: // what a replayed log changed lies elsewhere
		h, err := im.dev.Extent(x.hostOff)
		if err != nil {
			return block.Extent{}, err
		}
		e.Len, e.Zero, e.Host, e.HostOff = min(x.n, h.Len), h.Zero, h.Host, h.HostOff
	case x.kind == runParent && im.parent != nil:
		return block.ParentExtent(im.parent, e)
	case x.kind == runParent:
		e.Zero, e.Unset = true, true
	default:
		e.Zero = true
	}
	return e, nil
}
