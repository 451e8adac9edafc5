package xfs

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

// A directory's fork has three spaces of 32 GiB: data blocks, the hash index,
// and the index of free space, which readers do not need.
const (
	dirSpace    = 1 << 35
	dirUnitLog  = 3 // entries start at multiples of 8 bytes
	unusedEntry = 0xffff
)

// Magic numbers of blocks with entries: data and block form.
const (
	dirDataMagic    = 0x58443244 // "XD2D"
	dirBlockMagic   = 0x58443242 // "XD2B"
	dirDataMagicV5  = 0x58444433 // "XDD3"
	dirBlockMagicV5 = 0x58444233 // "XDB3"
)

// dirEntry is one name, wherever it lies.
type dirEntry struct {
	ino   uint64
	name  string
	ftype uint8
}

func (e *dirEntry) entry() vfs.Entry {
	out := vfs.Entry{Name: e.name, Ino: e.ino}
	out.SetType(e.ftype)
	return out
}

// readDir calls yield for every entry but "." and "..", until it returns false.
// A block that comes twice ends the directory: each name has one place, and the
// blocks of version 4 do not say of whom they are.
func (f *filesystem) readDir(n *inode, yield func(dirEntry) error) error {
	if n.data.format == forkLocal {
		sf, err := f.shortDir(n)
		if err != nil {
			return err
		}
		for _, e := range sf.entries {
			if err := yield(e); err != nil {
				return err
			}
		}
		return nil
	}
	// What is mapped below the index is data; freed data blocks are holes.
	limit := uint64(dirSpace) >> f.sb.blocklog
	step := uint64(1) << f.sb.dirblklog
	seen := map[int64]struct{}{}
	for blk := uint64(0); blk < limit; {
		m, err := f.mapAt(&n.data, blk)
		if err != nil {
			return err
		}
		if m.hole {
			blk = (m.end() + step - 1) &^ (step - 1)
			continue
		}
		d, err := f.dirBlock(n, blk)
		if err != nil {
			return err
		}
		if _, twice := seen[d.off]; twice {
			return d.corrupt(0, "as block %d of the directory it has come before", blk)
		}
		seen[d.off] = struct{}{}
		for pos := d.start; pos < d.end; {
			e, next, err := d.at(pos)
			if err != nil {
				return err
			}
			if pos = next; e.name == "" || e.name == "." || e.name == ".." {
				continue
			}
			if err := yield(e); err != nil {
				return err
			}
		}
		blk += step
	}
	return nil
}

// dirBlock is a block with entries.
type dirBlock struct {
	b          []byte
	text       string // the same, for all names
	off        int64
	start, end int  // where the entries are
	ftype      bool // entries have one
	single     bool // block form: the index follows the entries
}

// dirBlock reads the directory block that begins at a file block.
func (f *filesystem) dirBlock(n *inode, blk uint64) (*dirBlock, error) {
	return cached(f, cacheKey{kind: kindDir, ino: n.ino, pos: blk}, func() (*dirBlock, int64, error) {
		b, off, err := f.forkBlock(&n.data, kindDir, blk, f.sb.dirBlockSize())
		if err != nil {
			return nil, 0, err
		}
		d := &dirBlock{b: b, text: string(b), off: off, ftype: f.sb.ftype()}
		if err := f.openDirBlock(d, n.ino, blk); err != nil {
			return nil, 0, err
		}
		return d, 2 * int64(len(b)), nil
	})
}

func (f *filesystem) openDirBlock(d *dirBlock, owner, blk uint64) error {
	data, single := uint32(dirDataMagic), uint32(dirBlockMagic)
	d.start, d.end = 16, len(d.b)
	if f.sb.v5() {
		data, single = dirDataMagicV5, dirBlockMagicV5
		d.start = 64
	}
	switch magic := binary.BigEndian.Uint32(d.b); {
	case magic == single && blk == 0:
		d.single = true
	case magic != data:
		return d.corrupt(0, "magic of block %d is %#x", blk, magic)
	}
	if err := f.verify(kindDir, d.b, d.off, owner); err != nil {
		return err
	}
	if d.single {
		count := binary.BigEndian.Uint32(d.b[len(d.b)-8:])
		if room := uint32(len(d.b)-d.start-8) / leafEntrySize; count > room {
			return d.corrupt(len(d.b)-8, "%d index entries in room for %d", count, room)
		}
		d.end = len(d.b) - 8 - int(count)*leafEntrySize
	}
	return nil
}

func (d *dirBlock) corrupt(pos int, detail string, args ...any) error {
	return block.Errorf(format, "directory block", d.off+int64(pos), block.ErrCorrupt, detail, args...)
}

// index returns the hash index at the end of a directory in block form.
func (d *dirBlock) index() []byte { return d.b[d.end : len(d.b)-8] }

// at decodes the entry at pos and tells where the next begins. An unused one
// has no name.
func (d *dirBlock) at(pos int) (dirEntry, int, error) {
	var e dirEntry
	b := d.b[pos:d.end]
	if len(b) < 8 {
		return e, 0, d.corrupt(pos, "entry in %d bytes", len(b))
	}
	if binary.BigEndian.Uint16(b) == unusedEntry {
		n := int(binary.BigEndian.Uint16(b[2:]))
		if n == 0 || n%8 != 0 || n > len(b) {
			return e, 0, d.corrupt(pos, "unused entry of %d bytes in %d", n, len(b))
		}
		return e, pos + n, nil
	}
	if len(b) < 16 {
		return e, 0, d.corrupt(pos, "entry in %d bytes", len(b))
	}
	n := int(b[8])
	size := 8 + 1 + n + 2
	if d.ftype {
		size++
	}
	size = (size + 7) &^ 7
	if n == 0 || size > len(b) {
		return e, 0, d.corrupt(pos, "entry with a name of %d bytes in %d", n, len(b))
	}
	e.ino = binary.BigEndian.Uint64(b)
	e.name = d.text[pos+9:][:n]
	if d.ftype {
		e.ftype = b[9+n]
	}
	return e, pos + size, nil
}

// parent returns the inode that a directory says is above it.
func (f *filesystem) parent(n *inode) (uint64, error) {
	if n.data.format == forkLocal {
		sf, err := f.shortDir(n)
		if err != nil {
			return 0, err
		}
		return sf.parent, nil
	}
	d, err := f.dirBlock(n, 0)
	if err != nil {
		return 0, err
	}
	// The first two entries are "." and "..".
	_, next, err := d.at(d.start)
	if err != nil {
		return 0, err
	}
	if next >= d.end {
		return 0, d.corrupt(next, "no entry for the parent")
	}
	e, _, err := d.at(next)
	if err == nil && e.name != ".." {
		err = d.corrupt(next, "the second entry is not the parent's")
	}
	return e.ino, err
}
