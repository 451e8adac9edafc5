package ntfs

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

// A restartPage starts $LogFile, twice. It says whether the log was closed.
type restartPage struct {
	magic      [4]byte // 0x00 "RSTR", "CHKD" once chkdsk has emptied the log
	systemPage uint32  // 0x10 bytes: the second restart page is there
	logPage    uint32  // 0x14
	restartOff uint16  // 0x18 of the restart area
	minor      uint16  // 0x1A
	major      uint16  // 0x1C

	// restart area
	lsn     uint64 // 0x00
	clients uint16 // 0x08
	inUse   uint16 // 0x0C first client in use, 0xFFFF if none
	flags   uint16 // 0x0E
}

const (
	restartPageSize = 0x1E
	restartAreaSize = 0x30

	noClient       = 0xFFFF
	restartIsClean = 0x0002
)

func (h *restartPage) decode(b []byte) {
	copy(h.magic[:], b)
	h.systemPage = binary.LittleEndian.Uint32(b[0x10:])
	h.logPage = binary.LittleEndian.Uint32(b[0x14:])
	h.restartOff = binary.LittleEndian.Uint16(b[0x18:])
	h.minor = binary.LittleEndian.Uint16(b[0x1A:])
	h.major = binary.LittleEndian.Uint16(b[0x1C:])
}

func (h *restartPage) decodeArea(b []byte) {
	h.lsn = binary.LittleEndian.Uint64(b)
	h.clients = binary.LittleEndian.Uint16(b[0x08:])
	h.inUse = binary.LittleEndian.Uint16(b[0x0C:])
	h.flags = binary.LittleEndian.Uint16(b[0x0E:])
}

func (h *restartPage) clean() bool {
	return h.inUse == noClient || h.flags&restartIsClean != 0
}

// readLog looks whether $LogFile holds changes that are not on the volume. It
// is not replayed: until Windows or chkdsk does that, directories and records
// that were being changed may be as they were before, or half changed.
func (v *volume) readLog() error {
	n, err := v.inode(recLogFile)
	if err != nil {
		return err
	}
	d, err := n.Content()
	if err != nil {
		return err
	}
	var last *restartPage
	empty := true
	second := int64(4096)
	for _, off := range []int64{0, -1} {
		if off < 0 {
			off = second
		}
		if off > d.Size()-stride {
			continue
		}
		page, blank, err := readRestart(d, off)
		if err != nil {
			return block.Locate("ntfs", "$LogFile", -1, err)
		}
		empty = empty && blank
		if page == nil {
			continue
		}
		second = int64(page.systemPage)
		if last == nil || page.lsn > last.lsn {
			last = page
		}
	}
	switch {
	case last == nil && empty, last != nil && last.clean():
		return nil
	case last == nil:
		v.status.dirtyLog = true
		return block.Errorf("ntfs", "$LogFile", -1, block.ErrDirty, "neither of its restart pages can be read")
	}
	v.status.dirtyLog = true
	return block.Errorf("ntfs", "$LogFile", -1, block.ErrDirty, "the log (version %d.%d) was not closed and is not replayed: names, sizes and places of files changed last may be stale", last.major, last.minor)
}

// readRestart reads the restart page at off of the log. It is nil if there is
// none that is whole; blank says that there are only 0xFF bytes, which is how
// an emptied log looks.
func readRestart(d block.Device, off int64) (page *restartPage, blank bool, err error) {
	head := make([]byte, stride)
	if err := block.ReadFull(d, head, off); err != nil {
		return nil, false, err
	}
	blank = true
	for _, c := range head {
		blank = blank && c == 0xFF
	}
	var h restartPage
	h.decode(head)
	if m := string(h.magic[:]); m != "RSTR" && m != "CHKD" {
		return nil, blank, nil
	}
	size := int64(h.systemPage)
	if !powerOfTwo(size) || size < stride || size > 64<<10 || size > d.Size()-off {
		return nil, false, nil
	}
	b := make([]byte, size)
	if err := block.ReadFull(d, b, off); err != nil {
		return nil, false, err
	}
	if applyFixups(b) != nil || int64(h.restartOff) > size-restartAreaSize {
		return nil, false, nil
	}
	h.decodeArea(b[h.restartOff:])
	return &h, false, nil
}
