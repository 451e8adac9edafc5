package vmdk

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sort"
	"sync/atomic"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/problem"
)

// Options says how an image is opened. The zero value suits hostile input.
type Options struct {
	// Opener gives the extents and the parent that a descriptor names; nil
	// refuses all.
	Opener block.Opener
	// Extents gives the files that the descriptor in of names, for changes in place of
	// images in several files; the same one for the same name, and who gives it closes
	// it. Nil refuses such changes.
	Extents func(of block.Storage, name string) (block.Storage, error)
	// CacheBytes bounds the memory for tables and inflated grains of each
	// extent; 0 means 4 MiB.
	CacheBytes int64
}

func (o *Options) budget() int64 {
	if o.CacheBytes > 0 {
		return o.CacheBytes
	}
	return 4 << 20
}

func (o *Options) tableBudget() int64 { return o.budget() / 4 }
func (o *Options) grainBudget() int64 { return o.budget() / 4 * 3 }

// Info describes an image.
type Info struct {
	Size       int64  // of the disk, bytes
	Subformat  string // the createType
	GrainSize  int64  // bytes, of the first sparse extent; 0 if all are flat
	CID        uint32 // identity of the content
	ParentCID  uint32
	ParentName string // as stored, may be hostile; "" if none
	Adapter    string // the controller it was made for
	Compressed bool
	Version    uint32 // of the header of a sparse file with its descriptor inside, 0 for others
	Extents    []ExtentInfo
}

// An ExtentInfo is one line of the extent description.
type ExtentInfo struct {
	Kind string // "SPARSE", "FLAT" …
	Name string // as stored, may be hostile
	Size int64  // bytes
}

// An Image is an open VMDK. It is a [block.Device].
type Image struct {
	r        block.Reader
	d        *descriptor
	parts    []part
	size     int64
	info     Info
	parent   block.Device
	opened   []block.Device // by the Opener
	problems problem.List
	closed   atomic.Bool
}

// A part is one extent at its place on the disk.
type part struct {
	off, end int64
	dev      block.Device
}

// Open reads the descriptor of r, or the one inside it, and opens what it
// names. The errors wrap block.ErrFormat if r is no VMDK, block.ErrRefused for
// a reference that may not be followed, block.ErrParent for a delta disk
// without its parent, or another class of package block.
func Open(r block.Reader, opts *Options) (*Image, error) {
	if opts == nil {
		opts = &Options{}
	}
	im, err := describe(r, opts)
	if err != nil {
		return nil, err
	}
	if err = im.openParts(opts); err == nil && im.d != nil && im.d.parentCID != noParent {
		err = im.openParent(opts.Opener)
	}
	if err != nil {
		im.Close()
		return nil, err
	}
	return im, nil
}

// Describe returns what the image in r says about itself, and what is odd
// about it, without opening any file that it names.
func Describe(r block.Reader, opts *Options) (Info, []error, error) {
	if opts == nil {
		opts = &Options{}
	}
	im, err := describe(r, opts)
	if err != nil {
		return Info{}, nil, err
	}
	return im.info, im.problems.All(), nil
}

// describe opens the file itself. Where it is a descriptor alone, the parts are
// still missing.
func describe(r block.Reader, o *Options) (*Image, error) {
	im := &Image{r: r}
	head, err := block.ReadBytes(r, 0, min(4096, r.Size()), 4096)
	if err != nil {
		return nil, block.Locate(format, "header", 0, err)
	}
	switch {
	case len(head) >= 4 && string(head[:4]) == sparseMagic:
		err = im.describeHosted(o)
	case len(head) >= 4 && string(head[:4]) == cowdMagic:
		err = im.describeCOWD(o)
	case len(head) >= 8 && string(head[:8]) == "\xbe\xba\xfe\xca\x00\x00\x00\x00":
		err = block.Errorf(format, "seSparse header", 0, block.ErrParent, "this is the extent of a delta disk; open the descriptor that names it")
	case IsDescriptor(head) || isText(head):
		if err = im.describeText(); err != nil && !IsDescriptor(head) {
			err = block.Errorf(format, "header", 0, block.ErrFormat, "and the text is no descriptor: %v", err)
		}
	default:
		err = block.Errorf(format, "header", 0, block.ErrFormat, "")
	}
	if err != nil {
		return nil, err
	}
	if im.d != nil {
		im.fillInfo()
	}
	return im, nil
}

