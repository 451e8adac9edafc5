package ova

import (
	"errors"
	"io"
	"sync"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/wrapped"
)

// A budget bounds the work that the compressed files of a package make, which
// any number of disks may share.
type budget struct {
	mu     sync.Mutex
	left   int64            // bytes that may still be inflated
	failed map[string]error // by the name of a file, so that none fails twice
}

// open inflates the file of that name in src.
func (b *budget) open(name string, src block.Device) (*inflated, error) {
	b.mu.Lock()
	left, err := b.left, b.failed[name]
	b.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if left <= 0 {
		return nil, block.Errorf("gz", "file", 0, block.ErrLimit, "the files of the package before it hold as much as may be inflated")
	}
	f, err := inflate(src, left)
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case errors.Is(err, block.ErrLimit):
		b.left = 0
		return nil, err
	case err != nil:
		if b.failed == nil {
			b.failed = map[string]error{}
		}
		b.failed[name] = err
		return nil, err
	}
	b.left -= f.Size()
	return f, nil
}

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
