package partition

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
	"unicode/utf16"

	"github.com/guestkit/guestkit/block"
)

const (
	gptMagic     = "EFI PART"
	gptHeaderLen = 92
	gptEntryLen  = 128

	primaryHeader = "primary header"

	bitLegacyBoot = 1 << 2
)

// gptHeader is the header of a GPT, primary or backup.
type gptHeader struct {
	signature   [8]byte  // 0x00
	revision    uint32   // 0x08
	headerSize  uint32   // 0x0C
	headerCRC   uint32   // 0x10: with this field as 0; 0x14 is reserved
	myLBA       uint64   // 0x18
	alternate   uint64   // 0x20
	firstUsable uint64   // 0x28
	lastUsable  uint64   // 0x30: inclusive
	diskGUID    [16]byte // 0x38
	entryLBA    uint64   // 0x48
	entryCount  uint32   // 0x50
	entrySize   uint32   // 0x54
	entriesCRC  uint32   // 0x58
}

func (h *gptHeader) decode(b []byte) {
	copy(h.signature[:], b)
	h.revision = binary.LittleEndian.Uint32(b[0x08:])
	h.headerSize = binary.LittleEndian.Uint32(b[0x0C:])
	h.headerCRC = binary.LittleEndian.Uint32(b[0x10:])
	h.myLBA = binary.LittleEndian.Uint64(b[0x18:])
	h.alternate = binary.LittleEndian.Uint64(b[0x20:])
	h.firstUsable = binary.LittleEndian.Uint64(b[0x28:])
	h.lastUsable = binary.LittleEndian.Uint64(b[0x30:])
	copy(h.diskGUID[:], b[0x38:])
	h.entryLBA = binary.LittleEndian.Uint64(b[0x48:])
	h.entryCount = binary.LittleEndian.Uint32(b[0x50:])
	h.entrySize = binary.LittleEndian.Uint32(b[0x54:])
	h.entriesCRC = binary.LittleEndian.Uint32(b[0x58:])
}

// A gptCopy is the header at one place with its entries.
type gptCopy struct {
	gptHeader
	lba     uint64
	entries []byte
}

// readCopy reads and checks the GPT at an LBA. An error that is not refused
// is what bit rot or a wipe does, and another copy may serve; the header comes
// with it if its bytes could be read. A rule broken under a right checksum is
// refused.
func readCopy(r block.Reader, what string, lba uint64, sectorSize int) (c *gptCopy, refused bool, err error) {
	size, ss := r.Size(), int64(sectorSize)
	if lba >= uint64(size/ss) {
		return nil, false, block.Errorf("gpt", what, -1, block.ErrTruncated, "at LBA %d, and the disk has %d", lba, size/ss)
	}
	off := int64(lba) * ss
	b, err := block.ReadBytes(r, off, ss, 65536)
	if err != nil {
		return nil, false, block.Locate("gpt", what, off, err)
	}
	c = &gptCopy{lba: lba}
	c.decode(b)
	if err := c.checkSeal(b, what, off); err != nil {
		return c, false, err
	}
	if err := c.validate(what, off, uint64(size/ss), uint64(ss)); err != nil {
		return nil, true, err
	}
	n := int64(c.entryCount) * int64(c.entrySize)
	entriesOff := int64(c.entryLBA) * ss
	if c.entries, err = block.ReadBytes(r, entriesOff, n, MaxGPT); err != nil {
		return c, false, block.Locate("gpt", what+": entries", entriesOff, err)
	}
	if sum := crc32.ChecksumIEEE(c.entries); sum != c.entriesCRC {
		return c, false, block.Errorf("gpt", what+": entries", entriesOff, block.ErrCorrupt, "checksum %#08x, want %#08x", sum, c.entriesCRC)
	}
	return c, false, nil
}

// checkSeal checks what says that the bytes are those that were written here.
func (h *gptHeader) checkSeal(b []byte, what string, off int64) error {
	if string(h.signature[:]) != gptMagic {
		return block.Errorf("gpt", what, off, block.ErrCorrupt, "no signature")
	}
	if h.headerSize < gptHeaderLen || int64(h.headerSize) > int64(len(b)) {
		return block.Errorf("gpt", what, off, block.ErrCorrupt, "header of %d bytes", h.headerSize)
	}
	sum := crc32.ChecksumIEEE(b[:0x10])
	sum = crc32.Update(sum, crc32.IEEETable, make([]byte, 4))
	sum = crc32.Update(sum, crc32.IEEETable, b[0x14:h.headerSize])
	if sum != h.headerCRC {
		return block.Errorf("gpt", what, off, block.ErrCorrupt, "checksum %#08x, want %#08x", sum, h.headerCRC)
	}
	if lba := uint64(off) / uint64(len(b)); h.myLBA != lba {
		return block.Errorf("gpt", what, off, block.ErrCorrupt, "it says that it lies at LBA %d, not %d", h.myLBA, lba)
	}
	return nil
}

