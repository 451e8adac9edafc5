package overlays

import (
	"context"
	"strings"

	"github.com/guestkit/guestkit/block"
)

// Allowed refuses a rebase of an image of a format and a subformat: of one that lies
// upon no other, and where what it needs is not at hand.
func Allowed(format, subformat string, lies bool, o *block.RebaseOptions) error {
	switch {
	case !lies:
		return block.Errorf(format, "rebase", -1, block.ErrUnsupported, "a %s image has no parent", subformat)
	case o.Old == nil && !o.Unsafe:
		return block.Errorf(format, "rebase", -1, block.ErrParent, "the old parent is not at hand")
	case o.Backing == "" && o.Unsafe:
		return block.Errorf(format, "rebase", -1, block.ErrRefused, "without a parent the image must hold all of the disk, which is not done by the name alone")
	}
	return nil
}

// NamedParent is Parent for a format that stores its name, which it must be able to say.
func NamedParent[I block.Device](format string, size int64, o *block.RebaseOptions) (parent I, err error) {
	if parent, err = Parent[I](format, size, o); err == nil {
		err = Name(format, "rebase", block.ErrRefused, o.Backing)
	}
	return parent, err
}

// Parent returns the new parent, which is an image of the format and has a disk of
// size bytes.
func Parent[I block.Device](format string, size int64, o *block.RebaseOptions) (parent I, err error) {
	parent, ok := block.Unwrap(OrNone(o.New)).(I)
	switch {
	case !ok:
		return parent, block.Errorf(format, "rebase", -1, block.ErrRefused, "the parent of a %[1]s is a %[1]s", strings.ToUpper(format))
	case parent.Size() != size:
		return parent, block.Errorf(format, "rebase", -1, block.ErrRefused, "the disk has %d bytes, and that of the parent %d", size, parent.Size())
	}
	return parent, nil
}

// Parts lists what a rebase has to put into an image, in pieces of unit bytes, so that
// its disk stays the same. One that changes the name alone is refused where there is
// something, unless it is forced.
func Parts(ctx context.Context, format string, im block.Device, o *block.RebaseOptions, unit int64) ([]block.Range, error) {
	if o.Old == nil || o.Unsafe && o.Force {
		return nil, nil
	}
	parts, err := Exposed(ctx, im, o.Old, o.New, unit, o.Unsafe)
	if err == nil && o.Unsafe && len(parts) > 0 {
		return nil, block.Errorf(format, "rebase", -1, block.ErrRefused, "the disk would change at byte %d, where the parents differ", parts[0].Off)
	}
	return parts, err
}
