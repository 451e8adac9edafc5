package qcow2

import (
	"errors"
	"io"
	"os"
	"sync/atomic"

	"github.com/guestkit/guestkit/block"
)

// Options says how to open an image. The zero value suits hostile input: it
// follows no reference.
type Options struct {
	// Opener opens the backing file and the external data file. Nil refuses
	// both: an image that needs one gives an error that wraps
	// block.ErrRefused.
	Opener block.Opener
	// BackingFormat is that of a backing file whose format the image does not
	// state. Where it is empty too, the Ref says none, and the Opener decides;
	// it must not take such a file for what its content looks like, since a
	// guest may have written that.
	BackingFormat string
	// Snapshot opens the disk as it was in the internal snapshot of that id,
	// or else of that name; snapshot.id=ID and snapshot.name=NAME look at one of
	// the two alone. Empty is the active state.
	Snapshot string
	// Unlock gives the key of an encrypted image. Nil refuses: its error wraps
	// block.ErrEncrypted. The key of one with AES (method 1) cannot be checked:
	// the first that is given is taken.
	Unlock block.Unlock
	// Limits bounds what the image may ask for.
	Limits Limits
	// CacheBytes bounds the memory for tables and inflated clusters; 0 means
	// 40 MiB.
	CacheBytes int64
}

func (o *Options) budget() int64 {
	if o.CacheBytes > 0 {
		return o.CacheBytes
	}
	return 40 << 20
}

func (o *Options) tableBudget() int64   { return o.budget() / 5 * 4 }
func (o *Options) clusterBudget() int64 { return o.budget() / 5 }

// An Image is an open qcow2 image: the virtual disk that it holds. It is
// immutable and safe for concurrent use.
type Image struct {
	*metadata
	size    int64 // of the virtual disk as it is opened
	l1      span
	meta    *metadataMap
	tables  *tableCache
	inflate *inflater
	crypt   *decryption // nil if the data is not encrypted
	// data holds the clusters: the image itself or its data file. host is the
	// same as a Device, for where its bytes lie further down.
	data    block.Reader
	host    block.Device
	backing block.Device // nil if there is none
	closed  atomic.Bool
}

// Open opens the image in r. It returns an error that wraps block.ErrFormat if
// r holds no qcow2 image.
func Open(r block.Reader, opts *Options) (*Image, error) {
	if opts == nil {
		opts = &Options{}
	}
	m, err := readMetadata(r, opts)
	if err != nil {
		return nil, err
	}
	im := &Image{
		metadata: m,
		size:     int64(m.hdr.size),
		l1:       span{start: int64(m.hdr.l1TableOffset), end: int64(m.hdr.l1TableOffset) + int64(m.hdr.l1Size)*8},
		tables:   newTableCache(r, m.hdr.clusterSize(), opts.tableBudget()),
		inflate:  newInflater(m, opts.clusterBudget()),
	}
	if opts.Snapshot != "" {
		s, err := findSnapshot(m.snapshots, opts.Snapshot)
		if err == nil {
			err = m.validateSnapshot(s)
		}
		if err != nil {
			return nil, block.Locate(format, "snapshot", -1, err)
		}
		im.size = s.DiskSize
		im.l1 = span{start: int64(s.l1Offset), end: int64(s.l1Offset) + int64(s.l1Size)*8}
	}
	if im.meta, err = m.metadataMap(im.l1); err != nil {
		return nil, err
	}
	if im.crypt, err = m.openDecryption(opts); err != nil {
		return nil, err
	}
	if err := im.openReferences(opts); err != nil {
		im.Close()
		return nil, err
	}
	return im, nil
}

// openReferences opens the data file and the backing file, where the image has
// them.
func (im *Image) openReferences(opts *Options) error {
	im.data = im.r
	im.host = block.Plain(im.r)
	if im.hdr.dataFile() {
		if im.ext.dataFile == "" {
			return block.Errorf(format, "data file", -1, block.ErrParent, "the image does not name it")
		}
		d, err := block.OpenReference(opts.Opener, format, block.Ref{Kind: "data file", Name: im.ext.dataFile, Format: "raw", From: im.r})
		if err != nil {
			return err
		}
		im.data, im.host = d, d
	}
	if im.metadata.backing == "" {
		return nil
	}
	ref := block.Ref{Kind: "backing file", Name: im.metadata.backing, Format: im.ext.backingFormat, From: im.r}
	if ref.Format == "" {
		ref.Format = opts.BackingFormat
	}
	d, err := block.OpenReference(opts.Opener, format, ref)
	im.backing = d
	return err
}

// Size returns the size of the virtual disk in bytes.
func (im *Image) Size() int64 { return im.size }

// Info returns what the image says about itself.
func (im *Image) Info() Info { return im.info() }

// Problems returns what was found to be odd when the image was opened.
func (im *Image) Problems() []error { return im.problems.All() }

// Close closes the backing file and the data file, not the Reader that the
// image was opened from.
func (im *Image) Close() error {
	if im.closed.Swap(true) {
		return nil
	}
	var errs []error
	if c, ok := im.backing.(io.Closer); ok {
		errs = append(errs, c.Close())
	}
	if c, ok := im.data.(io.Closer); ok && im.hdr.dataFile() {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// ReadAt implements io.ReaderAt on the virtual disk.
func (im *Image) ReadAt(p []byte, off int64) (int, error) {
	if im.closed.Load() {
		return 0, os.ErrClosed
	}
	q, eof := block.Clip(p, off, im.size)
	for done := 0; done < len(q); {
		pos := off + int64(done)
		run, err := im.lookup(pos, int64(len(q)-done))
		if err != nil {
			return done, err
		}
		part := q[done:min(int64(len(q)), int64(done)+run.n)]
		if err := im.readRun(part, pos, run); err != nil {
			return done, err
		}
		done += len(part)
	}
	return len(q), eof
}

// readRun fills p, which lies inside the run at off.
func (im *Image) readRun(p []byte, off int64, run run) error {
	switch run.kind {
	case kindUnallocated:
		return im.readBacking(p, off)
	case kindZero:
		clear(p)
		return nil
	case kindCompressed:
		if im.crypt != nil {
			return block.Errorf(format, "L2 table entry", run.entry, block.ErrUnsupported, "a compressed cluster in an encrypted image")
		}
		return im.inflate.read(p, off, run)
	}
	if im.crypt != nil {
		return block.Locate(format, "data cluster", run.host, im.crypt.read(im.data, p, off, run.host))
	}
	return block.Locate(format, "data cluster", run.host, block.ReadFull(im.data, p, run.host))
}

// readBacking reads from the backing file, and zeros past its end.
func (im *Image) readBacking(p []byte, off int64) error {
	n := 0
	if im.backing != nil {
		n = int(min(max(im.backing.Size()-off, 0), int64(len(p))))
	}
	clear(p[n:])
	if n == 0 {
		return nil
	}
	return block.Locate(format, "backing file", off, block.ReadFull(im.backing, p[:n], off))
}

var (
	_ block.Device = (*Image)(nil)
	_ io.Closer    = (*Image)(nil)
)
