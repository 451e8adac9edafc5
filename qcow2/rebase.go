package qcow2

import (
	"bytes"
	"context"
	"io"
	"math"
	"strings"

	"github.com/guestkit/guestkit/block"
)

// RebaseOptions says what Rebase puts behind an image.
type RebaseOptions struct {
	// Backing is the name of the new backing file, stored as it is, and
	// BackingFormat its format. An empty name means none.
	Backing, BackingFormat string
	// Old and New are the disks of the old and the new backing file. Nil means
	// that there is none; of the old one, with Unsafe, that it is not at hand.
	Old, New block.Device
	// Unsafe changes the name alone. Where Old is given, what would change the
	// disk is refused.
	Unsafe bool
	// Force takes what changes the disk, or what the snapshots in the image show.
	Force bool
}

// Rebase puts an image upon another backing file. What the disk reads does not
// change: where the backing files differ and nothing lies over them, it goes into
// the image. If it is interrupted, the image lies upon the old one or the new one.
func Rebase(ctx context.Context, f Storage, o *RebaseOptions) error {
	w, err := change(ctx, f, "rebase")
	if err != nil {
		return err
	}
	refuse := func(class error, detail string, args ...any) error {
		return block.Errorf(format, "rebase", -1, class, detail, args...)
	}
	switch {
	case o.Backing != "" && o.BackingFormat == "":
		return invalid("the format of the backing file must be stated")
	case len(o.Backing) > 1023 || strings.ContainsRune(o.Backing+o.BackingFormat, 0):
		return invalid("the name of the backing file is longer than 1023 bytes, or contains NUL")
	case o.Backing != "" && w.h.autoclearFeatures&autoclearDataFileRaw != 0:
		return refuse(block.ErrUnsupported, "a raw data file and a backing file exclude each other")
	case !o.Unsafe && w.h.dataFile():
		return refuse(block.ErrUnsupported, "the image has an external data file")
	case !o.Unsafe && w.h.cryptMethod != cryptNone:
		return refuse(block.ErrEncrypted, "what the old backing file holds would have to be encrypted")
	case !o.Unsafe && w.backing != "" && o.Old == nil:
		return refuse(block.ErrParent, "the old backing file %q is not at hand", w.backing)
	}
	compare := w.h.cryptMethod == cryptNone && !w.h.dataFile() && (o.Old != nil || w.backing == "") && !(o.Unsafe && o.Force)
	var differ []span
	if compare {
		old := o.Old
		if old == nil {
			old = noDisk{}
		}
		im, err := Open(f, &Options{BackingFormat: "raw", Limits: w.lim, Opener: func(block.Ref) (block.Device, error) { return keepOpen{old}, nil }})
		if err != nil {
			return err
		}
		defer im.Close()
		if differ, err = w.exposed(im, old, o.New, o.Unsafe); err != nil {
			return err
		}
		if len(differ) > 0 {
			switch {
			case o.Unsafe:
				return refuse(block.ErrRefused, "the disk would change at byte %d, where the backing files differ", differ[0].start)
			case len(w.snapshots) > 0 && !o.Force:
				return refuse(block.ErrRefused, "the disk of the %d snapshots in the image would change, since the backing files differ at byte %d", len(w.snapshots), differ[0].start)
			}
		}
		w.setBacking(o.Backing, o.BackingFormat)
		t := w.tables()
		cs := w.h.clusterSize()
		for _, s := range differ {
			for off := s.start; off < s.end; off += cs {
				if err := t.store(off, im); err != nil {
					return err
				}
			}
		}
		if err := t.flush(); err != nil {
			return err
		}
	}
	w.setBacking(o.Backing, o.BackingFormat)
	return w.commit()
}

// exposed finds the clusters that read otherwise upon another backing file: all,
// or only the first one.
func (w *rewrite) exposed(im *Image, old, new block.Device, first bool) ([]span, error) {
	if new == nil {
		new = noDisk{}
	}
	const piece = 1 << 20
	a, b := make([]byte, piece), make([]byte, piece)
	var out []span
	cs := w.h.clusterSize()
	for off := int64(0); off < im.size; {
		if err := w.ctx.Err(); err != nil {
			return nil, context.Cause(w.ctx)
		}
		r, err := im.lookup(off, im.size-off)
		if err != nil {
			return nil, err
		}
		n := min(r.n, im.size-off)
		if r.kind != kindUnallocated {
			off += n
			continue
		}
		za, err := zeroRun(old, off)
		if err != nil {
			return nil, err
		}
		zb, err := zeroRun(new, off)
		if err != nil {
			return nil, err
		}
		if z := min(za, zb); z > 0 {
			off += min(z, n)
			continue
		}
		n = min(n, piece-off%piece) // ends with a cluster, or with what is unallocated
		if err := readPadded(old, a[:n], off); err != nil {
			return nil, err
		}
		if err := readPadded(new, b[:n], off); err != nil {
			return nil, err
		}
		for at := int64(0); at < n; {
			end := min((off+at)/cs*cs+cs-off, n)
			if !bytes.Equal(a[at:end], b[at:end]) {
				s := span{start: (off + at) / cs * cs}
				s.end = s.start + cs
				switch last := len(out) - 1; {
				case last >= 0 && out[last].end >= s.start:
					out[last].end = s.end
				default:
					out = append(out, s)
				}
				if first {
					return out, nil
				}
			}
			at = end
		}
		off += n
	}
	return out, nil
}

// zeroRun returns how many bytes at off are known to be zeros.
func zeroRun(d block.Device, off int64) (int64, error) {
	if off >= d.Size() {
		return math.MaxInt64, nil
	}
	e, err := d.Extent(off)
	if err != nil || !e.Zero {
		return 0, err
	}
	return e.Len, nil
}

func readPadded(r block.Reader, p []byte, off int64) error {
	n := max(min(int64(len(p)), r.Size()-off), 0)
	clear(p[n:])
	return block.ReadFull(r, p[:n], off)
}

// noDisk is a disk without bytes.
type noDisk struct{}

func (noDisk) Size() int64                        { return 0 }
func (noDisk) ReadAt([]byte, int64) (int, error)  { return 0, io.EOF }
func (noDisk) Extent(int64) (block.Extent, error) { return block.Extent{}, io.EOF }

// keepOpen is a disk that whoever is given it cannot close.
type keepOpen struct{ block.Device }
