package registry

import (
	"context"

	"github.com/guestkit/guestkit/block"
)

// A Walk reads keys and the data of their values, and ends where a hostile hive
// would be read for ever: keys share no values and values no data, so that all
// of it is less than the hive; but a small hive may say that its values are one.
// A Walk is for one goroutine.
type Walk struct {
	h    *Hive
	left int64
}

// Walk begins one of the hive.
func (h *Hive) Walk() *Walk { return &Walk{h, h.Size()} }

// Size returns how many bytes the hive has, with its logs applied.
func (h *Hive) Size() int64 { return h.r.Size() }

// Bytes reads the data of a value, and counts it. The first error is one of the
// value; the second ends the walk: more data was read than the hive has.
func (w *Walk) Bytes(v *Value) (b []byte, fault, err error) {
	b, fault = v.Bytes()
	if w.left -= int64(len(b)) + 24; w.left < 0 {
		return nil, nil, block.Errorf(format, "hive", -1, block.ErrCorrupt, "its values hold more data than the hive has; what follows is left out")
	}
	return b, fault, nil
}

// Read returns how many bytes of data were read so far.
func (w *Walk) Read() int64 { return w.h.Size() - w.left }

// Keys calls visit for a key and for all below it, parents first. Keys that
// cannot be read are given to fail. The error is that of visit or of ctx, and
// ends the walk.
func (w *Walk) Keys(ctx context.Context, k *Key, visit func(*Key) error, fail func(error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := visit(k); err != nil {
		return err
	}
	for sub, err := range k.Subkeys() {
		if err != nil {
			fail(err)
			continue
		}
		if err := w.Keys(ctx, sub, visit, fail); err != nil {
			return err
		}
	}
	return nil
}
