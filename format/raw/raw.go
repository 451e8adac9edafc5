// Package raw reads raw disk images: the bytes of the file are the bytes of the
// disk. Nothing in a raw image is ever interpreted, whatever its guest wrote
// there.
package raw

import (
	"io"
	"os"
	"sync/atomic"

	"github.com/guestkit/guestkit/block"
)

// Options is empty: a raw image has no choices.
type Options struct{}

// An Image is an open raw image.
type Image struct {
	block.Device
	closed atomic.Bool
}

// Open opens the raw image in r. If r is a block.Device, such as a host file
// that knows its holes, so is the image.
func Open(r block.Reader, _ *Options) (*Image, error) {
	return &Image{Device: block.Plain(r)}, nil
}

// ReadAt implements io.ReaderAt.
func (im *Image) ReadAt(p []byte, off int64) (int, error) {
	if im.closed.Load() {
		return 0, os.ErrClosed
	}
	q, eof := block.Clip(p, off, im.Size())
	if len(q) == 0 {
		return 0, eof
	}
	n, err := im.Device.ReadAt(q, off)
	if n == len(q) {
		err = eof
	}
	return n, err
}

// Extent implements block.Device.
func (im *Image) Extent(off int64) (block.Extent, error) {
	switch {
	case im.closed.Load():
		return block.Extent{}, os.ErrClosed
	case off < 0 || off >= im.Size():
		return block.Extent{}, io.EOF
	}
	return im.Device.Extent(off)
}

// SectorSize returns the logical sector size that the Reader below states, or
// 0.
func (im *Image) SectorSize() int { return block.SectorSize(im.Device) }

// Problems returns nothing: there is nothing that could be odd.
func (im *Image) Problems() []error { return nil }

// Close ends the use of the image. The Reader below stays open.
func (im *Image) Close() error {
	im.closed.Store(true)
	return nil
}
