package vmdk

import (
	"bytes"
	"context"
	"fmt"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/overlays"
)

// An edited image is changed in place: its descriptor, and its extents in the order of
// the disk.
type edited struct {
	f    block.Storage
	im   *Image // as it was, without its parent
	text interface {
		withKeys(keys ...[2]string) (old, now []byte, err error)
		setKeys(keys ...[2]string) error
	}
	extents []extent
	opts    *Options // with an Opener of extents that are open already
}

// An extent is a part of the disk that is written to: to a sparse file, or to a flat
// one. Others are not, and why is said.
type extent struct {
	off, size int64
	sparse    *editor
	flat      block.Storage
	at        int64 // where a flat one begins in its file
	zeros     bool  // of the kind ZERO
	why       string
}

// editAll opens an image for changes in place, in one file or in several.
func editAll(ctx context.Context, f block.Storage, opts *Options) (*edited, error) {
	if opts == nil {
		opts = &Options{}
	}
	im, err := describe(f, opts)
	if err != nil {
		return nil, err
	}
	if len(im.parts) > 0 {
		im, s, err := edit(ctx, f, opts)
		if err != nil {
			return nil, err
		}
		return &edited{f: f, im: im, text: s, extents: []extent{{size: im.size, sparse: s}}, opts: opts}, nil
	}
	if opts.Extents == nil {
		return nil, notInPlace("descriptor", "a %s image in several files, without Options.Extents", im.info.Subformat)
	}
	if _, ok := f.(replacer); !ok {
		return nil, notInPlace("descriptor", "one that cannot be replaced")
	}
	text := textFile{f}
	b, err := text.read()
	if err == nil {
		err = unmarked(b)
	}
	if err != nil {
		return nil, err
	}
	files := map[string]block.Storage{}
	own := *opts
	own.Opener = func(ref block.Ref) (block.Device, error) {
		if x := files[ref.Name]; ref.Kind == "extent" && x != nil {
			return overlays.Opener(block.Plain(x))(ref)
		}
		return nil, block.Errorf(format, ref.Kind, -1, block.ErrRefused, "%.80q", ref.Name)
	}
	e := &edited{f: f, text: text, opts: &own}
	used := map[string][]block.Range{}
	for _, line := range im.d.extents {
		if line.kind == kindZero {
			continue
		}
		if line.kind == kindVMFSSparse || line.kind == kindSESparse {
			return nil, notInPlace("descriptor", "an extent of the kind %s", line.kind)
		}
		if err := checkName(line.file); err != nil {
			return nil, block.Locate(format, "descriptor", -1, err)
		}
		r := block.Range{Off: line.off, Len: line.size}
		if line.kind == kindSparse {
			r = block.Range{Len: MaxSize}
		}
		for _, u := range used[line.file] {
			if u.Off < r.Off+r.Len && r.Off < u.Off+u.Len {
				return nil, block.Errorf(format, "descriptor", -1, block.ErrCorrupt, "two extents lie over each other in %.80q", line.file)
			}
		}
		used[line.file] = append(used[line.file], r)
		if files[line.file] == nil {
			if files[line.file], err = opts.Extents(f, line.file); err != nil {
				return nil, block.Locate(format, "extent", -1, err)
			}
		}
	}
	if err := sound(ctx, f, e.opts); err != nil {
		return nil, err
	}
	for _, line := range im.d.extents {
		x, err := e.extent(ctx, line, files[line.file], im.d.parentCID != noParent)
		if err != nil {
			return nil, fmt.Errorf("%.80q: %w", line.file, err)
		}
		if n := len(e.extents); n > 0 {
			x.off = e.extents[n-1].off + e.extents[n-1].size
		}
		e.extents = append(e.extents, x)
	}
	e.im, err = e.open()
	return e, err
}

// extent opens one for changes.
func (e *edited) extent(ctx context.Context, line extentLine, f block.Storage, delta bool) (extent, error) {
	x := extent{size: line.size}
	switch {
	case line.kind == kindZero:
		x.why, x.zeros = "it is of the kind ZERO, which has no file", true
	case line.access != "RW":
		x.why = "the descriptor says that it is " + line.access
	case line.kind == kindSparse:
		s, err := editSparse(ctx, f, delta, e.opts)
		if err != nil {
			return x, err
		}
		s.g.size = line.size
		s.total = (s.g.size + s.g.grain - 1) / s.g.grain
		x.sparse = s
	default:
		x.flat, x.at = f, line.off
	}
	return x, nil
}

// open opens the image as it is now, without its parent.
func (e *edited) open() (*Image, error) {
	im, err := describe(e.f, e.opts)
	if err == nil {
		err = im.openParts(e.opts)
	}
	return im, err
}

// delta reports whether the disk has a parent.
func (e *edited) delta() bool { return e.im.d.parentCID != noParent }

