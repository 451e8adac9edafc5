package partition

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/guestkit/guestkit/block"
)

// A Scheme is a kind of partition table.
type Scheme string

// The kinds that are read.
const (
	MBR     Scheme = "mbr" // blkid and sfdisk call it "dos"
	GPT     Scheme = "gpt"
	BSD     Scheme = "bsd"     // disklabels of FreeBSD, NetBSD, OpenBSD, DragonFly
	Sun     Scheme = "sun"     // SPARC
	Solaris Scheme = "solaris" // the VTOC inside a partition of a PC
	SGI     Scheme = "sgi"     // parted calls it "dvh"
	Mac     Scheme = "mac"     // the Apple partition map
	Atari   Scheme = "atari"   // AHDI
)

// DefaultMaxLogical is how many logical partitions of an MBR are read: as many
// as the kernel has minors for.
const DefaultMaxLogical = 256

// MaxGPT bounds the entries of a GPT, in bytes.
const MaxGPT = 1 << 20

// Options says how a table is read. The zero value, or nil, is safe.
type Options struct {
	// SectorSize is the size of a sector in bytes: a power of two from 512
	// to 65536. 0 takes what the Reader states, or finds it out (see the
	// package's documentation).
	SectorSize int
	// MaxLogical bounds the logical partitions of an MBR; 0 means
	// DefaultMaxLogical.
	// Those past it are left out, with a Problem that wraps ErrLimit.
	MaxLogical int
}

// A Table is a partition table that was read.
type Table struct {
	Scheme     Scheme
	SectorSize int // in bytes
	// UUID is the GUID of the disk, or the eight hexadecimal digits of the
	// disk signature of an MBR; "" if that is 0.
	UUID       string
	Partitions []Partition // in the order of their numbers
	Hybrid     bool        // a GPT beside which the MBR lists partitions of its own
	Backup     bool        // a GPT whose backup copy had to be used
	// FirstUsable and LastUsable are the bytes (not sectors) from where to
	// where a GPT allows partitions, LastUsable exclusive; 0 for an MBR.
	FirstUsable, LastUsable int64
	// Problems are recoverable faults, those of single partitions included.
	// Each is a *block.Error.
	Problems []error
}

// A Partition is a run of bytes of the disk. Start and Size are what can be
// read: clipped to the disk, where a Problem says so.
type Partition struct {
	Number      int
	Start, Size int64  // bytes
	Type        string // "0x83", the lower-case GUID, or the name that the table of a Macintosh or an Atari has
	TypeName    string // "Linux", "EFI System"; "" for a type that is not known
	Name        string // BSD: the letter; GPT and Macintosh: any characters, those of a terminal's control sequences among them
	UUID        string // as in PARTUUID=; "" where the table gives none
	Attributes  uint64 // GPT: as stored
	Bootable    bool   // MBR: active; GPT: legacy BIOS bootable
	Logical     bool   // MBR: inside the extended partition
	Extended    bool   // MBR: holds the logical partitions, and no content of its own
	Problems    []error
}

// Read reads the partition table of r. A disk without one, a bare filesystem
// among them, is an error that wraps block.ErrFormat; a table that cannot be
// trusted wraps ErrCorrupt, ErrLoop or ErrLimit.
func Read(r block.Reader, opts *Options) (*Table, error) {
	if opts == nil {
		opts = &Options{}
	}
	if s := opts.SectorSize; s != 0 && !validSectorSize(s) {
		return nil, fmt.Errorf("partition: %d is no size of a sector", s)
	}
	m, err := readMBR(r)
	if err != nil {
		return nil, err
	}
	sizes := sectorSizes(r, opts)
	switch {
	case m.hasGPT():
		return readGPT(r, m, sizes)
	case m.isTable(r.Size(), sizes[0]):
		if m.dedicated() {
			if t, err := readBSD(r); t != nil || err != nil {
				return t, err
			}
		}
		t, err := m.table(r, sizes[0], opts)
		if err == nil && findGPT(r, sizes) {
			t.problem("GPT", int64(t.SectorSize), block.ErrFormat, "ignored: the MBR has partitions and no entry of type 0xee, so the GPT is left over from an earlier use")
		}
		return t, err
	case !m.fs && findGPT(r, sizes):
		t, err := readGPT(r, m, sizes)
		if err == nil {
			t.problem("protective MBR", 0, block.ErrCorrupt, "missing: the kernel would see no GPT")
		}
		return t, err
	case !m.fs:
		if t, err := readLabel(r); t != nil || err != nil {
			return t, err
		}
		if m.isEmptyTable() {
			return m.table(r, sizes[0], opts)
		}
	}
	return nil, block.Errorf("", "partition table", 0, block.ErrFormat, "there is none")
}

// sectorSizes lists the sizes to try, best first.
func sectorSizes(r block.Reader, opts *Options) []int {
	if opts.SectorSize != 0 {
		return []int{opts.SectorSize}
	}
	sizes := []int{512, 4096}
	if s := block.SectorSize(r); validSectorSize(s) {
		sizes = slices.DeleteFunc(sizes, func(x int) bool { return x == s })
		sizes = slices.Insert(sizes, 0, s)
	}
	return sizes
}

func validSectorSize(s int) bool { return s >= 512 && s <= 65536 && s&(s-1) == 0 }

// problem records a fault of the table as a whole.
func (t *Table) problem(what string, off int64, class error, detail string, args ...any) {
	t.Problems = append(t.Problems, block.Errorf(string(t.Scheme), what, off, class, detail, args...))
}

// fault records a fault of one partition, for it and for the table.
func (t *Table) fault(p *Partition, off int64, class error, detail string, args ...any) {
	err := block.Errorf(string(t.Scheme), fmt.Sprintf("partition %d", p.Number), off, class, detail, args...)
	p.Problems = append(p.Problems, err)
	t.Problems = append(t.Problems, err)
}

// place sets Start and Size from sectors and clips them to the disk. Both
// counts fit in 63 bits together with the sector size only after the checks
// here. entryOff is where the table says so.
func (t *Table) place(p *Partition, first, count uint64, size, entryOff int64) {
	ss := uint64(t.SectorSize)
	total := uint64(size) / ss
	if first >= total {
		p.Start = size
		t.fault(p, entryOff, block.ErrTruncated, "starts at sector %d, and the disk has %d", first, total)
		return
	}
	p.Start = int64(first * ss)
	if count > total-first {
		t.fault(p, entryOff, block.ErrTruncated, "clipped: %d sectors at %d, and the disk has %d", count, first, total)
		count = total - first
	}
	p.Size = int64(count * ss)
}

// checkOverlaps reports each partition that overlaps one that starts before
// it. Extended partitions are meant to hold others and are left out.
func (t *Table) checkOverlaps() {
	var order []*Partition
	for i := range t.Partitions {
		if p := &t.Partitions[i]; !p.Extended && p.Size > 0 {
			order = append(order, p)
		}
	}
	slices.SortStableFunc(order, func(a, b *Partition) int { return cmp.Compare(a.Start, b.Start) })
	var last *Partition // the one that reaches furthest
	for _, p := range order {
		if last != nil && p.Start < last.Start+last.Size {
			t.fault(p, p.Start, block.ErrCorrupt, "overlaps partition %d", last.Number)
		}
		if last == nil || p.Start+p.Size > last.Start+last.Size {
			last = p
		}
	}
}
