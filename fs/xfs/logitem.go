package xfs

import (
	"encoding/binary"
	"fmt"

	"github.com/guestkit/guestkit/block"
)

// Types of log items. Done items end the intent before them.
const (
	itemEFI     = 0x1236 // extent free
	itemEFD     = 0x1237
	itemInode   = 0x123b
	itemBuf     = 0x123c
	itemDquot   = 0x123d
	itemQuotaff = 0x123e
	itemICreate = 0x123f // inode chunk
	itemRUI     = 0x1240 // reverse map
	itemRUD     = 0x1241
	itemCUI     = 0x1242 // reference count
	itemCUD     = 0x1243
	itemBUI     = 0x1244 // map of a file
	itemBUD     = 0x1245
	itemATTRI   = 0x1246 // attribute
	itemATTRD   = 0x1247
	itemXMI     = 0x1248 // exchange of mappings
	itemXMD     = 0x1249
	itemEFIRT   = 0x124a // EFI to CUD of the realtime section
	itemCUDRT   = 0x124f
)

// bufFormat describes logged parts of a buffer. All log items are in the byte
// order of the CPU that wrote them.
type bufFormat struct {
	flags uint16 // 0x04
	count uint16 // 0x06 basic blocks
	blkno int64  // 0x08 basic block
	words uint32 // 0x10 of the map
	bits  []byte // 0x14 one bit for each logged chunk
}

const (
	bufInodes  = 1 << 0 // only pointers of the list of unlinked inodes
	bufCancel  = 1 << 1 // was freed: what came before is void
	bufDquots  = 1<<2 | 1<<3 | 1<<4
	bufChunk   = 128
	bufTypeLog = 11 // the type is in the upper bits of the flags
	bufTypeIno = 8
)

func (f *bufFormat) decode(b []byte, order binary.ByteOrder) {
	f.flags = order.Uint16(b[0x04:])
	f.count = order.Uint16(b[0x06:])
	f.blkno = int64(order.Uint64(b[0x08:]))
	f.words = order.Uint32(b[0x10:])
	f.bits = b[0x14:]
}

// key names the buffer among those that were freed.
func (f *bufFormat) key() bufKey { return bufKey{f.blkno, int64(f.count)} }

type bufKey struct{ blkno, count int64 }

// set reports whether a chunk was logged.
func (f *bufFormat) set(bit int, order binary.ByteOrder) bool {
	return bit/32 < int(f.words) && order.Uint32(f.bits[bit/32*4:])&(1<<(bit%32)) != 0
}

// bufItem decodes and checks a buffer item.
func bufItem(it *logItem, order binary.ByteOrder, size int64) (bufFormat, error) {
	var f bufFormat
	if len(it.head) < 0x14 {
		return f, itemError("buffer", "a format of %d bytes", len(it.head))
	}
	f.decode(it.head, order)
	if int64(f.words)*4 > int64(len(f.bits)) {
		return f, itemError("buffer", "a map of %d words in %d bytes", f.words, len(f.bits))
	}
	if f.blkno < 0 || f.count == 0 || int64(f.count)*basicBlock > size || f.blkno > (size-int64(f.count)*basicBlock)/basicBlock {
		return f, itemError("buffer", "%d blocks at %d lie outside", f.count, f.blkno)
	}
	return f, nil
}

func itemError(what, detail string, args ...any) error {
	return block.Errorf(format, "log item", -1, block.ErrCorrupt, "%s: %s", what, fmt.Sprintf(detail, args...))
}

// inodeFormat describes an inode item: the core follows, then what was logged
// of the forks. It has padding where 64-bit CPUs wrote it.
type inodeFormat struct {
	fields  uint32 // 0x04
	asize   uint16 // 0x08
	dsize   uint16 // 0x0a
	ino     uint64 // 0x10, or 0x0c
	rdev    uint32 // 0x18, or 0x14
	blkno   int64  // 0x28, or 0x24
	count   int32  // 0x30, or 0x2c
	boffset int32  // 0x34, or 0x30
}

const (
	inodeFormat64 = 56
	inodeFormat32 = 52

	logCore   = 0x001
	logDData  = 0x002
	logDExt   = 0x004
	logDRoot  = 0x008
	logDev    = 0x010
	logAData  = 0x040
	logAExt   = 0x080
	logARoot  = 0x100
	logDOwner = 0x200 // blocks of the btree change their owner to this inode
	logAOwner = 0x400

	logDFork = logDData | logDExt | logDRoot
	logAFork = logAData | logAExt | logARoot
)

func (f *inodeFormat) decode(b []byte, order binary.ByteOrder) {
	f.fields = order.Uint32(b[0x04:])
	f.asize = order.Uint16(b[0x08:])
	f.dsize = order.Uint16(b[0x0a:])
	b = b[len(b)-inodeFormat32+0x0c:]
	f.ino = order.Uint64(b[0x00:])
	f.rdev = order.Uint32(b[0x08:])
	f.blkno = int64(order.Uint64(b[0x18:]))
	f.count = int32(order.Uint32(b[0x20:]))
	f.boffset = int32(order.Uint32(b[0x24:]))
}

// icreateFormat describes a new chunk of inodes. It alone is big-endian.
type icreateFormat struct {
	ag     uint32 // 0x04
	agbno  uint32 // 0x08
	count  uint32 // 0x0c inodes
	isize  uint32 // 0x10
	length uint32 // 0x14 blocks
}

const (
	icreateFormatSize = 28
	inodesPerChunk    = 64 // or those of a block, if that is more
)

func (f *icreateFormat) decode(b []byte) {
	f.ag = binary.BigEndian.Uint32(b[0x04:])
	f.agbno = binary.BigEndian.Uint32(b[0x08:])
	f.count = binary.BigEndian.Uint32(b[0x0c:])
	f.isize = binary.BigEndian.Uint32(b[0x10:])
	f.length = binary.BigEndian.Uint32(b[0x14:])
}

// intents counts what was begun and not ended, where that matters for reading.
type intents map[intentKey]string

type intentKey struct {
	done uint16 // the type of item that ends it
	id   uint64
}

// note takes an intent or done item.
func (p intents) note(typ uint16, b []byte, order binary.ByteOrder) error {
	if len(b) < 16 {
		return itemError("intent", "%d bytes", len(b))
	}
	id := order.Uint64(b[8:])
	field := func(off int) uint64 {
		if off+8 > len(b) {
			return 0
		}
		return order.Uint64(b[off:])
	}
	switch typ {
	case itemBUI:
		p[intentKey{itemBUD, id}] = fmt.Sprintf("a change of the map of inode %d", field(16))
	case itemATTRI:
		if op := field(24) & 0xff; order == binary.LittleEndian && op >= 4 && op <= 6 {
			return nil // of a parent pointer, which is not shown
		}
		p[intentKey{itemATTRD, id}] = fmt.Sprintf("a change of an attribute of inode %d", field(16))
	case itemXMI:
		p[intentKey{itemXMD, id}] = fmt.Sprintf("an exchange of the contents of inodes %d and %d", field(16), field(24))
	case itemBUD, itemATTRD, itemXMD:
		delete(p, intentKey{typ, id})
	}
	return nil
}
