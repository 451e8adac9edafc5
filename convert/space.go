package convert

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/qcow2"
	"github.com/guestkit/guestkit/vmdk"
)

// ErrSpace says that the output would not fit onto its file system.
var ErrSpace = errors.New("not enough space")

// fits compares what the extents of src say of its data with the room that is
// left for the output. What is compressed may fit all the same, so it is not
// compared. Zeros in the data are not known here, and neither is whether blocks
// will be shared.
func (out *Output) fits(ctx context.Context, src block.Device, opts *Options) error {
	if opts == nil {
		opts = &Options{}
	}
	if out.File.NoSpaceCheck || out.Device || opts.Compress {
		return nil
	}
	if out.packs() {
		return nil
	}
	free := freeSpace(filepath.Dir(out.Path))
	if free < 0 || src.Size() <= free {
		return nil
	}
	full := out.Raw.Preallocation == "falloc" || out.Raw.Preallocation == "full"
	if out.Format == "qcow2" {
		full = out.Qcow2.Preallocation == qcow2.PreallocFalloc || out.Qcow2.Preallocation == qcow2.PreallocFull
	}
	need := int64(0)
	if full {
		need = src.Size()
	}
	for e, err := range block.Extents(src, 0, src.Size()) {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil || need > free:
			// What cannot be read is told by the copy.
		case !e.Zero && !full && !(opts.KeepDepth > 0 && e.Depth >= opts.KeepDepth):
			need += e.Len
		}
		if err != nil || need > free {
			break
		}
	}
	if need <= free {
		return nil
	}
	return &os.PathError{Op: "create", Path: out.Path, Err: fmt.Errorf("%w: the disk has at least %d bytes of data, and %d are free", ErrSpace, need, free)}
}

// packs reports whether images are compressed unasked.
func (out *Output) packs() bool {
	switch out.Format {
	case "ova", "tar.gz":
		return true
	case "vmdk":
		return out.VMDK.Subformat == vmdk.StreamOptimized
	}
	return false
}
