package fat

import (
	"github.com/guestkit/guestkit/block"
)

// maxDirLen is what the specification allows for a directory in bytes.
const maxDirLen = 65536 * direntLen

// A dir is a directory that was read.
type dir struct {
	names []name
	index map[string]int // folded name, long or 8.3, to the first that has it
}

// A name is one file of a directory.
type name struct {
	long  string // or the 8.3 name, where there is no other
	isDir bool
	off   int64 // of the 8.3 entry on the volume
}

// nameCost estimates the memory of one name in a dir.
const nameCost = 200

// readDir reads the directory that starts at a cluster, or the root of FAT12
// and FAT16 for 0. What could be read comes with the error that stopped it.
func (v *volume) readDir(first uint32) (*dir, error) {
	return v.dirs.Get(first, func() (*dir, int64, error) {
		d := &dir{index: map[string]int{}}
		err := v.eachDirent(first, func(e *dirent, long string, off int64) {
			d.add(e, long, off)
		})
		return d, int64(len(d.names)+1) * nameCost, err
	})
}

func (d *dir) add(e *dirent, long string, off int64) {
	short := shortName(e.name, e.flags)
	n := name{long: long, isDir: e.isDir(), off: off}
	if long == "" {
		n.long = short
	}
	for _, key := range []string{fold(n.long), fold(short)} {
		if _, ok := d.index[key]; !ok {
			d.index[key] = len(d.names)
		}
	}
	d.names = append(d.names, n)
}

// pieces returns where the bytes of a directory lie.
func (v *volume) pieces(first uint32) ([]piece, error) {
	if first == 0 {
		return []piece{{v.rootOff, v.rootLen}}, nil
	}
	c, err := v.walk("directory", first, -1, max(maxDirLen/v.cluster, 1))
	if err != nil {
		return nil, err
	}
	var out []piece
	for _, r := range c.runs { // a directory has too few to be thinned
		out = append(out, piece{v.offset(r.cluster), int64(r.n) * v.cluster})
	}
	return out, nil
}

type piece struct{ off, n int64 }

// eachDirent calls f for each file and directory, with its long name if it has
// one, until the end mark.
func (v *volume) eachDirent(first uint32, f func(e *dirent, long string, off int64)) error {
	pieces, err := v.pieces(first)
	if err != nil {
		return err
	}
	var long slots
	for _, p := range pieces {
		for done := int64(0); done < p.n; done += pageLen {
			off := p.off + done
			b, err := v.meta("directory", off, int(min(pageLen, p.n-done)))
			if err != nil {
				return err
			}
			for ; len(b) > 0; b, off = b[direntLen:], off+direntLen {
				if b[0] == endMark {
					v.orphan(&long, off)
					return nil
				}
				v.oneDirent(b[:direntLen], off, &long, f)
			}
		}
	}
	v.orphan(&long, -1)
	return nil
}

// oneDirent deals with the 32 bytes at off.
func (v *volume) oneDirent(b []byte, off int64, long *slots, f func(e *dirent, long string, off int64)) {
	var e dirent
	e.decode(b)
	switch {
	case b[0] == deletedMark:
		v.orphan(long, off)
		return
	case e.attr&allAttrs == longName:
		long.add(b)
		return
	case e.attr&volumeID != 0:
		v.orphan(long, off)
		return
	}
	name, wrong := long.name(e.name)
	if wrong != "" {
		v.problems.Add(block.Errorf(format, "directory entry", off, block.ErrCorrupt, "the long name is not used: %s", wrong))
	}
	switch short := shortName(e.name, e.flags); {
	case short == "." || short == "..":
		return
	case name == "" && short == "":
		v.problems.Add(block.Errorf(format, "directory entry", off, block.ErrCorrupt, "it has no name and is not listed"))
		return
	}
	f(&e, name, off)
}

// orphan reports a long name that no 8.3 entry follows.
func (v *volume) orphan(long *slots, off int64) {
	if long.any {
		v.problems.Add(block.Errorf(format, "directory entry", off, block.ErrCorrupt, "a long name belongs to no file"))
	}
	*long = slots{}
}
