package md

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/guestkit/guestkit/block"
)

// checkJournal says whether a journal holds writes that the members lack. It
// is not replayed.
func (a *Array) checkJournal(top *Member) {
	const headSize = 32
	if top.features&featJournal == 0 {
		return
	}
	for _, m := range a.Members {
		if m.State != Journal {
			continue
		}
		off := m.dataOff + m.journalTail
		b, err := block.ReadBytes(m.Device, off, headSize, headSize)
		if err != nil {
			a.Problems = append(a.Problems, block.Locate(format, "journal", off, err))
			return
		}
		// struct r5l_meta_block: magic, checksum, version, size of what follows
		// with this header, sequence, position.
		le := binary.LittleEndian
		if le.Uint32(b) == 0x6433c509 && le.Uint32(b[12:]) > headSize {
			a.problem(block.ErrDirty, "its journal holds writes that the members may lack, and is not replayed: what they changed may read as it was before")
		}
		return
	}
	a.problem(block.ErrMissing, "its journal is missing: writes that it holds are lost")
}

// maxBitmap bounds how much of a write-intent bitmap is counted, in bytes.
const maxBitmap = 1 << 20

// outdated says by the write-intent bitmap of the members that went on how much
// of a stale one is out of date, "" if no bitmap tells.
func (a *Array) outdated(stale *Member) string {
	for _, m := range a.Members {
		if m.State != Active || m.bitmapAt <= 0 {
			continue
		}
		b, err := block.ReadBytes(m.Device, m.bitmapAt, 256, 256)
		if err != nil {
			return ""
		}
		// struct bitmap_super_s: magic, version, UUID, events, events_cleared,
		// sync_size, state, chunksize.
		le := binary.LittleEndian
		cleared, sectors, chunk := le.Uint64(b[0x20:]), le.Uint64(b[0x28:]), int64(le.Uint32(b[0x34:]))
		if le.Uint32(b) != 0x6d746962 || stale.Events < cleared || chunk < sectorSize || sectors > maxSize/sectorSize {
			return ""
		}
		chunks := (int64(sectors)*sectorSize + chunk - 1) / chunk
		if chunks > 8*maxBitmap {
			return ""
		}
		set, err := block.ReadBytes(m.Device, m.bitmapAt+256, (chunks+7)/8, maxBitmap)
		if err != nil {
			return ""
		}
		n := 0
		for _, x := range set {
			n += bits.OnesCount8(x)
		}
		return fmt.Sprintf(", differs in %d of %d chunks of its bitmap", n, chunks)
	}
	return ""
}
