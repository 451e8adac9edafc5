package ext4

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/testimg"
)

// A Sealer repairs the checksums of structures that a mutation has changed, so
// that the damage reaches the code behind them. It knows from the undamaged
// image what each block is.
type Sealer struct {
	f      *filesystem
	owners map[uint64]owner
	groups map[uint64]uint32 // block of descriptors to the first group in it
	tables map[uint64]uint32 // block of an inode table to the first inode in it
	tags   map[uint64]tagAt  // block of data in the journal to its tag
	jsb    jbdSuperblock
}

type owner struct {
	kind kind
	seed uint32
}

type tagAt struct {
	desc int64 // offset of the descriptor block
	pos  int
	seq  uint32
}

// kindJournal is for blocks of the journal, in tests only.
const kindJournal = kind(100)

func NewSealer(t testing.TB, image []byte) *Sealer {
	t.Helper()
	f, err := open(bytes.NewReader(image), &Options{NoReplay: true})
	if err != nil {
		t.Fatal(err)
	}
	s := &Sealer{f: f, owners: map[uint64]owner{}, groups: map[uint64]uint32{}, tables: map[uint64]uint32{}, tags: map[uint64]tagAt{}}
	per := uint32(f.sb.blockSize) / uint32(f.sb.inodeSize)
	for g := range f.sb.groups {
		s.groups[f.sb.descBlock(g/f.sb.descPerBlk)] = g / f.sb.descPerBlk * f.sb.descPerBlk
		d, err := f.group(g)
		if err != nil {
			t.Fatal(err)
		}
		for i := uint32(0); i < f.sb.inodesPerGroup; i += per {
			s.tables[d.inodeTable+uint64(i/per)] = g*f.sb.inodesPerGroup + i + 1
		}
	}
	for ino := uint32(1); ino <= f.sb.inodesCount; ino++ {
		if n, err := f.inode(ino); err == nil {
			s.inode(n)
		}
	}
	if f.sb.featureIncompat&incompatRecover != 0 {
		s.journal(t)
	}
	return s
}

// inode notes the blocks of an inode that have checksums.
func (s *Sealer) inode(n *inode) {
	if n.fileACL != 0 {
		s.owners[n.fileACL] = owner{kindXattr, 0}
	}
	if n.flags&flagExtents != 0 {
		s.extents(n, n.block[:])
	}
	if n.stat.Mode.IsDir() && n.flags&flagInlineData == 0 {
		n.eachDirBlock(func(b []byte, lblk, pblk uint64) (bool, error) {
			k := kindDir
			if n.indexed() && (lblk == 0 || recLen(binary.LittleEndian.Uint16(b[4:]), len(b)) == len(b)) {
				k = kindIndex
			}
			s.owners[pblk] = owner{k, n.seed}
			return true, nil
		})
	}
}

func (s *Sealer) extents(n *inode, b []byte) {
	var h extentHeader
	h.decode(b)
	if h.depth == 0 {
		return
	}
	e := extentNode(b[extentSize:])
	for i := range int(h.entries) {
		s.owners[e.child(i)] = owner{kindExtent, n.seed}
		if child, err := n.extentBlock(e.child(i)); err == nil {
			s.extents(n, child)
		}
	}
}

// journal notes what the blocks of the log are.
func (s *Sealer) journal(t testing.TB) {
	j, err := s.f.openJournal()
	if err != nil {
		t.Fatal(err)
	}
	s.jsb = j.sb
	r := &recovery{journal: j}
	for at := range j.sb.maxLen {
		b, err := j.read(at)
		if err != nil {
			t.Fatal(err)
		}
		off, _ := j.place(at)
		var h jbdHeader
		if h.decode(b); h.magic != jbdMagic {
			continue
		}
		s.owners[uint64(off/s.f.sb.blockSize)] = owner{kindJournal, 0}
		if h.blockType == jbdDescriptor {
			next := r.after(at)
			for pos := jbdHeaderSize; pos+j.sb.tagSize() <= len(b)-4; {
				flags := binary.BigEndian.Uint16(b[pos+6:])
				data, _ := j.place(next)
				s.tags[uint64(data/s.f.sb.blockSize)] = tagAt{off, pos, h.sequence}
				next = r.after(next)
				if pos += j.sb.tagSize(); flags&tagSameUUID == 0 {
					pos += 16
				}
				if flags&tagLast != 0 {
					break
				}
			}
		}
	}
}

