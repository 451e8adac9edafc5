package ext4

import (
	"fmt"

	"github.com/guestkit/guestkit/block"
)

// tooShort says that the device ends before the filesystem does. It is both
// kinds of fault, for nothing tells which of the two sizes is wrong.
type tooShort struct {
	blocks    uint64
	blockSize int64
	size      int64
}

func (e *tooShort) Error() string {
	return fmt.Sprintf("%v or %v: %d blocks of %d bytes do not fit into %d bytes", block.ErrTruncated, block.ErrCorrupt, e.blocks, e.blockSize, e.size)
}

func (e *tooShort) Is(target error) bool {
	return target == block.ErrTruncated || target == block.ErrCorrupt
}

// corrupt is an error about the structure what in the block n.
func (f *filesystem) corrupt(what string, n uint64, detail string, args ...any) error {
	return block.Errorf("ext4", what, f.blockOff(n), block.ErrCorrupt, detail, args...)
}

// blockOff returns the byte offset of a block, or -1 if it is not on the
// filesystem.
func (f *filesystem) blockOff(n uint64) int64 {
	if n >= f.sb.blocksCount {
		return -1
	}
	return int64(n) << (10 + f.sb.logBlockSize)
}

func inodeName(ino uint32) string { return fmt.Sprintf("inode %d", ino) }