// unit is the size of the pieces in which the disk is written, in bytes: where there are
// grains, the largest.
func (e *edited) unit() int64 {
	n := int64(sectorSize)
	for _, x := range e.extents {
		if x.sparse != nil {
			n = max(n, x.sparse.d.grain)
		}
	}
	return n
}

// setKeys lets the descriptor have other values. It is opened anew where the file that
// holds it has been written to.
func (e *edited) setKeys(ctx context.Context, keys ...[2]string) error {
	if _, inside := e.text.(*editor); inside {
		_, s, err := edit(ctx, e.f, e.opts)
		if err != nil {
			return err
		}
		e.text, e.extents[0].sparse = s, s
	}
	return e.text.setKeys(keys...)
}

// within are the parts of a disk that lie in the n bytes at off, from there on, in whole
// pieces of unit bytes.
func within(parts []block.Range, off, n, unit int64) (out []block.Range) {
	for _, p := range parts {
		first, end := max(p.Off-off, 0)/unit*unit, min(p.Off+p.Len-off, n)
		if end = min((end+unit-1)/unit*unit, n); first >= end {
			continue
		}
		if last := len(out) - 1; last >= 0 && out[last].Off+out[last].Len >= first {
			out[last].Len = max(out[last].Len, end-out[last].Off)
			continue
		}
		out = append(out, block.Range{Off: first, Len: end - first})
	}
	return out
}

// holds refuses parts of the disk that would have to go into extents which are not
// written to; one of zeros may hold zeros.
func (e *edited) holds(parts []block.Range, from block.Device) error {
	for _, x := range e.extents {
		if x.why == "" {
			continue
		}
		for _, p := range within(parts, x.off, x.size, sectorSize) {
			p.Off += x.off
			zero, err := overlays.Zeros(from, p)
			if err != nil {
				return err
			}
			if !zero || !x.zeros {
				return block.Errorf(format, "extent", p.Off, block.ErrUnsupported, "something would go into an extent that is not written to: %s", x.why)
			}
		}
	}
	return nil
}

// store lets the given parts of the disk, in whole grains, hold what from reads there.
// If it is interrupted, grains that are not in the file yet are as before or all of them
// are there, up to batches of them in one extent; others have any bytes of both.
func (e *edited) store(ctx context.Context, parts []block.Range, from block.Device) error {
	for i := range e.extents {
		x := &e.extents[i]
		part := block.Section(from, x.off, x.size)
		if x.flat != nil {
			if err := overlays.Copy(ctx, shifted{x.flat, x.at}, within(parts, x.off, x.size, 1), part); err != nil {
				return err
			}
		}
		if x.sparse == nil {
			continue
		}
		left := within(parts, x.off, x.size, x.sparse.d.grain)
		for len(left) > 0 {
			s, err := editSparse(ctx, x.sparse.f, e.delta(), e.opts)
			if err != nil {
				return err
			}
			s.g.size, s.total = x.sparse.g.size, x.sparse.total
			if left, err = s.storeSome(ctx, left, part); err != nil {
				return err
			}
		}
	}
	return nil
}

// A shifted file begins at an offset of another.
type shifted struct {
	block.Storage
	off int64
}

func (s shifted) WriteAt(p []byte, off int64) (int, error) { return s.Storage.WriteAt(p, s.off+off) }

// A replacer is a file that can hold other bytes at once.
type replacer interface{ Replace(b []byte) error }

// A textFile is a descriptor that is a file of its own.
type textFile struct{ f block.Storage }

func (t textFile) read() ([]byte, error) {
	b, err := block.ReadBytes(t.f, 0, t.f.Size(), MaxDescriptor)
	return b, block.Locate(format, "descriptor", 0, err)
}

func (t textFile) withKeys(keys ...[2]string) (old, now []byte, err error) {
	if old, err = t.read(); err != nil {
		return nil, nil, err
	}
	now, _, _ = bytes.Cut(old, []byte{0}) // behind it nobody reads
	now = bytes.Clone(now)
	for _, kv := range keys {
		now = withKey(now, kv[0], kv[1])
	}
	if len(now) > MaxDescriptor {
		return nil, nil, block.Errorf(format, "descriptor", 0, block.ErrLimit, "it would have %d bytes, at most %d are read", len(now), MaxDescriptor)
	}
	return old, now, nil
}

// setKeys lets the descriptor have other values, as withKeys does. It has the old ones
// or the new ones, whatever interrupts it: what lies in one sector is written at once,
// and else the file is replaced.
func (t textFile) setKeys(keys ...[2]string) error {
	old, now, err := t.withKeys(keys...)
	if err != nil || bytes.Equal(old, now) {
		return err
	}
	if len(old) != len(now) {
		return t.f.(replacer).Replace(now)
	}
	first, last := differing(old, now)
	if first != last {
		return t.f.(replacer).Replace(now)
	}
	off := first * sectorSize
	if _, err := t.f.WriteAt(now[off:min(off+sectorSize, len(now))], int64(off)); err != nil {
		return err
	}
	return t.f.Sync()
}
