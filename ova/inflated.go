package ova

import (
	"io"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/wrapped"
)

// inflated is a file that is compressed as a whole.
type inflated struct {
	*wrapped.File
	src block.Device
}

// inflate opens the gzip file in src, which it reads once to know its size; most
// bounds that.
func inflate(src block.Device, most int64) (*inflated, error) {
	f, err := wrapped.Open("gz", src, wrapped.Limits{Size: most})
	if err != nil {
		return nil, err
	}
	return &inflated{f, src}, nil
}

func (f *inflated) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= f.Size() {
		return block.Extent{}, io.EOF
	}
	return block.Extent{Off: off, Len: f.Size() - off, Compressed: true}, nil
}

func (f *inflated) Close() error { return block.Close(f.src) }
