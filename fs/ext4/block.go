package ext4

import "github.com/guestkit/guestkit/block"

// kind is the kind of structure a metadata block was read as. A block is
// verified as one kind when it enters the cache, so kinds do not mix there.
type kind uint8

const (
	kindRaw    kind = iota // inode tables, group descriptors
	kindMap                // indirect blocks
	kindExtent             // extent tree nodes
	kindDir                // directory blocks
	kindIndex              // htree nodes
	kindXattr              // xattr blocks
)

var kindNames = [...]string{"block", "indirect block", "extent block", "directory block", "htree block", "xattr block"}

func (k kind) String() string { return kindNames[k] }

// blockKey names a block in the cache. What a block's checksum covers depends
// on the inode that it belongs to.
type blockKey struct {
	n    uint64
	ino  uint32
	kind kind
}

// cacheOverhead is what a cached value costs beside its bytes.
const cacheOverhead = 160

// readBlock returns the block n. What it returns is shared and not to be
// changed. check verifies a block once, as it is read.
func (f *filesystem) readBlock(n uint64, ino uint32, k kind, check func(b []byte) error) ([]byte, error) {
	return f.blocks.Get(blockKey{n, ino, k}, func() ([]byte, int64, error) {
		if n == 0 || n >= f.sb.blocksCount {
			return nil, 0, block.Errorf("ext4", k.String(), -1, block.ErrCorrupt, "block %d of %d", n, f.sb.blocksCount)
		}
		b, err := block.ReadBytes(f.dev, f.blockOff(n), f.sb.blockSize, f.sb.blockSize)
		if err != nil {
			return nil, 0, block.Locate("ext4", k.String(), f.blockOff(n), err)
		}
		if check != nil {
			if err := check(b); err != nil {
				return nil, 0, err
			}
		}
		return b, int64(len(b)) + cacheOverhead, nil
	})
}

// tablePiece is how many bytes of an inode table are read at once: the files of a
// directory are mostly neighbours there.
const tablePiece = 16 << 10

// tableBlock returns the block n of an inode table. It is read by itself where those
// around it cannot be, as in an image that is cut short.
func (f *filesystem) tableBlock(n uint64) ([]byte, error) {
	size := f.sb.blockSize
	per := uint64(max(tablePiece/size, 1))
	first := n / per * per
	if n > 0 && first+per <= f.sb.blocksCount {
		b, err := f.tables.Get(first, func() ([]byte, int64, error) {
			n := int64(per) * size
			b, err := block.ReadBytes(f.dev, f.blockOff(first), n, n)
			return b, n + cacheOverhead, err
		})
		if err == nil {
			return b[int64(n-first)*size:][:size], nil
		}
	}
	return f.readBlock(n, 0, kindRaw, nil)
}