// Seal repairs the checksums over the bytes at the given offsets.
func (s *Sealer) Seal(p *testimg.Patch, changed []int64) {
	sb := s.f.sb
	le := binary.LittleEndian
	for _, off := range changed {
		if off < 0 || off >= int64(len(p.Image)) {
			continue
		}
		if off >= superblockOff && off < superblockOff+superblockSize {
			b := p.Image[superblockOff:][:superblockSize]
			p.Write(superblockOff+0x3FC, le.AppendUint32(nil, crc32c(^uint32(0), b[:0x3FC])))
			continue
		}
		n := uint64(off / sb.blockSize)
		start := int64(n) * sb.blockSize
		b := p.Image[start:][:sb.blockSize]
		if first, ok := s.groups[n]; ok {
			i := int(off-start) / int(sb.descSize)
			at := i * int(sb.descSize)
			if sum, ok := sb.groupSum(first+uint32(i), b[at:at+int(sb.descSize)]); ok {
				p.Write(start+int64(at)+0x1E, le.AppendUint16(nil, sum))
			}
		}
		if first, ok := s.tables[n]; ok && sb.has(roMetadataCsum) {
			i := int(off-start) / int(sb.inodeSize)
			s.sealInode(p, start+int64(i)*int64(sb.inodeSize), first+uint32(i))
		}
		if o, ok := s.owners[n]; ok && sb.has(roMetadataCsum) {
			s.sealBlock(p, o, n, start, b)
		}
		if t, ok := s.tags[n]; ok && s.jsb.csum23() {
			crc := crc32c(s.jsb.seed, binary.BigEndian.AppendUint32(nil, t.seq))
			p.Write(t.desc+int64(t.pos)+12, binary.BigEndian.AppendUint32(nil, crc32c(crc, b)))
			s.sealJournal(p, t.desc, p.Image[t.desc:][:sb.blockSize])
		}
	}
}

func (s *Sealer) sealInode(p *testimg.Patch, off int64, ino uint32) {
	le := binary.LittleEndian
	b := p.Image[off:][:s.f.sb.inodeSize]
	var d diskInode
	d.decode(b)
	sum := d.sum(crc32cLE(crc32cLE(s.f.sb.csumSeed, ino), d.generation), b)
	p.Write(off+0x7C, le.AppendUint16(nil, uint16(sum)))
	if d.wideChecksum {
		p.Write(off+0x82, le.AppendUint16(nil, uint16(sum>>16)))
	}
}

func (s *Sealer) sealBlock(p *testimg.Patch, o owner, n uint64, start int64, b []byte) {
	le := binary.LittleEndian
	switch o.kind {
	case kindExtent:
		if at := extentSize * (1 + int(le.Uint16(b[4:]))); at+4 <= len(b) {
			p.Write(start+int64(at), le.AppendUint32(nil, crc32c(o.seed, b[:at])))
		}
	case kindDir:
		p.Write(start+int64(len(b))-4, le.AppendUint32(nil, crc32c(o.seed, b[:len(b)-dirTailSize])))
	case kindIndex:
		at := htreeNode
		if recLen(le.Uint16(b[4:]), len(b)) != len(b) {
			at = htreeRoot
		}
		e := htreeEntries(b[at:])
		if end, tail := at+htreeEntry*e.count(), at+htreeEntry*e.limit(); end <= tail && tail <= len(b)-htreeEntry {
			crc := crc32cHole(crc32c(o.seed, b[:end]), b[tail:tail+htreeEntry], 4, 4)
			p.Write(start+int64(tail)+4, le.AppendUint32(nil, crc))
		}
	case kindXattr:
		crc := crc32cHole(crc32c(s.f.sb.csumSeed, le.AppendUint64(nil, n)), b, 0x10, 4)
		p.Write(start+0x10, le.AppendUint32(nil, crc))
	case kindJournal:
		s.sealJournal(p, start, b)
	}
}

func (s *Sealer) sealJournal(p *testimg.Patch, start int64, b []byte) {
	be := binary.BigEndian
	var h jbdHeader
	h.decode(b)
	seed := s.jsb.seed
	switch h.blockType {
	case jbdSuperblockV2:
		p.Write(start+0xFC, be.AppendUint32(nil, crc32cHole(^uint32(0), b[:jbdSuperblockSize], 0xFC, 4)))
	case jbdDescriptor, jbdRevoke:
		p.Write(start+int64(len(b))-4, be.AppendUint32(nil, crc32cHole(seed, b, len(b)-4, 4)))
	case jbdCommit:
		p.Write(start+16, be.AppendUint32(nil, crc32cHole(seed, b, 16, 4)))
	}
}

// JournalRanges returns where the journal of the image lies that is in use.
func (s *Sealer) JournalRanges() []testimg.Range {
	var out []testimg.Range
	for n, o := range s.owners {
		if o.kind == kindJournal {
			out = append(out, testimg.Range{Off: int64(n) * s.f.sb.blockSize, N: 256})
		}
	}
	return out
}

// Inode returns the number of a path, and where its inode lies.
func (s *Sealer) Inode(t testing.TB, path string) (ino uint32, off int64) {
	t.Helper()
	n, err := s.f.inode(rootIno)
	for name := range strings.SplitSeq(path, "/") {
		if err != nil || path == "." {
			break
		}
		if ino, err = n.find(name); err == nil {
			n, err = n.child(ino, true)
		}
	}
	if err != nil {
		t.Fatal(path, err)
	}
	return n.ino, n.off()
}

// Block returns where block lblk of a path lies.
func (s *Sealer) Block(t testing.TB, path string, lblk uint64) int64 {
	t.Helper()
	ino, _ := s.Inode(t, path)
	return s.BlockOf(t, ino, lblk)
}

// BlockOf returns where block lblk of an inode lies.
func (s *Sealer) BlockOf(t testing.TB, ino uint32, lblk uint64) int64 {
	t.Helper()
	n, err := s.f.inode(ino)
	if err != nil {
		t.Fatal(err)
	}
	r, err := n.mapBlock(lblk)
	if err != nil || r.zero() {
		t.Fatal(r, err)
	}
	return s.f.blockOff(r.pblk)
}
