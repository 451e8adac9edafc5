package convert

import (
	"context"
	"errors"
	"fmt"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/ova"
	"github.com/guestkit/guestkit/qcow2"
)

// Gate bounds what an image that a stranger has sent may be. The zero value has
// defaults.
type Gate struct {
	Format         string // that the sender stated, "" if none
	MaxVirtualSize int64  // 0 means DefaultMaxVirtualSize
	MaxRatio       int64  // of the data that the disk claims to the size of the file; 0 means DefaultMaxRatio
	Qcow2          qcow2.Limits
}

// The defaults of Gate.
const (
	DefaultMaxVirtualSize = 64 << 40
	DefaultMaxRatio       = 64
)

// CheckUntrusted is the gate before any use of an uploaded image. It returns
// every reason to refuse it, none if there is none: references to other files,
// a format that is not plain, features that are unknown, faults of its
// metadata, sizes past the limits, and a small file that claims much data. No
// file but r is read. An error means that r could not be read.
func CheckUntrusted(ctx context.Context, r block.Reader, g *Gate) ([]error, error) {
	if g == nil {
		g = &Gate{}
	}
	maxSize, maxRatio := g.MaxVirtualSize, g.MaxRatio
	if maxSize == 0 {
		maxSize = DefaultMaxVirtualSize
	}
	if maxRatio == 0 {
		maxRatio = DefaultMaxRatio
	}
	info, problems, err := format.Describe(r, &format.Options{Format: g.Format, Qcow2: g.Qcow2})
	if err != nil {
		return []error{err}, nil
	}
	reasons := problems
	refuse := func(class error, detail string, args ...any) {
		reasons = append(reasons, block.Errorf(info.Format, "image", -1, class, detail, args...))
	}
	if info.Backing != nil {
		refuse(block.ErrRefused, "it names the backing file %q", info.Backing.Name)
	}
	if info.DataFile != nil {
		refuse(block.ErrRefused, "it names the data file %q", info.DataFile.Name)
	}
	if info.Encryption != "" {
		refuse(block.ErrEncrypted, "%s", info.Encryption)
	}
	if info.VirtualSize > maxSize {
		refuse(block.ErrLimit, "its disk has %d bytes, and %d are allowed", info.VirtualSize, maxSize)
	}
	for _, f := range info.Features {
		if f.Name == "" {
			refuse(block.ErrUnsupported, "the %s feature bit %d is unknown", f.Type, f.Bit)
		}
	}
	if len(reasons) > 0 {
		return reasons, nil
	}
	if format.Checks(info.Format) {
		res, err := format.Check(ctx, r, &format.Options{Format: g.Format, Qcow2: g.Qcow2}, nil)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.Is(err, ova.ErrNoManifest):
			// Its disks are looked at all the same.
		case err != nil:
			return []error{err}, nil
		case res.Corruptions > 0:
			refuse(block.ErrCorrupt, "%d faults in its metadata", res.Corruptions)
		}
	}
	if err := claims(ctx, r, g, maxRatio); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		reasons = append(reasons, err)
	}
	return reasons, nil
}

// claims compares the data that the disk claims to hold with the size of the
// file.
func claims(ctx context.Context, r block.Reader, g *Gate, ratio int64) error {
	im, err := format.Open(r, &format.Options{Format: g.Format, Qcow2: g.Qcow2})
	if err != nil {
		return err
	}
	defer im.Close()
	data := int64(0)
	for e, err := range block.Extents(im, 0, im.Size()) {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !e.Zero {
			data += e.Len
		}
		if data/ratio > r.Size() {
			return fmt.Errorf("%w: the file has %d bytes and its disk claims more than %d times as many", block.ErrLimit, r.Size(), ratio)
		}
	}
	return nil
}
