package xfs

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/guestkit/guestkit/block"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var zeros [4]byte // never written to

// checksum is the CRC32c of b with the four bytes of the checksum itself, at
// off, taken as zeros. On disk it is little-endian.
func checksum(b []byte, off int) uint32 {
	c := crc32.Update(0, castagnoli, b[:off])
	c = crc32.Update(c, castagnoli, zeros[:])
	return crc32.Update(c, castagnoli, b[off+4:])
}

// kind is a type of metadata block, as far as verifying it goes.
type kind uint8

const (
	kindInodes kind = iota // a cluster, whose inodes verify themselves
	kindBmbt
	kindDir
	kindDA
	kindAttr
	kindAttrRemote
	kindSymlink
	kindParsed // an inode, decoded
)

var kindNames = [...]string{"inode cluster", "bmbt block", "directory block", "hash index block", "attribute block", "remote attribute block", "symlink block", "inode"}

func (k kind) String() string { return kindNames[k] }

// layout says where a block of version 5 keeps what it says of itself.
type layout struct{ crc, blkno, owner, uuid int }

var layouts = [...]layout{
	kindBmbt:       {crc: 0x40, blkno: 0x18, owner: 0x38, uuid: 0x28},
	kindDir:        {crc: 0x04, blkno: 0x08, owner: 0x28, uuid: 0x18},
	kindDA:         {crc: 0x0c, blkno: 0x10, owner: 0x30, uuid: 0x20},
	kindAttr:       {crc: 0x0c, blkno: 0x10, owner: 0x30, uuid: 0x20},
	kindAttrRemote: {crc: 0x0c, blkno: 0x28, owner: 0x20, uuid: 0x10},
	kindSymlink:    {crc: 0x0c, blkno: 0x28, owner: 0x20, uuid: 0x10},
}

// cacheKey names a decoded block: the offset of a bmbt block, an inode, or
// an inode and the block in its fork.
type cacheKey struct {
	kind kind
	ino  uint64
	pos  uint64
}

// cached returns the decoded block of key, and has load make it and say what it
// costs if it is not kept.
func cached[T any](f *filesystem, key cacheKey, load func() (T, int64, error)) (T, error) {
	v, err := f.cache.Get(key, func() (any, int64, error) {
		v, cost, err := load()
		return v, cost + 64, err
	})
	if err != nil {
		var none T
		return none, err
	}
	return v.(T), nil
}

// verify checks what a metadata block of version 5 at off says of itself. A
// wrong checksum is a problem of the filesystem, and like the rest an error of
// the block. owner 0 stands for any.
func (f *filesystem) verify(k kind, b []byte, off int64, owner uint64) error {
	if !f.sb.v5() {
		return nil
	}
	l := layouts[k]
	bad := func(detail string, args ...any) error {
		err := block.Errorf(format, k.String(), off, block.ErrCorrupt, detail, args...)
		f.problems.Add(err)
		return err
	}
	// A replayed block has the checksum and address of before, or none yet.
	replayed := f.log != nil && f.log.touches(off, int64(len(b)))
	if !replayed {
		if got, want := checksum(b, l.crc), binary.LittleEndian.Uint32(b[l.crc:]); got != want {
			return bad("checksum is %#x, not %#x", want, got)
		}
	}
	if [16]byte(b[l.uuid:]) != f.uuid {
		return bad("it belongs to filesystem %s", formatUUID([16]byte(b[l.uuid:])))
	}
	if at := binary.BigEndian.Uint64(b[l.blkno:]); at != uint64(off)/basicBlock {
		return bad("it says that it lies at sector %d", at)
	}
	if is := binary.BigEndian.Uint64(b[l.owner:]); owner != 0 && is != owner {
		return bad("it belongs to inode %d, not %d", is, owner)
	}
	return nil
}

// read reads n bytes of the data device.
func (f *filesystem) read(k kind, off int64, n int) ([]byte, error) {
	b, err := block.ReadBytes(f.dev, off, int64(n), 1<<20)
	return b, block.Locate(format, k.String(), off, err)
}
