package qcow2

import (
	"context"
	"errors"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/overlays"
)

// RebaseOptions says what Rebase puts behind an image.
type RebaseOptions = block.RebaseOptions

// Rebase puts an image upon another backing file. What the disk reads does not
// change: where the backing files differ and nothing lies over them, it goes into
// the image, or into its external data file, which f gives as for CommitInto. If it is
// interrupted, the image lies upon the old one or the new one.
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
	case !o.Unsafe && w.h.cryptMethod != cryptNone:
		return refuse(block.ErrEncrypted, "what the old backing file holds would have to be encrypted")
	case !o.Unsafe && w.backing != "" && o.Old == nil:
		return refuse(block.ErrParent, "the old backing file %q is not at hand", w.backing)
	}
	if err := w.openData("rebase"); err != nil && !(o.Unsafe && errors.Is(err, block.ErrUnsupported)) {
		return err
	}
	compare := w.h.cryptMethod == cryptNone && w.h.dataFile() == (w.external != nil) && (o.Old != nil || w.backing == "") && !(o.Unsafe && o.Force)
	if compare {
		upon := func(d block.Device) (*Image, error) {
			return Open(f, &Options{BackingFormat: "raw", Limits: w.lim, Opener: w.opener(d)})
		}
		own, err := upon(nil)
		if err != nil {
			return err
		}
		defer own.Close()
		im, err := upon(o.Old)
		if err != nil {
			return err
		}
		defer im.Close()
		var differ []block.Range
		if o.New == nil && o.Old != nil && !o.Unsafe && len(w.snapshots) == 0 { // zeros among it take no room
			differ, err = overlays.Behind(ctx, own, o.Old, w.h.clusterSize())
		} else {
			differ, err = overlays.Exposed(ctx, own, o.Old, o.New, w.h.clusterSize(), o.Unsafe)
		}
		if err != nil {
			return err
		}
		if len(differ) > 0 {
			switch {
			case o.Unsafe:
				return refuse(block.ErrRefused, "the disk would change at byte %d, where the backing files differ", differ[0].Off)
			case len(w.snapshots) > 0 && !o.Force:
				return refuse(block.ErrRefused, "the disk of the %d snapshots in the image would change, since the backing files differ at byte %d", len(w.snapshots), differ[0].Off)
			}
		}
		w.setBacking(o.Backing, o.BackingFormat)
		t := w.tables()
		cs := w.h.clusterSize()
		for _, s := range differ {
			for off := s.Off; off < s.Off+s.Len; off += cs {
				if err := t.store(off, im); err != nil {
					return err
				}
			}
		}
		if err := t.flush(); err != nil {
			return err
		}
		if err := w.syncData(); err != nil {
			return err
		}
	}
	w.setBacking(o.Backing, o.BackingFormat)
	return w.commit()
}
