package vhd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/blocks"
	"github.com/guestkit/guestkit/internal/paged"
	"github.com/guestkit/guestkit/internal/problem"
)

// Options says how an image is opened. The zero value suits hostile input.
type Options struct {
	// Opener gives the parent of a differencing image; nil refuses, and such
	// an image is then block.ErrParent.
	Opener block.Opener
	Size   SizeRule
	// CacheBytes bounds the memory for the BAT and the bitmaps; 0 means 2 MiB.
	CacheBytes int64
}

// Info describes an image.
type Info struct {
	Size         int64  // of the disk as it is presented, bytes
	CurrentSize  int64  // as the footer says in bytes
	GeometrySize int64  // as its geometry says
	Subformat    string // "fixed", "dynamic" or "differencing"
	BlockSize    int64  // bytes, 0 if fixed
	Creator      string // application code, four characters
	Created      time.Time
	UUID         string
	ParentUUID   string
	ParentNames  []string // as stored, may be hostile
	SavedState   bool
}

// An Image is an open VHD. It is a [block.Device].
type Image struct {
	r        block.Reader
	dev      block.Device // r, which may know of holes
	f        footer
	h        dynamicHeader
	size     int64
	dataEnd  int64        // where blocks must end: the last footer
	headOnly bool         // of the footers only the copy at the beginning is good
	table    *paged.Cache // nil if fixed
	names    []string
	parent   block.Device
	problems problem.List
	closed   atomic.Bool
}

