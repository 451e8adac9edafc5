package testimg

import "github.com/guestkit/guestkit/block"

// Unreadable is a Reader whose byte At cannot be read: that gives Err.
type Unreadable struct {
	block.Reader
	At  int64
	Err error
}

func (r Unreadable) ReadAt(p []byte, off int64) (int, error) {
	if off <= r.At && r.At-off < int64(len(p)) {
		n, err := r.Reader.ReadAt(p[:r.At-off], off)
		if err == nil {
			err = r.Err
		}
		return n, err
	}
	return r.Reader.ReadAt(p, off)
}