// validate holds the rules that a header of a disk of total sectors of ss
// bytes must keep.
func (h *gptHeader) validate(what string, off int64, total, ss uint64) error {
	bad := func(class error, detail string, args ...any) error {
		return block.Errorf("gpt", what, off, class, detail, args...)
	}
	if h.revision>>16 != 1 {
		return bad(block.ErrUnsupported, "revision %#08x", h.revision)
	}
	if s := h.entrySize; s < gptEntryLen || s&(s-1) != 0 {
		return bad(block.ErrCorrupt, "entries of %d bytes", s)
	}
	if n := uint64(h.entryCount) * uint64(h.entrySize); n > MaxGPT {
		return bad(block.ErrLimit, "%d entries of %d bytes, more than %d bytes", h.entryCount, h.entrySize, MaxGPT)
	} else if h.entryLBA < 1 || h.entryLBA >= total || (n+ss-1)/ss > total-h.entryLBA {
		return bad(block.ErrCorrupt, "entries at LBA %d of %d", h.entryLBA, total)
	}
	if h.lastUsable < h.firstUsable && h.lastUsable+1 != h.firstUsable {
		return bad(block.ErrCorrupt, "usable from LBA %d to %d", h.firstUsable, h.lastUsable)
	}
	return nil
}

// findGPT reports whether a good primary GPT lies on the disk.
func findGPT(r block.Reader, sizes []int) bool {
	for _, ss := range sizes {
		if _, _, err := readCopy(r, primaryHeader, 1, ss); err == nil {
			return true
		}
	}
	return false
}

// readGPT reads the GPT of a disk, whose MBR is m. All places of a primary
// come before those of a backup.
func readGPT(r block.Reader, m *mbr, sizes []int) (*Table, error) {
	primaries := make([]*gptCopy, len(sizes))
	errs := make([]error, len(sizes))
	for i, ss := range sizes {
		c, refused, err := readCopy(r, primaryHeader, 1, ss)
		if err == nil {
			t := c.table(r.Size(), ss, m)
			t.Problems = append(checkBackup(r, c, ss), t.Problems...)
			t.checkSectorSize(r)
			return t, nil
		}
		if refused {
			return nil, err
		}
		primaries[i], errs[i] = c, err
	}
	for i, ss := range sizes {
		for _, lba := range backupPlaces(r, primaries[i], ss) {
			c, _, err := readCopy(r, "backup header", lba, ss)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			t := c.table(r.Size(), ss, m)
			t.Problems = append([]error{&block.Error{Format: "gpt", What: primaryHeader, Off: int64(ss),
				Err: fmt.Errorf("the backup at LBA %d is used, since the primary is bad: %w", lba, errs[i])}}, t.Problems...)
			t.checkSectorSize(r)
			return t, nil
		}
	}
	return nil, &block.Error{Format: "gpt", What: primaryHeader, Off: int64(sizes[0]),
		Err: fmt.Errorf("the MBR says that there is a GPT, and no copy of it is good: %w; %w", errs[0], errs[len(sizes)])}
}

// backupPlaces says where to look for the backup of a bad primary: where the
// primary has it, if it is there at all, and at the last sector.
func backupPlaces(r block.Reader, primary *gptCopy, ss int) []uint64 {
	last := uint64(r.Size()/int64(ss)) - 1 // readMBR found a whole sector; a wrap is past the end
	if primary != nil && string(primary.signature[:]) == gptMagic && primary.alternate > 1 && primary.alternate != last {
		return []uint64{primary.alternate, last}
	}
	return []uint64{last}
}

// checkSectorSize tells if the table counts other sectors than the disk has.
func (t *Table) checkSectorSize(r block.Reader) {
	if s := block.SectorSize(r); s != 0 && s != t.SectorSize {
		t.problem("header", int64(t.SectorSize), block.ErrCorrupt, "it counts sectors of %d bytes, and the disk has sectors of %d", t.SectorSize, s)
	}
}

// checkBackup tells what is wrong with the backup of a good primary.
func checkBackup(r block.Reader, primary *gptCopy, ss int) []error {
	backup, _, err := readCopy(r, "backup header", primary.alternate, ss)
	if err != nil {
		return []error{err}
	}
	if backup.diskGUID != primary.diskGUID || backup.entriesCRC != primary.entriesCRC {
		return []error{block.Errorf("gpt", "backup header", int64(primary.alternate)*int64(ss), block.ErrCorrupt, "it differs from the primary, which is used")}
	}
	return nil
}