// Open reads the footers of r. The errors wrap block.ErrFormat if r is no VHD,
// block.ErrParent for a differencing image without its parent, or another
// class of package block.
func Open(r block.Reader, opts *Options) (*Image, error) {
	if opts == nil {
		opts = &Options{}
	}
	im, err := open(r, opts)
	if err == nil && im.f.diskType == typeDifferencing {
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
	im, err := open(r, opts)
	if err != nil {
		return Info{}, nil, err
	}
	return im.Info(), im.Problems(), nil
}

// open is Open without the parent.
func open(r block.Reader, opts *Options) (*Image, error) {
	if opts == nil {
		opts = &Options{}
	}
	im := &Image{r: r, dev: block.Plain(r)}
	off, err := im.readFooter()
	if err != nil {
		return nil, err
	}
	if err := im.f.validate(off); err != nil {
		return nil, err
	}
	im.size = im.f.size(opts.Size)
	if im.size > im.f.most() {
		return nil, block.Errorf(format, "footer", off+0x38, block.ErrLimit, "a geometry of %d bytes", im.size)
	}
	if im.f.diskType == typeFixed {
		if im.size > im.dataEnd {
			if int64(im.f.currentSize) > im.dataEnd {
				return nil, block.Errorf(format, "disk", im.dataEnd, block.ErrTruncated, "the footer says %d bytes, %d are there", im.size, im.dataEnd)
			}
			im.size = im.dataEnd // the geometry rounds up past what is stored
		}
		im.problems.Add(im.f.doubt(off, im.size))
		return im, nil
	}
	if err := im.openDynamic(opts); err != nil {
		return nil, err
	}
	im.problems.Add(im.f.doubt(off, im.size))
	return im, nil
}

// readFooter finds the footer that counts: the copy at the beginning of a
// dynamic image, or the one at the end.
func (im *Image) readFooter() (off int64, err error) {
	size := im.r.Size()
	if size < oldFooterSize {
		return 0, block.Errorf(format, "footer", 0, block.ErrFormat, "a file of %d bytes", size)
	}
	var head, tail footer
	headErr := im.footerAt(&head, 0, min(size, footerSize))
	tailOff := size - min(size, footerSize)
	tailErr := im.footerAt(&tail, tailOff, min(size, footerSize))
	if errors.Is(tailErr, block.ErrFormat) {
		if e := im.footerAt(&tail, size-oldFooterSize, oldFooterSize); !errors.Is(e, block.ErrFormat) {
			tailOff, tailErr = size-oldFooterSize, e
		}
	}
	if errors.Is(tailErr, block.ErrFormat) { // behind it something fills up a sector, a tape or a page
		if at, err := im.padded(); err != nil {
			return 0, err
		} else if at >= 0 && im.counts(&head, headErr, at) {
			tailOff, tailErr = at, im.footerAt(&tail, at, footerSize)
			im.problems.Add(block.Errorf(format, "footer", at, block.ErrUnsupported, "%d bytes of zeros behind it are not used", size-at-footerSize))
		}
	}
	im.dataEnd = tailOff
	switch {
	case headErr == nil && tailErr == nil && head.diskType != typeFixed:
		if !head.agrees(&tail) {
			if err := head.validate(0); err != nil {
				return 0, err
			}
			return 0, block.Errorf(format, "footer", tailOff, block.ErrCorrupt, "it and its copy at the beginning are both intact and disagree")
		}
		im.f = head
		return 0, nil
	case tailErr == nil:
		im.f = tail
		if tail.diskType != typeFixed {
			im.problems.Add(block.Errorf(format, "footer copy", 0, block.ErrCorrupt, "it is bad (%v); the one at the end is used", headErr))
		}
		return tailOff, nil
	case headErr == nil && head.diskType != typeFixed:
		im.f, im.dataEnd, im.headOnly = head, size, true
		im.problems.Add(block.Errorf(format, "footer", tailOff, block.ErrCorrupt, "it is bad (%v); its copy at the beginning is used", tailErr))
		return 0, nil
	case !errors.Is(headErr, block.ErrFormat) && headErr != nil:
		return 0, headErr
	}
	return 0, tailErr
}

// counts reports whether a footer at off, behind which there are but zeros, can be the
// last one of the image. One that disagrees with a good copy at the beginning is data
// of a guest that lies behind the blocks where the last footer is gone.
func (im *Image) counts(head *footer, headErr error, off int64) bool {
	if headErr != nil || head.diskType == typeFixed {
		return true
	}
	var f footer
	return im.footerAt(&f, off, footerSize) == nil && head.agrees(&f)
}

// MaxPadding is how many bytes of zeros behind the footer are passed over.
const MaxPadding = 64 << 10

// padded looks for a footer behind which there are but zeros. It returns -1 if
// there is none.
func (im *Image) padded() (int64, error) {
	n := min(im.r.Size(), MaxPadding+footerSize)
	b, err := block.ReadBytes(im.r, im.r.Size()-n, n, n)
	if err != nil {
		return 0, block.Locate(format, "footer", im.r.Size()-n, err)
	}
	return max(im.r.Size()-n+Padded(b), -1), nil
}

// Padded finds a footer with a valid checksum near the end of a file that ends
// with b, with nothing but zeros behind it, and at a whole number of sectors from
// its start. It returns where in b, or a negative number.
func Padded(b []byte) int64 {
	end := len(bytes.TrimRight(b, "\x00"))
	// The footer itself ends with zeros: its last byte in use lies in its first 86.
	for at := max(end-footerSize, 0); at < end && at+footerSize <= len(b); at++ {
		if _, valid := IsFooter(b[at : at+footerSize]); valid {
			return int64(at)
		}
	}
	return -1 << 62
}

// footerAt reads the n bytes of a footer at off and checks that they are one.
func (im *Image) footerAt(f *footer, off, n int64) error {
	b := make([]byte, footerSize)
	if err := block.ReadFull(im.r, b[:n], off); err != nil {
		return block.Locate(format, "footer", off, err)
	}
	f.decode(b)
	if string(f.cookie[:]) != footerCookie {
		return block.Errorf(format, "footer", off, block.ErrFormat, "")
	}
	if sum := checksum(b, 0x40); sum != f.checksum {
		return block.Errorf(format, "footer", off+0x40, block.ErrCorrupt, "checksum %#08x, computed %#08x", f.checksum, sum)
	}
	return nil
}

// agrees compares what a reader depends on; the rest may lag behind in a copy.
func (f *footer) agrees(g *footer) bool {
	return f.version == g.version && f.dataOffset == g.dataOffset && f.currentSize == g.currentSize && f.diskType == g.diskType &&
		f.cylinders == g.cylinders && f.heads == g.heads && f.sectors == g.sectors && f.uniqueID == g.uniqueID && f.creatorApp == g.creatorApp
}

func (im *Image) openDynamic(opts *Options) error {
	off := im.f.dataOffset
	if off%sectorSize != 0 || off < footerSize || off > uint64(im.r.Size()) {
		return block.Errorf(format, "footer", 0x10, block.ErrCorrupt, "dynamic header at offset %#x", off)
	}
	b, err := block.ReadBytes(im.r, int64(off), dynamicSize, dynamicSize)
	if err != nil {
		return block.Locate(format, "dynamic header", int64(off), err)
	}
	im.h.decode(b)
	if sum := checksum(b, 0x24); string(im.h.cookie[:]) == dynamicCookie && sum != im.h.checksum {
		return block.Errorf(format, "dynamic header", int64(off)+0x24, block.ErrCorrupt, "checksum %#08x, computed %#08x", im.h.checksum, sum)
	}
	im.h.entries = im.h.need(im.size)
	if im.f.size(opts.Size) > int64(im.f.currentSize) && im.h.entries > int64(im.h.maxTableEntries) {
		im.size = int64(im.f.currentSize) // the geometry rounds up past the table
		im.h.entries = im.h.need(im.size)
	}
	if err := im.h.validate(int64(off), im.size, im.r.Size()); err != nil {
		return err
	}
	im.h.listed = min(int64(im.h.maxTableEntries), im.h.need(max(im.size, int64(im.f.currentSize), im.f.size(SizeGeometry))))
	budget := opts.CacheBytes
	if budget == 0 {
		budget = 2 << 20
	}
	im.table = paged.New(im.r, 4096, budget)
	if im.f.diskType != typeDifferencing {
		return nil
	}
	im.names, err = im.h.parentNames(im.r)
	return err
}

// shown is the size of the disk by the rule that shows the most of it.
func (im *Image) shown() int64 {
	size := max(im.size, int64(im.f.currentSize))
	if g := im.f.size(SizeGeometry); im.f.sectorsOfGeometry() < maxGeometry && im.h.need(g) <= int64(im.h.maxTableEntries) {
		size = max(size, g)
	}
	return size
}

func (im *Image) openParent(opener block.Opener) error {
	var err error
	im.parent, err = block.OpenParent(opener, block.Ref{Kind: "parent", Format: format, From: im.r}, im.names, func(d block.Device) (bool, error) {
		p, ok := d.(*Image)
		if ok && p.UUID() != im.h.parentID.String() {
			return false, fmt.Errorf("it has the unique ID %s, not %s", p.UUID(), im.h.parentID)
		}
		return ok, nil
	})
	if err != nil {
		return block.Locate(format, "dynamic header", int64(im.f.dataOffset)+0x28, err)
	}
	if m, ok := im.parent.(interface{ Modified() time.Time }); ok {
		if at := m.Modified(); !at.IsZero() {
			im.checkParentTime(at)
		}
	}
	return nil
}

// checkParentTime compares when the parent was written to with what the image
// says. Programs that write to a VHD leave its unique ID as it is, so this is
// all that tells of a parent that is not any more what it was; and copying a
// file can change its time, so it is no error.
func (im *Image) checkParentTime(modified time.Time) {
	const slack = 2 // seconds: file systems round
	said := int64(im.h.parentTime)
	own := int64(0) // some programs store when the parent was made
	if p, ok := block.Unwrap(im.parent).(*Image); ok {
		own = int64(p.f.timestamp)
	}
	if diff := int64(timestamp(modified)) - said; said == 0 || said == own || -slack <= diff && diff <= slack {
		return
	}
	im.problems.Add(block.Errorf(format, "dynamic header", int64(im.f.dataOffset)+0x38, block.ErrCorrupt,
		"the parent was last written to at %s, and not at %s as the image says: if its content was changed, the disk is not what it was",
		modified.UTC().Format(time.RFC3339), epoch.Add(time.Duration(said)*time.Second).Format(time.RFC3339)))
}

// UUID returns the unique ID of the image: what a child is checked against.
func (im *Image) UUID() string { return im.f.uniqueID.String() }

// Info describes the image.
func (im *Image) Info() Info {
	i := Info{Size: im.size, CurrentSize: int64(im.f.currentSize), GeometrySize: im.f.size(SizeGeometry), BlockSize: int64(im.h.blockSize),
		Creator: string(bytes.TrimRight(im.f.creatorApp[:], "\x00 ")), Created: epoch.Add(time.Duration(im.f.timestamp) * time.Second),
		UUID: im.UUID(), ParentNames: im.names, SavedState: im.f.savedState != 0}
	i.Subformat = map[uint32]string{typeFixed: "fixed", typeDynamic: "dynamic", typeDifferencing: "differencing"}[im.f.diskType]
	if im.f.diskType == typeDifferencing {
		i.ParentUUID = im.h.parentID.String()
	}
	return i
}

// Problems lists what is odd about the image and does not keep it from being
// read.
func (im *Image) Problems() []error { return im.problems.All() }

// Size is the size of the disk in bytes.
func (im *Image) Size() int64 { return im.size }

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
	stored  bool  // at hostOff
	hostOff int64
}

