package iso9660

import (
	"encoding/binary"
	"io/fs"
	"strings"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

const (
	maxContinued = 32       // continuation areas of one record, as Linux has it
	maxArea      = 64 << 10 // bytes of one
	maxName      = 255 * 4  // bytes
	maxLink      = 64 << 10 // bytes of a target
)

// eachField calls fn for the fields of SUSP in area, and in what it continues
// in, until fn wants no more. data is a field without its four bytes of header.
func (f *filesystem) eachField(area []byte, off int64, fn func(sig string, data []byte) (more bool)) error {
	le := binary.LittleEndian
	for range maxContinued {
		next, nextOff := []byte(nil), int64(0)
		for len(area) >= 4 {
			n := int(area[2])
			if n < 4 || n > len(area) {
				break // what is left is padding, or of no use
			}
			sig, data := string(area[:2]), area[4:n]
			area = area[n:]
			switch {
			case sig == "ST":
				area = nil
			case sig == "CE" && len(data) >= 24:
				size := int64(le.Uint32(data[16:]))
				nextOff = int64(le.Uint32(data))*int64(f.d.primary.blockSize) + int64(le.Uint32(data[8:]))
				if size > maxArea {
					return block.Errorf(format, "continuation area", nextOff, block.ErrLimit, "%d bytes", size)
				}
				b, err := block.ReadBytes(f.dev, nextOff, size, maxArea)
				if err != nil {
					return block.Locate(format, "continuation area", nextOff, err)
				}
				next = b
			default:
				if !fn(sig, data) {
					return nil
				}
			}
		}
		if next == nil {
			return nil
		}
		area, off = next, nextOff
	}
	return block.Errorf(format, "continuation area", off, block.ErrLoop, "more than %d of one record", maxContinued)
}

// self reads the record "." of a directory, which describes it.
func (f *filesystem) self(start int64) (*record, error) {
	b := make([]byte, 255)
	if err := block.ReadFull(f.dev, b[:1], start); err != nil {
		return nil, block.Locate(format, "directory", start, err)
	}
	b = b[:b[0]]
	x := new(record)
	if len(b) > 0 {
		if err := block.ReadFull(f.dev, b, start); err != nil {
			return nil, block.Locate(format, "directory", start, err)
		}
	}
	if !x.decode(b) {
		return nil, block.Errorf(format, "directory", start, block.ErrCorrupt, "its first record has %d bytes", len(b))
	}
	return x, nil
}

// detectRockRidge looks into the root directory's own record, and gives it its
// attributes.
func (f *filesystem) detectRockRidge(root *inode) (bool, error) {
	x, err := f.self(root.start())
	if err != nil {
		return false, err
	}
	has := false
	err = f.eachField(x.system, root.start(), func(sig string, data []byte) bool {
		switch {
		case sig == "SP" && len(data) >= 3 && data[0] == 0xBE && data[1] == 0xEF:
			f.skip, has = int(data[2]), true
		case sig == "RR", sig == "PX":
			has = true
		}
		return true
	})
	if !has {
		return false, nil
	}
	if err != nil {
		return true, err
	}
	skip := f.skip
	f.skip = 0 // it does not count in the record that says it
	_, err = f.fillRockRidge(root, x)
	f.skip = skip
	root.name = ""
	return true, err
}

// fillRockRidge gives an inode what the fields of its record say. A record that
// is only the old place of a directory is hidden.
func (f *filesystem) fillRockRidge(n *inode, x *record) (hidden bool, err error) {
	if f.skip > len(x.system) {
		return false, nil
	}
	p := parser{n: n, moved: -1}
	err = f.eachField(x.system[f.skip:], n.off, p.field)
	if p.hasName && p.name.Len() > 0 {
		n.name = p.name.String()
	}
	if err == nil {
		err = p.err
	}
	if n.stat.Mode&fs.ModeSymlink != 0 {
		n.target = p.target.String()
		n.stat.Size, n.stat.Allocated = int64(len(n.target)), 0
	} else if !n.stat.Mode.IsRegular() && !n.stat.Mode.IsDir() {
		n.stat.Size, n.stat.Allocated = 0, 0
	}
	if p.hidden || p.moved < 0 || err != nil {
		return p.hidden, err
	}
	return false, f.relocate(n, p.moved)
}

// relocate makes n the directory that lies at block, because it would have been
// too deep for ISO 9660 where it belongs.
func (f *filesystem) relocate(n *inode, at int64) error {
	start := at * int64(f.d.primary.blockSize)
	x, err := f.self(start)
	if err != nil {
		return err
	}
	if x.flags&flagDir == 0 {
		return n.errorf(block.ErrCorrupt, "what it is moved to is no directory")
	}
	name := n.name
	dir := f.newInode(x, start)
	n.extents, n.stat = []extent{{start, int64(x.size)}}, dir.stat
	if f.skip <= len(x.system) {
		p := parser{n: n, moved: -1}
		err = f.eachField(x.system[f.skip:], start, p.field)
	}
	n.name = name
	return err
}

// parser collects the fields of one record.
type parser struct {
	n       *inode
	name    strings.Builder
	hasName bool
	target  strings.Builder
	apart   bool // a slash comes before the next component of it
	hidden  bool
	moved   int64 // the block of a relocated directory, -1 if it is none
	err     error
}

func (p *parser) field(sig string, b []byte) bool {
	le := binary.LittleEndian
	n := p.n
	switch {
	case sig == "NM" && len(b) >= 1:
		if b[0]&6 == 0 && p.name.Len()+len(b) <= maxName { // not "." or ".."
			p.hasName = true
			p.name.Write(b[1:])
		}
	case sig == "PX" && len(b) >= 32:
		if mode, ok := vfs.UnixMode(le.Uint32(b)); ok && mode.IsDir() == n.stat.Mode.IsDir() {
			n.stat.Mode = mode
		}
		n.stat.Nlink, n.stat.UID, n.stat.GID = uint64(le.Uint32(b[8:])), le.Uint32(b[16:]), le.Uint32(b[24:])
		if len(b) >= 40 {
			n.stat.Ino = uint64(le.Uint32(b[32:]))
		}
	case sig == "PN" && len(b) >= 16:
		high, low := le.Uint32(b), le.Uint32(b[8:])
		if high == 0 { // as Linux has it: the number is in one piece
			n.stat.Major, n.stat.Minor = low>>8&0xFFF, low&0xFF|low>>12&0xFFF00
		} else {
			n.stat.Major, n.stat.Minor = high, low
		}
	case sig == "SL" && len(b) >= 1:
		p.link(b[1:])
	case sig == "TF" && len(b) >= 1:
		p.times(b[0], b[1:])
	case sig == "CL" && len(b) >= 8:
		p.moved = int64(le.Uint32(b))
		n.stat.Mode = n.stat.Mode&^fs.ModeType | fs.ModeDir
	case sig == "RE":
		p.hidden = true
	case (sig == "ZF" || sig == "Z2") && len(b) >= 12:
		z := &zisofs{algorithm: string(b[:2]), size: int64(le.Uint32(b[4:]))}
		if z.algorithm == "PZ" {
			z.size = int64(le.Uint64(b[4:12]) & (1<<62 - 1))
		}
		n.z, n.stat.Size = z, z.size
	case sig == "SF":
		p.err = n.errorf(block.ErrUnsupported, "a sparse file of Rock Ridge")
	}
	return true
}

// link adds the components of a target.
func (p *parser) link(b []byte) {
	for len(b) >= 2 && int(b[1]) <= len(b)-2 {
		flags, text := b[0], b[2:2+b[1]]
		b = b[2+b[1]:]
		if p.target.Len()+len(text) > maxLink {
			p.err = p.n.errorf(block.ErrLimit, "a target of more than %d bytes", maxLink)
			return
		}
		if p.apart {
			p.target.WriteByte('/')
		}
		switch {
		case flags&2 != 0:
			p.target.WriteByte('.')
		case flags&4 != 0:
			p.target.WriteString("..")
		case flags&8 != 0:
			p.target.WriteByte('/')
		default:
			p.target.Write(text)
		}
		p.apart = flags&(1|8) == 0 // the next goes on with it, or it is the slash
	}
}

// times reads the stamps that the flags name, in their order.
func (p *parser) times(flags byte, b []byte) {
	size := 7
	if flags&0x80 != 0 {
		size = 17
	}
	st := &p.n.stat
	for i, t := range [...]*time.Time{&st.Btime, &st.Mtime, &st.Atime, &st.Ctime} {
		if flags>>i&1 == 0 {
			continue
		}
		if len(b) < size {
			return
		}
		if size == 7 {
			*t = date(b)
		} else {
			*t = longDate(b)
		}
		b = b[size:]
	}
}

// longDate decodes a date of 16 digits and the distance to UTC.
func longDate(b []byte) time.Time {
	t, err := time.Parse("20060102150405", string(b[:14]))
	if err != nil || b[14] < '0' || b[14] > '9' || b[15] < '0' || b[15] > '9' {
		return time.Time{}
	}
	hundredths := time.Duration(b[14]-'0')*10 + time.Duration(b[15]-'0')
	return zone(t.Add(hundredths*10*time.Millisecond), int8(b[16]))
}
