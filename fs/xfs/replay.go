package xfs

import "github.com/guestkit/guestkit/block"

// replay is what a dirty log changes.
type replay struct{}

func (l *replay) touches(off, n int64) bool               { return false }
func (l *replay) ownerChanged(ino uint64, attr bool) bool { return false }
func (l *replay) patchInode(ino uint64, off int64, b []byte) ([]byte, bool, error) {
	return b, false, nil
}

func (f *filesystem) recover(r block.Reader) {}