// entry returns where the bitmap of block i lies, with the block behind it, or
// -1 if it has none.
func (im *Image) entry(i int64) (bitmap int64, err error) {
	at := int64(im.h.tableOffset) + 4*i
	b, err := im.table.View(at, 4)
	if err != nil {
		return 0, block.Locate(format, "BAT", at, err)
	}
	e := binary.BigEndian.Uint32(b)
	if e == unused {
		return -1, nil
	}
	bs := int64(im.h.blockSize)
	bitmap = int64(e) * sectorSize
	need := bitmap + im.h.bitmapSize() + min(bs, max(im.size-i*bs, 0))
	if need > im.dataEnd {
		return 0, block.Errorf(format, "BAT", at, block.ErrTruncated, "block %d ends at %#x, the data at %#x", i, need, im.dataEnd)
	}
	tableEnd := int64(im.h.tableOffset) + 4*int64(im.h.maxTableEntries)
	headerEnd := int64(im.f.dataOffset) + dynamicSize
	if bitmap < footerSize || bitmap < headerEnd && need > int64(im.f.dataOffset) || bitmap < tableEnd && need > int64(im.h.tableOffset) {
		return 0, block.Errorf(format, "BAT", at, block.ErrCorrupt, "block %d at %#x lies over the headers or the BAT", i, bitmap)
	}
	return bitmap, nil
}

