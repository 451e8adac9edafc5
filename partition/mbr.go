package partition

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/guestkit/guestkit/block"
)

const (
	mbrLen = 512

	typeProtective = 0xEE // stands for a GPT

	// maxEBRs bounds the chain where its links hold no partitions.
	maxEBRs = 1024
)

// mbr is the sector at LBA 0, or an EBR, which has the same form.
type mbr struct {
	diskID    uint32      // 0x1B8
	entries   [4]mbrEntry // 0x1BE
	signature uint16      // 0x1FE

	fs bool // the sector is the boot sector of a filesystem
}

type mbrEntry struct {
	boot  byte   // 0x0: 0x80 active
	kind  byte   // 0x4: the type; 0x1 and 0x5 are CHS addresses, which nothing uses any more
	first uint32 // 0x8: LBA
	count uint32 // 0xC: sectors
}

func (m *mbr) decode(b []byte) {
	m.diskID = binary.LittleEndian.Uint32(b[0x1B8:])
	for i := range m.entries {
		m.entries[i].decode(b[0x1BE+16*i:])
	}
	m.signature = binary.LittleEndian.Uint16(b[0x1FE:])
}

func (e *mbrEntry) decode(b []byte) {
	e.boot = b[0]
	e.kind = b[4]
	e.first = binary.LittleEndian.Uint32(b[8:])
	e.count = binary.LittleEndian.Uint32(b[12:])
}

// used follows the kernel, which looks at the size alone.
func (e *mbrEntry) used() bool { return e.count != 0 }

func (e *mbrEntry) extended() bool {
	return e.used() && (e.kind == 0x05 || e.kind == 0x0F || e.kind == 0x85)
}

// readMBR reads LBA 0. A disk that is too small for one has no signature.
func readMBR(r block.Reader) (*mbr, error) {
	m := new(mbr)
	if r.Size() < mbrLen {
		return m, nil
	}
	b, err := block.ReadBytes(r, 0, mbrLen, mbrLen)
	if err != nil {
		return nil, block.Locate("mbr", "boot sector", 0, err)
	}
	m.decode(b)
	m.fs = bootSectorOfFS(b)
	return m, nil
}

// bootSectorOfFS reports whether a sector with the mark of an MBR begins a
// FAT, NTFS or exFAT filesystem.
func bootSectorOfFS(b []byte) bool {
	switch string(b[3:11]) {
	case "NTFS    ", "EXFAT   ", "-FVE-FS-":
		return true
	}
	if (b[0] != 0xEB && b[0] != 0xE9) || b[21] != 0xF0 && b[21] < 0xF8 {
		return false
	}
	sector, cluster := binary.LittleEndian.Uint16(b[11:]), b[13]
	return sector >= 512 && sector <= 4096 && sector&(sector-1) == 0 && cluster != 0 && cluster&(cluster-1) == 0 &&
		b[16] >= 1 && b[16] <= 2 && binary.LittleEndian.Uint16(b[14:]) != 0
}

// hasGPT reports whether the MBR says that a GPT counts.
func (m *mbr) hasGPT() bool {
	if m.signature != 0xAA55 {
		return false
	}
	only := true
	for _, e := range m.entries {
		switch {
		case e.kind == typeProtective && e.first == 1:
			return true
		case e.used() && e.kind != typeProtective:
			only = false
		}
	}
	// An entry that starts elsewhere counts if there is nothing else.
	return only && m.entries[0].kind == typeProtective && m.entries[0].used()
}

// isTable reports whether the entries of the MBR make sense.
func (m *mbr) isTable(size int64, sectorSize int) bool {
	if m.signature != 0xAA55 {
		return false
	}
	used := 0
	for i, e := range m.entries {
		if e.boot != 0 && e.boot != 0x80 {
			return false
		}
		if !e.used() {
			continue
		}
		used++
		if !m.fs {
			continue
		}
		// Code and messages of a boot sector may look like an entry.
		end := int64(e.first) + int64(e.count)
		if e.kind == 0 || e.first == 0 || end > size/int64(sectorSize) {
			return false
		}
		for _, o := range m.entries[:i] {
			if o.used() && int64(o.first) < end && int64(e.first) < int64(o.first)+int64(o.count) {
				return false
			}
		}
	}
	return used > 0
}

// dedicated reports whether the MBR stands before a disk that a BSD has for
// itself: its one partition starts where the MBR lies.
func (m *mbr) dedicated() bool {
	for _, e := range m.entries {
		if e.used() && e.first == 0 && e.kind == 0xA5 {
			return true
		}
	}
	return false
}

// isEmptyTable reports whether the MBR is a table that has no partition yet.
func (m *mbr) isEmptyTable() bool {
	return m.signature == 0xAA55 && !m.fs && m.diskID != 0 && m.entries == [4]mbrEntry{}
}

