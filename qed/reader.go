package qed

import (
	"encoding/binary"
	"io"
	"os"
	"sync/atomic"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/paged"
	"github.com/guestkit/guestkit/internal/problem"
)

// Options says how an image is opened. The zero value suits hostile input: it
// follows no reference.
type Options struct {
	// Opener opens the backing file. Nil refuses: an image that has one gives an
	// error that wraps block.ErrRefused.
	Opener block.Opener
	// BackingFormat is that of a backing file whose format the image does not
	// state; it can state raw alone. Where it is empty too, the Ref says none.
	BackingFormat string
	// CacheBytes bounds the memory for the tables; 0 means 1 MiB.
	CacheBytes int64
}

// Info describes an image.
type Info struct {
	Size          int64  // of the disk, bytes
	ClusterSize   int64  // bytes
	TableSize     int    // clusters
	Subformat     string // "", there is one kind
	Backing       string // the name of the backing file as stored, "" if there is none
	BackingFormat string // "raw" or, where the image does not say, ""
	Dirty         bool   // it was not closed
}

// An Image is an open QED image. It is a [block.Device].
type Image struct {
	r        block.Reader
	dev      block.Device // r, which may know of holes
	h        header
	name     string // of the backing file
	tables   *paged.Cache
	backing  block.Device // nil if there is none
	problems problem.List
	closed   atomic.Bool
}

// Open reads the header of r. The errors wrap block.ErrFormat if r is no QED
// image, block.ErrRefused for a backing file that no Opener opens, or another
// class of package block.
func Open(r block.Reader, opts *Options) (*Image, error) {
	if opts == nil {
		opts = &Options{}
	}
	im, err := open(r, opts)
	if err == nil && im.name != "" {
		err = im.openBacking(opts)
	}
	if err != nil {
		return nil, err
	}
	return im, nil
}

// Describe returns what the image in r says about itself, and what is odd
// about it, without its backing file.
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

// open is Open without the backing file.
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
	if err := im.h.validate(r.Size()); err != nil {
		return nil, err
	}
	if im.h.features&featureBacking != 0 {
		at := int64(im.h.backingNameOffset)
		name, err := block.ReadBytes(r, at, int64(im.h.backingNameSize), maxBackingName)
		if err != nil {
			return nil, block.Locate(format, "backing file name", at, err)
		}
		if im.name = string(name); im.name == "" {
			return nil, block.Errorf(format, "header", 0x3c, block.ErrCorrupt, "the backing file has no name")
		}
	}
	if im.h.dirty() {
		im.problems.Add(block.Errorf(format, "header", 0x10, block.ErrCorrupt, "the image was not closed: its tables may not be what was written last"))
	}
	budget := opts.CacheBytes
	if budget == 0 {
		budget = 1 << 20
	}
	im.tables = paged.New(r, tablePage, budget)
	return im, nil
}

func (im *Image) openBacking(opts *Options) error {
	ref := block.Ref{Kind: "backing file", Name: im.name, Format: im.backingFormat(), From: im.r}
	if ref.Format == "" {
		ref.Format = opts.BackingFormat
	}
	d, err := block.OpenReference(opts.Opener, format, ref)
	im.backing = d
	return err
}

func (im *Image) backingFormat() string {
	if im.h.features&featureBackingRaw != 0 {
		return "raw"
	}
	return ""
}

// Info describes the image.
func (im *Image) Info() Info {
	i := Info{Size: im.Size(), ClusterSize: int64(im.h.clusterSize), TableSize: int(im.h.tableSize), Backing: im.name, Dirty: im.h.dirty()}
	if i.Backing != "" {
		i.BackingFormat = im.backingFormat()
	}
	return i
}

// Problems lists what is odd about the image and does not keep it from being
// read.
func (im *Image) Problems() []error { return im.problems.All() }

// Size is the size of the disk in bytes.
func (im *Image) Size() int64 { return int64(im.h.imageSize) }

// Close closes what the Opener returned. The Reader that Open was given stays
// open.
func (im *Image) Close() error {
	if im.closed.Swap(true) {
		return nil
	}
	return block.Close(im.backing)
}

// tablePage is how much of a table is read at a time: a piece of one cluster.
const tablePage = 4096

// A kind is what a table says of a run of clusters.
type kind int

const (
	unallocated kind = iota // zeros, or the backing file
	zero
	data
)

// A run is n bytes of the disk that are of one kind and, if that is data, lie
// one behind the other at host in the file.
type run struct {
	kind kind
	n    int64
	host int64
}

// entry reads an entry of a table, which is called what.
func (im *Image) entry(what string, table, i int64) (e uint64, at int64, err error) {
	at = table + 8*i
	b, err := im.tables.View(at, 8)
	if err != nil {
		return 0, at, block.Locate(format, what, at, err)
	}
	return binary.LittleEndian.Uint64(b), at, nil
}

