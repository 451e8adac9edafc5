package partition

import (
	"encoding/binary"
	"slices"

	"github.com/guestkit/guestkit/block"
)

// atariRoot is the root sector of AHDI 3.00, big-endian, and with it the eight
// entries that ICD's driver added. It has no mark.
type atariRoot struct {
	more  [8]atariEntry // 0x156 ICD
	total uint32        // 0x1C2 sectors of the disk
	parts [4]atariEntry // 0x1C6
}

type atariEntry struct {
	flags byte    // 0x0: bit 0 if it exists, bit 7 if it boots
	id    [3]byte // 0x1
	first uint32  // 0x4
	count uint32  // 0x8 sectors
}

func (a *atariRoot) decode(b []byte) {
	for i := range a.more {
		a.more[i].decode(b[0x156+12*i:])
	}
	a.total = binary.BigEndian.Uint32(b[0x1C2:])
	for i := range a.parts {
		a.parts[i].decode(b[0x1C6+12*i:])
	}
}

func (e *atariEntry) decode(b []byte) {
	e.flags = b[0x0]
	copy(e.id[:], b[0x1:])
	e.first = binary.BigEndian.Uint32(b[0x4:])
	e.count = binary.BigEndian.Uint32(b[0x8:])
}

var atariTypes = map[string]string{
	"GEM": "GEMDOS", "BGM": "GEMDOS above 16 MiB", "LNX": "Linux", "MIX": "Minix", "MNX": "Minix", "SWP": "swap", "RAW": "raw",
	"UNX": "Unix", "XGM": "extended", "F32": "FAT32", "MAC": "HFS", "QWA": "QDOS",
}

// valid reports whether an entry is a partition of a disk of so many sectors.
func (e *atariEntry) valid(total uint64) bool {
	for _, c := range e.id {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return e.flags&1 != 0 && e.first != 0 && e.count != 0 && uint64(e.first)+uint64(e.count) <= total
}

// readAtari reads the table of an Atari. An entry that is one, of a type that is
// known, and a size that the disk has, are all that shows it.
func readAtari(r block.Reader) (*Table, error) {
	b, err := view(r, Atari, 0, 512)
	if b == nil || err != nil {
		return nil, err
	}
	var root atariRoot
	root.decode(b)
	total := uint64(r.Size()) / 512
	if root.total == 0 || uint64(root.total) > total {
		return nil, nil
	}
	known := func(e atariEntry) bool { return e.valid(uint64(root.total)) && atariTypes[string(e.id[:])] != "" }
	if !slices.ContainsFunc(root.parts[:], known) {
		return nil, nil
	}
	t := &Table{Scheme: Atari, SectorSize: 512}
	for i := range root.parts {
		e := &root.parts[i]
		switch {
		case !e.valid(total):
		case string(e.id[:]) == "XGM":
			if err := t.readXGM(r, uint64(e.first)); err != nil {
				return nil, err
			}
		default:
			t.addAtari(e, 0, r.Size(), 0x1C6+12*int64(i))
		}
	}
	// ICD's entries count where there is no extended partition: both use the
	// numbers from 5 on.
	if !slices.ContainsFunc(root.parts[:], func(e atariEntry) bool { return string(e.id[:]) == "XGM" }) && known(root.more[0]) {
		for i := range root.more {
			if e := &root.more[i]; e.valid(total) {
				t.addAtari(e, 0, r.Size(), 0x156+12*int64(i))
			}
		}
	}
	t.checkOverlaps()
	return t, nil
}

func (t *Table) addAtari(e *atariEntry, base uint64, size, entryOff int64) {
	id := string(e.id[:])
	p := Partition{Number: len(t.Partitions) + 1, Type: id, TypeName: atariTypes[id], Bootable: e.flags&0x80 != 0}
	t.add(p, base+uint64(e.first), uint64(e.count), size, entryOff)
}

// readXGM follows the chain of an extended partition at base: each link has an
// entry for its partition, relative to the link, and one for the next link,
// relative to base.
func (t *Table) readXGM(r block.Reader, base uint64) error {
	seen := map[uint64]bool{}
	for at := base; ; {
		off := int64(at) * 512
		switch {
		case seen[at]:
			return block.Errorf(string(Atari), "extended partition", off, block.ErrLoop, "the chain comes back to it")
		case len(seen) == DefaultMaxLogical:
			t.problem("extended partition", off, block.ErrLimit, "more than %d links; the rest is left out", DefaultMaxLogical)
			return nil
		}
		seen[at] = true
		b, err := view(r, Atari, off, 512)
		if err != nil {
			return err
		}
		var link atariRoot
		if b != nil {
			link.decode(b)
		}
		// The entry of the partition is one of the first three.
		i := slices.IndexFunc(link.parts[:3], func(e atariEntry) bool { return e.flags&1 != 0 })
		if i < 0 {
			t.problem("extended partition", off, block.ErrCorrupt, "no partition; the chain ends here")
			return nil
		}
		t.addAtari(&link.parts[i], at, r.Size(), off+0x1C6+12*int64(i))
		next := &link.parts[i+1]
		if next.flags&1 == 0 || string(next.id[:]) != "XGM" {
			return nil
		}
		at = base + uint64(next.first)
	}
}
