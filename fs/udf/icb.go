package udf

import (
	"bytes"
	"fmt"
	"io/fs"
	"time"

	"github.com/guestkit/guestkit/block"
)

// Types of files (ECMA-167 4/14.6.6, UDF 2.3.5.2).
const (
	typeNone      = 0
	typeDirectory = 4
	typeRegular   = 5
	typeBlock     = 6
	typeChar      = 7
	typeFifo      = 9
	typeSocket    = 10
	typeSymlink   = 12
	typeVAT       = 248
	typeRealTime  = 249
	typeMetadata  = 250
	typeMirror    = 251
)

// Where the content of an entry lies, by the low bits of its flags.
const (
	shortADs = iota
	longADs
	extendedADs
	embedded
)

const (
	strategyDirect  = 4
	strategyReplace = 4096
	maxReplaced     = 1 << 12
	unsetID         = 1<<32 - 1
	nobody          = 65534 // as Linux shows an owner that is not stated
)

// icbTag is what an ICB says of a file (ECMA-167 4/14.6).
type icbTag struct {
	strategy uint16 // 0x04
	fileType uint8  // 0x0B
	flags    uint16 // 0x12
}

func (t *icbTag) decode(b []byte) {
	t.strategy = le.Uint16(b[0x04:])
	t.fileType = b[0x0B]
	t.flags = le.Uint16(b[0x12:])
}

// entry is a file entry or an extended one (ECMA-167 4/14.9 and 4/14.17).
type entry struct {
	at          place
	off         int64
	icb         icbTag
	uid, gid    uint32
	permissions uint32
	links       uint16
	size        int64
	blocks      uint64
	atime       time.Time
	mtime       time.Time
	ctime       time.Time
	btime       time.Time
	streams     extent // the directory of named streams
	attrs       []byte // extended attributes
	descs       []byte // allocation descriptors, or the content
}

func (e *entry) errorf(class error, detail string, args ...any) error {
	return block.Errorf(format, fmt.Sprintf("file entry at block %d of partition %d", e.at.block, e.at.partition), e.off, class, detail, args...)
}

// readBlock reads a block of a partition.
func (f *filesystem) readBlock(at place) ([]byte, int64, error) {
	off, _, err := f.locate(at, 1)
	if err != nil {
		return nil, 0, err
	}
	if off > f.dev.Size()-f.bs {
		return nil, off, block.Errorf(format, "block", off, block.ErrTruncated, "")
	}
	b := make([]byte, f.bs)
	if block.ReadFull(f.near, b, off) != nil { // what lies beside it, perhaps
		err = block.ReadFull(f.dev, b, off)
	}
	return b, off, block.Locate(format, "block", off, err)
}

// readEntry reads the entry at a block. Of a file that was replaced on a
// write-once disc, indirect entries behind it lead to the newest.
func (f *filesystem) readEntry(at place) (*entry, error) {
	for range maxReplaced {
		b, off, err := f.readBlock(at)
		if err != nil {
			return nil, err
		}
		id, err := checkTag(b, off)
		if err != nil {
			return nil, err
		}
		e := &entry{at: at, off: off}
		if err := e.decode(id, b); err != nil {
			return nil, err
		}
		switch e.icb.strategy {
		case strategyDirect:
			return e, nil
		case strategyReplace:
		default:
			return nil, e.errorf(block.ErrUnsupported, "strategy %d", e.icb.strategy)
		}
		next := place{at.block + 1, at.partition}
		if b, off, err = f.readBlock(next); err != nil {
			return e, nil
		}
		if id, err = checkTag(b, off); err != nil || id != tagIndirect {
			return e, nil
		}
		x := longAD(b[36:])
		if x.n == 0 {
			return e, nil
		}
		at = x.at
	}
	return nil, block.Errorf(format, "indirect entry", -1, block.ErrLoop, "more than %d replace each other", maxReplaced)
}

func (e *entry) decode(id uint16, b []byte) error {
	e.icb.decode(b[16:])
	e.uid, e.gid = le.Uint32(b[36:]), le.Uint32(b[40:])
	e.permissions = le.Uint32(b[44:])
	e.links = le.Uint16(b[48:])
	e.size = int64(le.Uint64(b[56:]))
	at := 0 // of the lengths
	switch id {
	case tagFile:
		e.blocks = le.Uint64(b[64:])
		e.atime, e.mtime, e.ctime = timestamp(b[72:]), timestamp(b[84:]), timestamp(b[96:])
		at = 168
	case tagExtendedFile:
		e.blocks = le.Uint64(b[72:])
		e.atime, e.mtime, e.btime, e.ctime = timestamp(b[80:]), timestamp(b[92:]), timestamp(b[104:]), timestamp(b[116:])
		e.streams = longAD(b[152:])
		at = 208
	default:
		return e.errorf(block.ErrCorrupt, "descriptor %d is no file entry", id)
	}
	attrs, descs := int64(le.Uint32(b[at:])), int64(le.Uint32(b[at+4:]))
	body := int64(at + 8)
	switch {
	case e.size < 0:
		return e.errorf(block.ErrCorrupt, "size %#x", uint64(e.size))
	case attrs > int64(len(b))-body || descs > int64(len(b))-body-attrs:
		return e.errorf(block.ErrCorrupt, "%d bytes of attributes and %d of allocation descriptors", attrs, descs)
	case e.icb.flags&7 > embedded:
		return e.errorf(block.ErrUnsupported, "allocation descriptors of type %d", e.icb.flags&7)
	case e.icb.flags&7 == embedded && e.size > descs:
		return e.errorf(block.ErrCorrupt, "%d bytes of content, and %d are in it", e.size, descs)
	}
	e.attrs, e.descs = bytes.Clone(b[body:body+attrs]), bytes.Clone(b[body+attrs:body+attrs+descs])
	return nil
}

// mode returns the type and the permissions: five bits for each of other, group
// and owner, of which the lower three are execute, write and read.
func (e *entry) mode() (fs.FileMode, bool) {
	p := e.permissions
	mode := fs.FileMode(p&7 | p>>5&7<<3 | p>>10&7<<6)
	if e.icb.flags&0x40 != 0 {
		mode |= fs.ModeSetuid
	}
	if e.icb.flags&0x80 != 0 {
		mode |= fs.ModeSetgid
	}
	if e.icb.flags&0x100 != 0 {
		mode |= fs.ModeSticky
	}
	switch e.icb.fileType {
	case typeNone, typeRegular, typeRealTime:
	case typeDirectory:
		mode |= fs.ModeDir
	case typeBlock:
		mode |= fs.ModeDevice
	case typeChar:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	case typeFifo:
		mode |= fs.ModeNamedPipe
	case typeSocket:
		mode |= fs.ModeSocket
	case typeSymlink:
		mode |= fs.ModeSymlink
	default:
		return 0, false
	}
	return mode, true
}

// device finds the extended attribute of device numbers (ECMA-167 4/14.10.7).
func (e *entry) device() (major, minor uint32) {
	const headerLen, deviceType = 24, 12
	for b := e.attrs; len(b) > headerLen; {
		if len(b) == len(e.attrs) {
			b = b[headerLen:]
		}
		if len(b) < 12 {
			break
		}
		n := int64(le.Uint32(b[8:]))
		if n < 12 || n > int64(len(b)) {
			break
		}
		if le.Uint32(b) == deviceType && n >= 24 {
			return le.Uint32(b[16:]), le.Uint32(b[20:])
		}
		b = b[n:]
	}
	return 0, 0
}