// l2Table returns where the L2 table of entry i of the L1 table lies, 0 if there is none.
func (im *Image) l2Table(i int64) (off, at int64, err error) {
	e, at, err := im.entry("L1 table", int64(im.h.l1TableOffset), i)
	if err != nil || e == 0 {
		return 0, at, err
	}
	return int64(e), at, im.valid("L1 table", at, e, im.h.tableBytes())
}

// valid says what is wrong with an entry at at that leads to n bytes at e.
func (im *Image) valid(what string, at int64, e uint64, n int64) error {
	l1 := im.h.l1TableOffset
	switch {
	case e%uint64(im.h.clusterSize) != 0:
		return block.Errorf(format, what, at, block.ErrCorrupt, "it leads to the unaligned offset %#x", e)
	case e < uint64(im.h.dataStart()):
		return block.Errorf(format, what, at, block.ErrCorrupt, "it leads to %#x, inside the header", e)
	case e > uint64(im.r.Size()) || n > im.r.Size()-int64(e):
		return block.Errorf(format, what, at, block.ErrTruncated, "it leads to %#x, past the end of the file at %#x", e, im.r.Size())
	case e < l1+uint64(im.h.tableBytes()) && e+uint64(n) > l1:
		return block.Errorf(format, what, at, block.ErrCorrupt, "it leads to %#x, inside the L1 table", e)
	}
	return nil
}

// cluster returns what the L2 table says of its entry i, which is the cluster
// of the disk at off.
func (im *Image) cluster(table, i, off int64) (kind, int64, int64, error) {
	e, at, err := im.entry("L2 table", table, i)
	switch {
	case err != nil:
		return 0, 0, at, err
	case e == 0:
		return unallocated, 0, at, nil
	case e == 1:
		return zero, 0, at, nil
	}
	return data, int64(e), at, im.valid("L2 table", at, e, min(int64(im.h.clusterSize), im.Size()-off))
}

// lookup returns the run that begins at off, which lies on the disk. It is at
// most want bytes long, and may end before its kind does.
func (im *Image) lookup(off, want int64) (run, error) {
	size := int64(im.h.clusterSize)
	span := size * im.h.entries() // of the disk, for one L2 table
	table, _, err := im.l2Table(off / span)
	if err != nil {
		return run{}, err
	}
	end := im.Size() // of what is looked at
	if rest := span - off%span; rest < end-off {
		end = off + rest
	}
	if table == 0 {
		return run{n: min(want, end-off)}, nil
	}
	var found run
	for at := off; at < end && found.n < want; {
		in := at % size
		k, host, entryAt, err := im.cluster(table, at%span/size, at-in)
		switch {
		case err != nil && at == off:
			return run{}, err
		case err != nil:
			return found, nil // the error is that of the next run
		case at == off:
			found.kind, found.host = k, host+in
		case k != found.kind || k == data && host != found.host+found.n:
			return found, nil
		}
		n := min(size-in, end-at)
		found.n, at = found.n+n, at+n
		if entryAt%tablePage == tablePage-8 {
			break // the next entry is on another page
		}
	}
	found.n = min(found.n, want)
	return found, nil
}

// ReadAt implements [io.ReaderAt].
func (im *Image) ReadAt(p []byte, off int64) (int, error) {
	if im.closed.Load() {
		return 0, os.ErrClosed
	}
	q, eof := block.Clip(p, off, im.Size())
	for done := 0; done < len(q); {
		pos := off + int64(done)
		r, err := im.lookup(pos, int64(len(q)-done))
		if err == nil {
			part := q[done : done+int(r.n)]
			switch {
			case r.kind == unallocated && im.backing != nil:
				err = block.Locate(format, "backing file", pos, block.ReadParent(im.backing, part, pos))
			case r.kind == data:
				err = block.Locate(format, "data cluster", r.host, block.ReadFull(im.r, part, r.host))
			default:
				clear(part)
			}
		}
		if err != nil {
			return done, err
		}
		done += int(r.n)
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
	r, err := im.lookup(off, im.Size()-off)
	if err != nil {
		return block.Extent{}, err
	}
	x := block.Extent{Off: off, Len: r.n}
	switch {
	case r.kind == unallocated && im.backing != nil:
		return block.ParentExtent(im.backing, x)
	case r.kind == unallocated:
		x.Zero, x.Unset = true, true
	case r.kind == zero:
		x.Zero = true
	default:
		h, err := im.dev.Extent(r.host)
		if err != nil {
			return block.Extent{}, err
		}
		x.Len, x.Zero, x.Host, x.HostOff = min(x.Len, h.Len), h.Zero, h.Host, h.HostOff
	}
	return x, nil
}

var (
	_ block.Device = (*Image)(nil)
	_ io.Closer    = (*Image)(nil)
)