// table makes a Table of the MBR and the EBRs behind it.
func (m *mbr) table(r block.Reader, sectorSize int, opts *Options) (*Table, error) {
	t := &Table{Scheme: MBR, SectorSize: sectorSize}
	if m.diskID != 0 {
		t.UUID = fmt.Sprintf("%08x", m.diskID)
	}
	for i := range m.entries {
		e := &m.entries[i]
		if !e.used() {
			continue
		}
		if e.extended() && e.first == 0 {
			return nil, block.Errorf("mbr", "extended partition", 0x1BE+16*int64(i), block.ErrLoop, "it starts at LBA 0, where the MBR itself lies")
		}
		t.addMBR(e, i+1, uint64(e.first), r.Size(), 0x1BE+16*int64(i))
	}
	left := opts.MaxLogical
	if left <= 0 {
		left = DefaultMaxLogical
	}
	for i := range m.entries {
		if !m.entries[i].extended() {
			continue
		}
		if err := t.readLogical(r, &m.entries[i], &left); err != nil {
			return nil, err
		}
	}
	t.checkOverlaps()
	return t, nil
}

// addMBR adds the partition of an entry that lies at entryOff.
func (t *Table) addMBR(e *mbrEntry, number int, first uint64, size, entryOff int64) {
	p := Partition{
		Number:   number,
		Type:     fmt.Sprintf("0x%02x", e.kind),
		TypeName: mbrTypes[e.kind],
		Bootable: e.boot == 0x80,
		Extended: e.extended(),
		Logical:  number > 4,
	}
	if t.UUID != "" {
		p.UUID = fmt.Sprintf("%s-%02x", t.UUID, number)
	}
	if e.boot != 0 && e.boot != 0x80 {
		t.fault(&p, entryOff, block.ErrCorrupt, "boot indicator %#02x", e.boot)
	}
	t.place(&p, first, uint64(e.count), size, entryOff)
	t.Partitions = append(t.Partitions, p)
}

var errTooManyLogical = errors.New("too many")

// readLogical follows the chain of EBRs in an extended partition. Each EBR
// has an entry for its logical partition, relative to the EBR, and one for the
// next EBR, relative to the extended partition.
func (t *Table) readLogical(r block.Reader, ext *mbrEntry, left *int) error {
	const what = "EBR"
	base := uint64(ext.first)
	ss := uint64(t.SectorSize)
	seen := map[uint64]bool{}
	lba, count := base, uint64(ext.count)
	for {
		off := int64(lba * ss) // at most 2^33 sectors of 2^16 bytes
		if seen[lba] {
			return block.Errorf("mbr", what, off, block.ErrLoop, "the chain of logical partitions comes back to it")
		}
		seen[lba] = true
		if len(seen) > maxEBRs {
			t.problem(what, off, block.ErrLimit, "more than %d in a chain; the rest is left out", maxEBRs)
			return nil
		}
		if off > r.Size()-mbrLen {
			t.problem(what, off, block.ErrTruncated, "it lies past the end of the disk")
			return nil
		}
		b, err := block.ReadBytes(r, off, mbrLen, mbrLen)
		if err != nil {
			return block.Locate("mbr", what, off, err)
		}
		var e mbr
		e.decode(b)
		if e.signature != 0xAA55 {
			if lba != base || len(bytes.Trim(b, "\x00")) != 0 {
				t.problem(what, off, block.ErrCorrupt, "no signature; the chain of logical partitions ends here")
			}
			return nil
		}
		if err := t.addLogical(r, &e, lba, count, ext, left); err != nil {
			t.problem(what, off, block.ErrLimit, "too many logical partitions; those from here on are left out")
			return nil
		}
		next := e.link()
		if next == nil {
			return nil
		}
		lba, count = base+uint64(next.first), uint64(next.count)
	}
}

// link returns the entry that names the next EBR.
func (m *mbr) link() *mbrEntry {
	for i := range m.entries {
		if m.entries[i].extended() {
			return &m.entries[i]
		}
	}
	return nil
}

// addLogical adds the partitions of the EBR at lba, which spans count sectors.
// The third and fourth entries are often garbage and count only if they lie
// inside, as the kernel has it.
func (t *Table) addLogical(r block.Reader, e *mbr, lba, count uint64, ext *mbrEntry, left *int) error {
	for i := range e.entries {
		d := &e.entries[i]
		if !d.used() || d.extended() {
			continue
		}
		first := lba + uint64(d.first)
		end := first + uint64(d.count)
		extEnd := uint64(ext.first) + uint64(ext.count)
		if i >= 2 && (uint64(d.first)+uint64(d.count) > count || first < uint64(ext.first) || end > extEnd) {
			continue
		}
		if *left == 0 {
			return errTooManyLogical
		}
		*left--
		entryOff := int64(lba)*int64(t.SectorSize) + 0x1BE + 16*int64(i)
		t.addMBR(d, t.nextLogical(), first, r.Size(), entryOff)
		if p := &t.Partitions[len(t.Partitions)-1]; end > extEnd {
			t.fault(p, entryOff, block.ErrCorrupt, "reaches out of the extended partition")
		}
	}
	return nil
}

func (t *Table) nextLogical() int {
	n := 5
	if len(t.Partitions) > 0 {
		n = max(n, t.Partitions[len(t.Partitions)-1].Number+1)
	}
	return n
}