// describeHosted opens a sparse file with its descriptor inside.
func (im *Image) describeHosted(o *Options) error {
	g, h, text, err := openHosted(im.r, o, &im.problems)
	if err != nil {
		return err
	}
	if len(bytes.Trim(text, "\x00")) == 0 {
		return block.Errorf(format, "sparse header", 0x1c, block.ErrUnsupported, "this is one extent of a disk, without a descriptor; open the descriptor that names it")
	}
	if im.d, err = parseDescriptor(text); err != nil {
		return err
	}
	if len(im.d.extents) != 1 || im.d.extents[0].kind != kindSparse {
		return block.Errorf(format, "descriptor", int64(h.descriptorOffset)*sectorSize, block.ErrUnsupported, "the descriptor inside a sparse file names other extents")
	}
	if size := im.d.extents[0].size; size != g.size {
		im.problems.Add(block.Errorf(format, "descriptor", int64(h.descriptorOffset)*sectorSize, block.ErrCorrupt, "it says %d bytes, the header %d; the header counts", size, g.size))
	}
	im.info.GrainSize, im.info.Compressed, im.info.Version = g.grain, g.inf != nil, h.version
	im.add(g, g.size)
	return nil
}

// describeCOWD opens a vmfsSparse extent alone, which is a whole disk only if
// it says that it is a root.
func (im *Image) describeCOWD(o *Options) error {
	g, h, err := openCOWD(im.r, o, &im.problems)
	if err != nil {
		return err
	}
	if h.flags&cowdRoot == 0 {
		return block.Errorf(format, "COWD header", 0x08, block.ErrParent, "this is the extent of a delta disk; open the descriptor that names it")
	}
	im.info = Info{Subformat: "vmfsSparse", GrainSize: g.grain, ParentCID: noParent}
	im.add(g, g.size)
	im.info.Size = im.size
	return nil
}

// describeText reads a descriptor file.
func (im *Image) describeText() error {
	if im.r.Size() > MaxDescriptor {
		return block.Errorf(format, "descriptor", 0, block.ErrLimit, "%d bytes, at most %d are read", im.r.Size(), MaxDescriptor)
	}
	text, err := block.ReadBytes(im.r, 0, im.r.Size(), MaxDescriptor)
	if err != nil {
		return block.Locate(format, "descriptor", 0, err)
	}
	im.d, err = parseDescriptor(text)
	return err
}

func (im *Image) fillInfo() {
	d := im.d
	im.info.Subformat, im.info.CID, im.info.ParentCID = d.createType, d.cid, d.parentCID
	im.info.Adapter = d.ddb["ddb.adapterType"]
	if d.parentCID != noParent {
		im.info.ParentName = d.parentHint
	}
	size := int64(0)
	for _, e := range d.extents {
		im.info.Extents = append(im.info.Extents, ExtentInfo{Kind: e.kind, Name: e.file, Size: e.size})
		size += e.size
	}
	im.info.Size = size
	if len(im.parts) > 0 {
		im.info.Size = im.size
	}
	for _, what := range d.odd {
		im.problems.Add(block.Errorf(format, "descriptor", -1, block.ErrUnsupported, "%s; it is not used", what))
	}
}

// openParts opens the extents that a descriptor file names.
func (im *Image) openParts(o *Options) error {
	if len(im.parts) > 0 {
		return nil
	}
	for _, e := range im.d.extents {
		dev, err := im.openExtent(e, o)
		if err != nil {
			return block.Locate(format, fmt.Sprintf("extent of descriptor line %d", e.line), -1, err)
		}
		im.add(dev, e.size)
	}
	im.info.Size = im.size
	return nil
}

func (im *Image) add(dev block.Device, size int64) {
	im.parts = append(im.parts, part{im.size, im.size + size, dev})
	im.size += size
}

// ofThisDisk refuses an extent that was written for another descriptor, where both
// say for which: a fault may leave parts of two disks side by side. The content ID
// does not tell, since it changes with every use of the disk.
func (im *Image) ofThisDisk(h *sparseHeader) error {
	want, err := parseCID(im.d.ddb["ddb."+setKey])
	if err != nil || h.set == 0 || h.set == want {
		return nil
	}
	return block.Errorf(format, "sparse header", 0x54, block.ErrCorrupt, "it is of the set %08x, and the descriptor of %08x: the file is a part of another disk", h.set, want)
}

