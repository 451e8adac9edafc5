package rpmdb

import (
	"encoding/binary"
	"hash/adler32"

	"github.com/guestkit/guestkit/block"
)

// Layout of an ndb file: a header in the place of the first two slots, pages of
// slots, then blobs in units of 16 bytes.
const (
	ndbMagic     = "RpmP"
	ndbPage      = 4096
	ndbSlot      = 16
	ndbHeadSlots = 2
	ndbUnit      = 16
	ndbBlobHead  = 16
	ndbBlobTail  = 12
	ndbMaxPages  = 4096 // of slots: a million packages
)

// ndbHeader is the beginning of the file.
type ndbHeader struct {
	magic      [4]byte // 0x00 "RpmP"
	version    uint32  // 0x04
	generation uint32  // 0x08
	slotPages  uint32  // 0x0c
	nextIndex  uint32  // 0x10
}

func (h *ndbHeader) decode(b []byte) {
	le := binary.LittleEndian
	copy(h.magic[:], b)
	h.version = le.Uint32(b[0x04:])
	h.generation = le.Uint32(b[0x08:])
	h.slotPages = le.Uint32(b[0x0c:])
	h.nextIndex = le.Uint32(b[0x10:])
}

func readNDB(r block.Reader, w *walk) error {
	b, err := block.ReadBytes(r, 0, 32, 32)
	if err != nil {
		return err
	}
	var h ndbHeader
	h.decode(b)
	fault := func(off int64, class error, detail string, args ...any) error {
		return block.Errorf("ndb", "header", off, class, detail, args...)
	}
	switch {
	case h.version != 0:
		return fault(4, block.ErrUnsupported, "version %d", h.version)
	case h.slotPages > ndbMaxPages:
		return fault(0x0c, block.ErrLimit, "%d pages of slots, at most %d are read", h.slotPages, ndbMaxPages)
	case h.slotPages == 0 || int64(h.slotPages)*ndbPage > r.Size():
		return fault(0x0c, block.ErrTruncated, "%d pages of slots", h.slotPages)
	}
	le := binary.LittleEndian
	for page := range int64(h.slotPages) {
		b, err := block.ReadBytes(r, page*ndbPage, ndbPage, ndbPage)
		if err != nil {
			return block.Locate("ndb", "slots", page*ndbPage, err)
		}
		for i := 0; i < ndbPage; i += ndbSlot {
			if page == 0 && i < ndbHeadSlots*ndbSlot {
				continue
			}
			at := page*ndbPage + int64(i)
			s := b[i : i+ndbSlot]
			if string(s[:4]) != "Slot" {
				return block.Errorf("ndb", "slot", at, block.ErrCorrupt, "no magic")
			}
			index, off, n := le.Uint32(s[4:]), le.Uint32(s[8:]), le.Uint32(s[12:])
			if off == 0 {
				continue // free
			}
			if err := w.step(); err != nil {
				return err
			}
			data, err := ndbBlob(r, index, int64(off)*ndbUnit, int64(n)*ndbUnit, int64(h.slotPages)*ndbPage)
			if err != nil {
				err = w.lost(block.Locate("ndb", "slot", at, err))
			} else {
				err = w.blob(data, int64(off)*ndbUnit)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// ndbBlob reads the header of the package index from n bytes at off, which must
// lie behind the slots.
func ndbBlob(r block.Reader, index uint32, off, n, slots int64) ([]byte, error) {
	fault := func(class error, detail string, args ...any) error {
		return block.Errorf("ndb", "blob", off, class, detail, args...)
	}
	if off < slots {
		return nil, fault(block.ErrCorrupt, "it lies over the slots")
	}
	if n < ndbBlobHead+ndbBlobTail {
		return nil, fault(block.ErrCorrupt, "%d bytes", n)
	}
	b, err := block.ReadBytes(r, off, n, MaxHeader)
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	size := int64(le.Uint32(b[12:]))
	if string(b[:4]) != "BlbS" || le.Uint32(b[4:]) != index || ndbBlobHead+size+ndbBlobTail > n {
		return nil, fault(block.ErrCorrupt, "it is not the blob of package %d", index)
	}
	tail := b[n-ndbBlobTail:]
	sum := adler32.Checksum(b[:n-ndbBlobTail])
	if string(tail[8:]) != "BlbE" || int64(le.Uint32(tail[4:])) != size {
		return nil, fault(block.ErrCorrupt, "its end is not that of package %d", index)
	}
	if sum != le.Uint32(tail) {
		return nil, fault(block.ErrCorrupt, "bad checksum")
	}
	return b[ndbBlobHead : ndbBlobHead+size], nil
}
