package vdi

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/paged"
	"github.com/guestkit/guestkit/internal/problem"
)

// Options says how an image is opened. The zero value suits hostile input.
type Options struct {
	// Opener gives the parent of a differencing image. A VDI does not name a
	// file: the Ref's Name is the UUID of the parent. Nil refuses, and a
	// differencing image is then block.ErrParent.
	Opener block.Opener
	// CacheBytes bounds the memory for the block map; 0 means 1 MiB.
	CacheBytes int64
}

// Info describes an image.
type Info struct {
	Size            int64  // of the disk, bytes
	BlockSize       int64  // bytes
	Subformat       string // "dynamic", "static" or "differencing"
	Comment         string // as stored, may hold any bytes
	BlocksAllocated int64  // as the header says
	UUID            string
	ParentUUID      string // "" if none
}

// An Image is an open VDI. It is a [block.Device].
type Image struct {
	r        block.Reader
	dev      block.Device // r, which may know of holes
	h        header
	bmap     *paged.Cache
	parent   block.Device
	problems problem.List
	closed   atomic.Bool
}

// Open reads the header of r. The errors wrap block.ErrFormat if r is no VDI,
// block.ErrParent for a differencing image without its parent, or another
// class of package block.
func Open(r block.Reader, opts *Options) (*Image, error) {
	if opts == nil {
		opts = &Options{}
	}
	im, err := open(r, opts)
	if err == nil && im.h.differencing() {
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
	b := make([]byte, headerSize)
	if r.Size() < headerSize {
		return nil, block.Errorf(format, "header", 0, block.ErrFormat, "a file of %d bytes", r.Size())
	}
	if err := block.ReadFull(r, b, 0); err != nil {
		return nil, block.Locate(format, "header", 0, err)
	}
	im := &Image{r: r, dev: block.Plain(r)}
	im.h.decode(b)
	if err := im.h.validate(); err != nil {
		return nil, err
	}
	if end := int64(im.h.offBlocks) + 4*int64(im.h.blocks); end > r.Size() {
		return nil, block.Errorf(format, "block map", int64(im.h.offBlocks), block.ErrTruncated, "it ends at %#x, the file at %#x", end, r.Size())
	}
	budget := opts.CacheBytes
	if budget == 0 {
		budget = 1 << 20
	}
	im.bmap = paged.New(r, 4096, budget)
	return im, nil
}

func (im *Image) openParent(opener block.Opener) error {
	id := im.h.uuidLinkage
	if id.IsZero() {
		id = im.h.uuidParent
	}
	if opener == nil {
		return block.Errorf(format, "header", 0x1a8, block.ErrParent, "the image holds only the changes to the image with UUID %s", id)
	}
	parent, err := opener(block.Ref{Kind: "parent", Name: id.String(), Format: format, From: im.r})
	if err != nil {
		return block.Errorf(format, "header", 0x1a8, fmt.Errorf("%w: UUID %s: %w", block.ErrParent, id, err), "")
	}
	if p, ok := parent.(interface {
		UUIDs() (create, modify string)
	}); ok {
		create, modify := p.UUIDs()
		if create != im.h.uuidLinkage.String() {
			block.Close(parent)
			return block.Errorf(format, "header", 0x1a8, block.ErrParent, "the parent given has UUID %s, not %s", create, im.h.uuidLinkage)
		}
		if !im.h.uuidParent.IsZero() && modify != im.h.uuidParent.String() {
			im.problems.Add(block.Errorf(format, "header", 0x1b8, block.ErrChanged, "the parent was written to after this image was made of it"))
		}
	}
	im.parent = parent
	return nil
}

// UUIDs returns the identity of the image and that of its content, which
// VirtualBox changes when it writes: what a child is checked against.
func (im *Image) UUIDs() (create, modify string) {
	return im.h.uuidCreate.String(), im.h.uuidModify.String()
}

// Info describes the image.
func (im *Image) Info() Info {
	i := Info{Size: im.Size(), BlockSize: int64(im.h.cbBlock), BlocksAllocated: int64(im.h.blocksAllocated), UUID: im.h.uuidCreate.String()}
	i.Subformat = map[uint32]string{typeDynamic: "dynamic", typeStatic: "static", typeDiff: "differencing"}[im.h.imageType]
	comment, _, _ := bytes.Cut(im.h.comment[:], []byte{0})
	i.Comment = string(comment)
	if im.h.differencing() {
		i.ParentUUID = im.h.uuidLinkage.String()
	}
	return i
}

// Problems lists what is odd about the image and does not keep it from being
// read.
func (im *Image) Problems() []error { return im.problems.All() }

// Size is the size of the disk in bytes.
func (im *Image) Size() int64 { return int64(im.h.cbDisk) }

// Close closes what the Opener returned. The Reader that Open was given stays
// open.
func (im *Image) Close() error {
	if im.closed.Swap(true) {
		return nil
	}
	return block.Close(im.parent)
}

// entry returns what the block map says of block i: where its n first bytes
// lie in the file, or that they are not stored.
func (im *Image) entry(i int64, n int64) (hostOff int64, e uint32, err error) {
	at := int64(im.h.offBlocks) + 4*i
	b, err := im.bmap.View(at, 4)
	if err != nil {
		return 0, 0, block.Locate(format, "block map", at, err)
	}
	e = binary.LittleEndian.Uint32(b)
	if e >= blockZero {
		return 0, e, nil
	}
	hostOff = int64(im.h.offData) + int64(e)*int64(im.h.cbBlock) // below 2^32 + 2^32 x 2^26
	if hostOff > im.r.Size() || n > im.r.Size()-hostOff {
		return 0, 0, block.Errorf(format, "block map", at, block.ErrTruncated, "block %d lies at %#x, past the end of the file at %#x", i, hostOff, im.r.Size())
	}
	return hostOff, e, nil
}

// blockAt returns the block that holds off, where that is in it, and how many
// bytes of it the disk has.
func (im *Image) blockAt(off int64) (i, in, n int64) {
	bs := int64(im.h.cbBlock)
	i = off / bs
	return i, off % bs, min(bs, im.Size()-i*bs)
}

// ReadAt implements [io.ReaderAt].
func (im *Image) ReadAt(p []byte, off int64) (int, error) {
	if im.closed.Load() {
		return 0, os.ErrClosed
	}
	q, eof := block.Clip(p, off, im.Size())
	for done := 0; done < len(q); {
		i, in, n := im.blockAt(off + int64(done))
		part := q[done:min(len(q), done+int(n-in))]
		hostOff, e, err := im.entry(i, n)
		if err == nil {
			switch {
			case e == blockFree && im.parent != nil:
				err = block.ReadParent(im.parent, part, off+int64(done))
			case e >= blockZero:
				clear(part)
			default:
				err = block.Locate(format, "block", hostOff, block.ReadFull(im.r, part, hostOff+in))
			}
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
	if off < 0 || off >= im.Size() {
		return block.Extent{}, io.EOF
	}
	i, in, n := im.blockAt(off)
	hostOff, e, err := im.entry(i, n)
	if err != nil {
		return block.Extent{}, err
	}
	x := block.Extent{Off: off, Len: n - in}
	switch {
	case e == blockFree && im.parent != nil:
		return block.ParentExtent(im.parent, x)
	case e == blockFree:
		x.Zero, x.Unset = true, true
	case e == blockZero:
		x.Zero = true
	default:
		h, err := im.dev.Extent(hostOff + in)
		if err != nil {
			return block.Extent{}, err
		}
		x.Len, x.Zero, x.Host, x.HostOff = min(x.Len, h.Len), h.Zero, h.Host, h.HostOff
	}
	return x, nil
}