func (im *Image) openExtent(e extentLine, o *Options) (block.Device, error) {
	if e.kind == kindZero {
		return zeros(e.size), nil
	}
	if e.access == "NOACCESS" {
		return nil, fmt.Errorf("%w: an extent without access", block.ErrUnsupported)
	}
	if err := checkName(e.file); err != nil {
		return nil, err
	}
	if o.Opener == nil {
		return nil, fmt.Errorf("%w: %.80q", block.ErrRefused, e.file)
	}
	file, err := o.Opener(block.Ref{Kind: "extent", Name: e.file, Format: "raw", From: im.r})
	if err != nil {
		return nil, err
	}
	im.opened = append(im.opened, file)
	var g *grains
	switch e.kind {
	case kindFlat, kindVMFS:
		if e.off > file.Size() || e.size > file.Size()-e.off {
			return nil, fmt.Errorf("%w: %d bytes from %d on, the file %.80q has %d", block.ErrTruncated, e.size, e.off, e.file, file.Size())
		}
		return block.Section(file, e.off, e.size), nil
	case kindSparse:
		var h *sparseHeader
		if g, h, _, err = openHosted(file, o, &im.problems); err == nil {
			err = im.ofThisDisk(h)
		}
	case kindVMFSSparse:
		g, _, err = openCOWD(file, o, &im.problems)
	case kindSESparse:
		g, err = openSESparse(file, o)
	}
	if err != nil {
		return nil, fmt.Errorf("%.80q: %w", e.file, err)
	}
	if g.size < e.size {
		return nil, fmt.Errorf("%w: %.80q has %d bytes of the disk, the descriptor says %d", block.ErrCorrupt, e.file, g.size, e.size)
	}
	g.size = e.size
	if im.info.GrainSize == 0 {
		im.info.GrainSize, im.info.Compressed = g.grain, g.inf != nil
	}
	return g, nil
}

func (im *Image) openParent(opener block.Opener) error {
	var names []string
	if im.d.parentHint != "" {
		names = []string{im.d.parentHint}
	}
	var err error
	im.parent, err = block.OpenParent(opener, block.Ref{Kind: "parent", Format: format, From: im.r}, names, func(d block.Device) (bool, error) {
		p, ok := d.(*Image)
		if second, two := im.d.second(); two && ok && p.CID() == second {
			return true, nil
		}
		if ok && p.CID() != im.d.parentCID {
			return false, fmt.Errorf("its content ID is %08x, not %08x: it was written to, or it is another disk", p.CID(), im.d.parentCID)
		}
		return ok && im.d.parentCID != 0, nil
	})
	return block.Locate(format, "descriptor", -1, err)
}

// CID is the identity of the content: what a child is checked against.
func (im *Image) CID() uint32 { return im.info.CID }

// Info describes the image.
func (im *Image) Info() Info { return im.info }

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
	err := block.Close(im.parent)
	for _, d := range im.opened {
		if e := block.Close(d); err == nil {
			err = e
		}
	}
	return err
}

// partAt returns the extent that holds off, which lies inside the disk.
func (im *Image) partAt(off int64) *part {
	return &im.parts[sort.Search(len(im.parts), func(i int) bool { return im.parts[i].end > off })]
}

// ReadAt implements [io.ReaderAt].
func (im *Image) ReadAt(p []byte, off int64) (int, error) {
	if im.closed.Load() {
		return 0, os.ErrClosed
	}
	q, eof := block.Clip(p, off, im.size)
	for done := 0; done < len(q); {
		pos := off + int64(done)
		x := im.partAt(pos)
		part := q[done:min(int64(len(q)), int64(done)+x.end-pos)]
		n, err := im.readPart(x, part, pos)
		if err != nil {
			return done, err
		}
		done += n
	}
	return len(q), eof
}

// readPart reads what one extent or the parent holds, and returns how much of p
// that was.
func (im *Image) readPart(x *part, p []byte, pos int64) (int, error) {
	if im.parent == nil {
		return len(p), block.Locate(format, "extent", pos-x.off, block.ReadFull(x.dev, p, pos-x.off))
	}
	e, err := x.dev.Extent(pos - x.off)
	if err != nil {
		return 0, err
	}
	p = p[:min(int64(len(p)), e.Len)]
	if e.Unset {
		return len(p), block.ReadParent(im.parent, p, pos)
	}
	return len(p), block.Locate(format, "extent", pos-x.off, block.ReadFull(x.dev, p, pos-x.off))
}

// Extent implements [block.Device].
func (im *Image) Extent(off int64) (block.Extent, error) {
	if im.closed.Load() {
		return block.Extent{}, os.ErrClosed
	}
	if off < 0 || off >= im.size {
		return block.Extent{}, io.EOF
	}
	x := im.partAt(off)
	e, err := x.dev.Extent(off - x.off)
	if err != nil {
		return block.Extent{}, err
	}
	e.Off = off
	e.Len = min(e.Len, x.end-off)
	if e.Unset && im.parent != nil {
		return block.ParentExtent(im.parent, block.Extent{Off: off, Len: e.Len})
	}
	return e, nil
}