// listed is entry, and -1 for an entry that leads nowhere where only the other rule of
// size would show it: not all programs fill up the table.
func (im *Image) listed(i int64) (bitmap int64, err error) {
	bitmap, err = im.entry(i)
	if i >= im.h.entries && blocks.OfImage(err) {
		return -1, nil
	}
	return bitmap, err
}

// runAt returns the run that starts at off, which lies inside the disk.
func (im *Image) runAt(off int64) (run, error) {
	if im.table == nil {
		return run{im.size - off, true, off}, nil
	}
	bs := int64(im.h.blockSize)
	i, in := off/bs, off%bs
	n := min(bs-in, im.size-off)
	bitmap, err := im.entry(i)
	if err != nil {
		return run{}, err
	}
	if bitmap < 0 {
		return run{n: n}, nil
	}
	data := bitmap + im.h.bitmapSize()
	stored, sectors, err := im.table.BitRun(bitmap, in/sectorSize, (in+n+sectorSize-1)/sectorSize, paged.MostFirst)
	if err != nil {
		return run{}, block.Locate(format, "block bitmap", bitmap, err)
	}
	return run{min(n, sectors*sectorSize-in%sectorSize), stored, data + in}, nil
}

// ReadAt implements [io.ReaderAt].
func (im *Image) ReadAt(p []byte, off int64) (int, error) {
	if im.closed.Load() {
		return 0, os.ErrClosed
	}
	q, eof := block.Clip(p, off, im.size)
	for done := 0; done < len(q); {
		pos := off + int64(done)
		x, err := im.runAt(pos)
		if err != nil {
			return done, err
		}
		part := q[done:min(int64(len(q)), int64(done)+x.n)]
		switch {
		case x.stored:
			err = block.Locate(format, "block", x.hostOff, block.ReadFull(im.r, part, x.hostOff))
		case im.parent != nil:
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
	if off < 0 || off >= im.size {
		return block.Extent{}, io.EOF
	}
	x, err := im.runAt(off)
	if err != nil {
		return block.Extent{}, err
	}
	e := block.Extent{Off: off, Len: x.n}
	switch {
	case x.stored:
		h, err := im.dev.Extent(x.hostOff)
		if err != nil {
			return block.Extent{}, err
		}
		e.Len, e.Zero, e.Host, e.HostOff = min(x.n, h.Len), h.Zero, h.Host, h.HostOff
	case im.parent != nil:
		return block.ParentExtent(im.parent, e)
	default:
		e.Zero, e.Unset = true, true
	}
	return e, nil
}