// gptEntry is one entry of the array.
type gptEntry struct {
	kind       [16]byte   // 0x00: zeros where unused
	guid       [16]byte   // 0x10
	first      uint64     // 0x20: LBA
	last       uint64     // 0x28: LBA, inclusive
	attributes uint64     // 0x30
	name       [36]uint16 // 0x38
}

func (e *gptEntry) decode(b []byte) {
	copy(e.kind[:], b)
	copy(e.guid[:], b[0x10:])
	e.first = binary.LittleEndian.Uint64(b[0x20:])
	e.last = binary.LittleEndian.Uint64(b[0x28:])
	e.attributes = binary.LittleEndian.Uint64(b[0x30:])
	for i := range e.name {
		e.name[i] = binary.LittleEndian.Uint16(b[0x38+2*i:])
	}
}

// table makes a Table of a good copy.
func (c *gptCopy) table(size int64, ss int, m *mbr) *Table {
	t := &Table{Scheme: GPT, SectorSize: ss, UUID: guidString(c.diskGUID), Backup: c.lba != 1}
	total := uint64(size) / uint64(ss)
	t.FirstUsable = int64(min(c.firstUsable, total)) * int64(ss)
	t.LastUsable = int64(min(c.lastUsable, total-1)+1) * int64(ss)
	if c.lastUsable >= total {
		t.problem("header", int64(c.lba)*int64(ss), block.ErrTruncated, "usable up to LBA %d, and the disk has %d", c.lastUsable, total)
	}
	for i := range int(c.entryCount) {
		var e gptEntry
		e.decode(c.entries[i*int(c.entrySize):])
		if e.kind == [16]byte{} {
			continue
		}
		entryOff := int64(c.entryLBA)*int64(ss) + int64(i)*int64(c.entrySize)
		t.addGPT(&e, i+1, c, size, entryOff)
	}
	t.checkOverlaps()
	t.checkHybrid(m)
	return t
}

func (t *Table) addGPT(e *gptEntry, number int, c *gptCopy, size, entryOff int64) {
	p := Partition{
		Number:     number,
		Type:       guidString(e.kind),
		Name:       utf16String(e.name[:]),
		UUID:       guidString(e.guid),
		Attributes: e.attributes,
		Bootable:   e.attributes&bitLegacyBoot != 0,
	}
	p.TypeName = gptTypes[p.Type]
	switch {
	case e.last < e.first:
		t.fault(&p, entryOff, block.ErrCorrupt, "from LBA %d to %d", e.first, e.last)
	case e.last-e.first+1 == 0:
		t.fault(&p, entryOff, block.ErrCorrupt, "as long as a disk can be")
	default:
		if e.first < c.firstUsable || e.last > c.lastUsable {
			t.fault(&p, entryOff, block.ErrCorrupt, "LBA %d to %d lies outside of what is usable, %d to %d", e.first, e.last, c.firstUsable, c.lastUsable)
		}
		t.place(&p, e.first, e.last-e.first+1, size, entryOff)
	}
	t.Partitions = append(t.Partitions, p)
}

// checkHybrid looks at what the MBR lists beside the GPT.
func (t *Table) checkHybrid(m *mbr) {
	for i := range m.entries {
		e := &m.entries[i]
		if !e.used() || e.kind == typeProtective || m.signature != 0xAA55 {
			continue
		}
		t.Hybrid = true
		start, size := int64(e.first)*int64(t.SectorSize), int64(e.count)*int64(t.SectorSize)
		known := false
		for j := range t.Partitions {
			known = known || t.Partitions[j].Start == start && t.Partitions[j].Size == size
		}
		if !known {
			t.problem(fmt.Sprintf("hybrid MBR entry %d", i+1), 0x1BE+16*int64(i), block.ErrCorrupt, "no partition of the GPT lies there; it is not listed")
		}
	}
}

// guidString writes a GUID as Linux does: its first three fields are
// little-endian on disk.
func guidString(g [16]byte) string {
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", binary.LittleEndian.Uint32(g[:]), binary.LittleEndian.Uint16(g[4:]),
		binary.LittleEndian.Uint16(g[6:]), g[8:10], g[10:])
}

// utf16String decodes a name up to its NUL. Half a surrogate pair becomes
// U+FFFD.
func utf16String(u []uint16) string {
	s := string(utf16.Decode(u))
	s, _, _ = strings.Cut(s, "\x00")
	return s
}
