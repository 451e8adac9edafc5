package erofs

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/guestkit/guestkit/block"
)

// Bits of h_advise.
const (
	adviseCompact2B  = 0x01
	adviseExtents    = 0x01 // with indexes of full length
	adviseBig1       = 0x02
	adviseBig2       = 0x04
	adviseInline     = 0x08
	adviseInterlaced = 0x10
	adviseFragment   = 0x20
)

// Types of logical clusters.
const (
	clusterPlain = iota
	clusterHead1
	clusterNonhead
	clusterHead2
)

const (
	blockCountBit = 1 << 11 // in delta[0]: it is the blocks of the physical cluster
	partialRef    = 1 << 15 // in di_advise
)

// index is what an inode says of its compressed data: struct
// z_erofs_map_header, and what is known of the end of the file.
type index struct {
	n       *inode
	advise  uint16
	bits    uint  // of logical clusters
	algo    uint8 // of HEAD1; of HEAD2 in the high bits
	base    int64 // where the entries start
	extents uint64
	hint    atomic.Pointer[extentHint]

	whole    bool // all of the file is a fragment
	fragment uint64
	idata    int64  // bytes of the inline physical cluster
	idataAt  int64  // and its place
	tail     uint64 // the cluster that the last piece starts in
	hasTail  bool
}

func (n *inode) openIndex() (*index, error) {
	z := &index{n: n}
	if n.stat.Size == 0 {
		return z, nil
	}
	at := (n.end() + 7) &^ 7
	b, err := n.a.view("index", at, 8)
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	if v := le.Uint64(b); v>>63 != 0 {
		z.whole, z.fragment = true, v&^(1<<63)
		return z, nil
	}
	z.advise = le.Uint16(b[4:])
	z.bits = uint(n.f.sb.blockBits) + uint(b[7]&15)
	z.base = at + 8
	if n.layout == layoutFull && z.advise&adviseExtents != 0 {
		z.extents = uint64(le.Uint32(b)) | uint64(le.Uint16(b[6:]))<<32
		if size := z.recordSize(); size <= 8 {
			z.bits = uint(n.f.sb.blockBits) + uint(b[7]&15)
		}
		return z, nil
	}
	z.algo = b[6]
	switch {
	case z.advise&adviseFragment != 0:
		z.fragment = uint64(le.Uint32(b))
	case z.advise&adviseInline != 0:
		z.idata = int64(le.Uint16(b[2:]))
	}
	if n.layout == layoutFull {
		z.base += 8
	} else if big := z.advise & (adviseBig1 | adviseBig2); big != 0 && big != adviseBig1|adviseBig2 {
		return nil, n.corrupt("big physical clusters for one of two compressors")
	}
	if z.idata > 0 || z.advise&adviseFragment != 0 {
		return z, z.findTail()
	}
	return z, nil
}

// findTail finds the head of the last piece of the file.
func (z *index) findTail() error {
	last := uint64(z.n.stat.Size-1) >> z.bits
	c, err := z.load(last)
	if err != nil {
		return err
	}
	z.idataAt = c.next
	head, lcn, err := z.head(c, last, uint64(z.n.stat.Size-1))
	if err != nil {
		return err
	}
	z.tail, z.hasTail = lcn, true
	if z.advise&adviseFragment != 0 && z.n.layout == layoutFull {
		z.fragment |= uint64(uint32(head.block)) << 32
	}
	return nil
}

// cluster is one entry of the index.
type cluster struct {
	typ      uint8
	off      uint64 // HEAD: where in the logical cluster the piece starts
	block    uint64 // HEAD: the first block of the physical cluster
	partial  bool
	back     uint64 // NONHEAD: clusters to the HEAD
	ahead    uint64 // NONHEAD: clusters to the next HEAD
	count    uint64 // NONHEAD: blocks of the physical cluster, 0 if it does not say
	hasCount bool
	next     int64 // where the entries end that came with this one
}

// load reads the entry of a logical cluster.
func (z *index) load(lcn uint64) (c cluster, err error) {
	if lcn > uint64(z.n.stat.Size-1)>>z.bits {
		return c, z.n.corrupt("logical cluster %d is past the end", lcn)
	}
	if z.n.layout == layoutFull {
		c, err = z.loadFull(lcn)
	} else {
		c, err = z.loadCompact(lcn)
	}
	if err == nil && c.typ != clusterNonhead && c.off >= 1<<z.bits {
		err = z.n.corrupt("a piece starts at byte %d of logical cluster %d", c.off, lcn)
	}
	if err == nil && c.hasCount && z.advise&(adviseBig1|adviseBig2) == 0 {
		err = z.n.corrupt("logical cluster %d counts blocks, and none are big", lcn)
	}
	return c, err
}

// loadFull reads struct z_erofs_lcluster_index.
func (z *index) loadFull(lcn uint64) (c cluster, err error) {
	at := z.base + int64(lcn)*8
	b, err := z.n.a.view("index", at, 8)
	if err != nil {
		return c, err
	}
	le := binary.LittleEndian
	advise := le.Uint16(b)
	c.next = at + 8
	c.typ = uint8(advise & 3)
	if c.typ != clusterNonhead {
		c.partial = advise&partialRef != 0
		c.off, c.block = uint64(le.Uint16(b[2:])), uint64(le.Uint32(b[4:]))
		return c, nil
	}
	c.back, c.ahead = uint64(le.Uint16(b[4:])), uint64(le.Uint16(b[6:]))
	if c.back&blockCountBit != 0 {
		c.count, c.hasCount, c.back = c.back&^blockCountBit, true, 1
	}
	return c, nil
}

// A pack is entries of the packed index that share the number of a block.
type pack struct {
	b      []byte
	n      int  // entries
	lobits uint // of the value of an entry, behind which are two of its type
	width  uint // bits of an entry
}

func (p *pack) entry(i int) (typ uint8, lo uint64) {
	at := uint(i) * p.width
	v := uint64(binary.LittleEndian.Uint32(p.b[at/8:])) >> (at % 8)
	return uint8(v >> p.lobits & 3), v & (1<<p.lobits - 1)
}

// pack finds the pack of a logical cluster, and its place in it. Entries of 4
// bytes come first up to a place that 32 divides, then those of 2, then again
// those of 4.
func (z *index) pack(lcn uint64) (p pack, i int, next int64, err error) {
	if z.bits > 14 {
		return p, 0, 0, z.n.fault(block.ErrUnsupported, "a packed index of clusters of 2^%d bytes", z.bits)
	}
	total := uint64(z.n.stat.Size+z.n.f.sb.blockSize()-1) >> z.n.f.sb.blockBits
	first := uint64(32-z.base%32) / 4 & 7
	short := uint64(0)
	if z.advise&adviseCompact2B != 0 && first < total {
		short = (total - first) &^ 15
	}
	pos, shift := z.base, uint(2)
	if lcn >= first {
		pos += int64(first) * 4
		if lcn -= first; lcn < short {
			shift = 1
		} else {
			pos += int64(short) * 2
			lcn -= short
		}
	}
	pos += int64(lcn) << shift
	p.n = 2
	if shift == 1 {
		if p.n = 16; z.bits > 12 {
			return p, 0, 0, z.n.fault(block.ErrUnsupported, "an index of 2 bytes each for clusters of 2^%d bytes", z.bits)
		}
	}
	size := int64(p.n) << shift
	start := pos &^ (size - 1)
	p.b, err = z.n.a.view("index", start, int(size))
	p.lobits = max(z.bits, 12)
	p.width = uint((size-4)*8) / uint(p.n)
	return p, int((pos - start) >> shift), start + size, err
}

// loadCompact reads an entry of the packed index.
func (z *index) loadCompact(lcn uint64) (c cluster, err error) {
	p, i, next, err := z.pack(lcn)
	if err != nil {
		return c, err
	}
	c.next = next
	typ, lo := p.entry(i)
	c.typ = typ
	if typ != clusterNonhead {
		c.off = lo
		n, ok := p.blocksBefore(i, z.advise&adviseBig1 != 0)
		if !ok {
			return c, z.n.corrupt("the pack of logical cluster %d", lcn)
		}
		c.block = uint64(binary.LittleEndian.Uint32(p.b[len(p.b)-4:])) + n
		return c, nil
	}
	c.ahead = p.ahead(i)
	switch {
	case lo&blockCountBit != 0:
		c.count, c.hasCount, c.back = lo&^blockCountBit, true, 1
	case i+1 < p.n:
		c.back = lo
	default: // the last of a pack has the distance ahead; the one before it tells
		c.back = 1
		if typ, lo := p.entry(i - 1); typ == clusterNonhead {
			c.back = lo + 1
			if lo&blockCountBit != 0 {
				c.back = 2
			}
		}
	}
	return c, nil
}

// ahead is how many clusters come up to the next HEAD, as far as a pack tells.
func (p *pack) ahead(i int) uint64 {
	n := uint64(0)
	var lo uint64
	for ; i < p.n; i++ {
		var typ uint8
		if typ, lo = p.entry(i); typ != clusterNonhead {
			return n
		}
		n++
	}
	if lo&blockCountBit == 0 {
		n += lo - 1
	}
	return n
}

// blocksBefore counts the blocks of the physical clusters that start in a pack
// before entry i.
func (p *pack) blocksBefore(i int, big bool) (n uint64, ok bool) {
	if !big {
		n = 1
		for i > 0 {
			i--
			if typ, lo := p.entry(i); typ == clusterNonhead {
				i -= int(lo)
			}
			if i >= 0 {
				n++
			}
		}
		return n, true
	}
	for i > 0 {
		i--
		typ, lo := p.entry(i)
		switch {
		case typ != clusterNonhead:
			n++
		case lo&blockCountBit != 0:
			i--
			n += lo &^ blockCountBit
		case lo <= 1:
			return 0, false
		default:
			i -= int(lo) - 2
		}
	}
	return n, true
}

// head finds the HEAD of the piece that holds the byte at off, which is in the
// logical cluster lcn, whose entry is c.
func (z *index) head(c cluster, lcn, off uint64) (cluster, uint64, error) {
	if c.typ != clusterNonhead && off&(1<<z.bits-1) >= c.off {
		return c, lcn, nil
	}
	back := c.back
	if c.typ != clusterNonhead {
		back = 1
	}
	for start := lcn; ; back = c.back {
		if back == 0 || back > lcn || start-lcn > maxUnpacked>>z.bits {
			return c, 0, z.n.corrupt("the head of logical cluster %d is %d before %d", start, back, lcn)
		}
		lcn -= back
		var err error
		if c, err = z.load(lcn); err != nil {
			return c, 0, err
		}
		if c.typ != clusterNonhead {
			return c, lcn, nil
		}
	}
}

// find returns the piece that holds the byte at off.
func (z *index) find(off int64) (piece, error) {
	n := z.n
	switch {
	case z.whole || z.advise&adviseFragment != 0 && z.hasTail && z.tail == 0:
		return piece{n: n.stat.Size, kind: fragment, pos: int64(z.fragment &^ (1 << 63))}, nil
	case n.layout == layoutFull && z.advise&adviseExtents != 0:
		return z.findExtent(off)
	}
	lcn := uint64(off) >> z.bits
	c, err := z.load(lcn)
	if err != nil {
		return piece{}, err
	}
	c, lcn, err = z.head(c, lcn, uint64(off))
	if err != nil {
		return piece{}, err
	}
	p := piece{off: int64(lcn<<z.bits | c.off), kind: packed, partial: c.partial}
	end, err := z.pieceEnd(lcn)
	if err != nil {
		return piece{}, err
	}
	p.n = end - p.off
	switch {
	case z.idata > 0 && lcn == z.tail:
		p.pos, p.packed, p.inArea = z.idataAt, z.idata, true
		if bs := n.f.sb.blockSize(); p.pos&(bs-1)+p.packed > bs {
			return piece{}, n.corrupt("%d bytes of inline data cross into another block", p.packed)
		}
	case z.advise&adviseFragment != 0 && lcn == z.tail:
		p.kind, p.pos = fragment, int64(z.fragment&^(1<<63))
		return p, nil
	default:
		if c.block > 1<<46 {
			return piece{}, n.corrupt("a physical cluster at block %d", c.block)
		}
		count, err := z.blockCount(c, lcn)
		if err != nil {
			return piece{}, err
		}
		p.pos, p.packed = int64(c.block)<<n.f.sb.blockBits, int64(count)<<n.f.sb.blockBits
	}
	switch c.typ {
	case clusterPlain:
		return z.plain(p, z.advise&adviseInterlaced != 0)
	case clusterHead2:
		return z.withCodec(p, z.algo>>4)
	}
	return z.withCodec(p, z.algo&15)
}

// plain is a piece that is not compressed.
func (z *index) plain(p piece, interlaced bool) (piece, error) {
	if p.n > p.packed {
		return piece{}, z.n.corrupt("%d bytes are stored in %d", p.n, p.packed)
	}
	bs := z.n.f.sb.blockSize()
	switch {
	case !interlaced || p.off&(bs-1) == 0 && p.packed == bs:
		p.kind = verbatim
		if p.inArea {
			p.kind = inline
		}
	default:
		// Bytes keep their place in a block: the first of the piece, up to the
		// end of their block in the file, lie at the end of what is stored.
		p.codec, p.turn = codecStored, min(bs-p.off&(bs-1), p.packed)
	}
	return p, nil
}

func (z *index) withCodec(p piece, codec uint8) (piece, error) {
	s := z.n.f.sb
	known := s.algorithms
	if !s.has(incompatComprCfgs) {
		known = 1 << codecLZ4
	}
	if int(codec) >= len(algorithmNames) || known>>codec&1 == 0 {
		return piece{}, z.n.fault(block.ErrUnsupported, "compressor %d, which the superblock does not name", codec)
	}
	p.codec = codec
	return p, nil
}

// pieceEnd returns where the piece ends whose HEAD is in the cluster lcn.
func (z *index) pieceEnd(lcn uint64) (int64, error) {
	size := z.n.stat.Size
	for start := lcn; ; {
		if lcn == start {
			lcn++
		}
		if lcn > uint64(size-1)>>z.bits {
			return size, nil
		}
		if lcn-start > maxUnpacked>>z.bits {
			return 0, z.n.fault(block.ErrLimit, "a piece of more than %d bytes", maxUnpacked)
		}
		c, err := z.load(lcn)
		if err != nil {
			return 0, err
		}
		if c.typ != clusterNonhead {
			return min(int64(lcn<<z.bits|c.off), size), nil
		}
		lcn += max(c.ahead, 1)
	}
}

// blockCount returns how many blocks a physical cluster has: one, unless the
// entry behind its HEAD says more.
func (z *index) blockCount(c cluster, lcn uint64) (uint64, error) {
	big := z.advise&adviseBig1 != 0
	if c.typ != clusterHead1 {
		big = z.advise&adviseBig2 != 0
	}
	if !big || lcn+1 > uint64(z.n.stat.Size-1)>>z.bits {
		return 1, nil
	}
	next, err := z.load(lcn + 1)
	switch {
	case err != nil:
		return 0, err
	case next.typ != clusterNonhead:
		return 1, nil
	case !next.hasCount || next.count == 0:
		return 0, z.n.corrupt("logical cluster %d does not count blocks", lcn+1)
	}
	return next.count, nil
}

// recordSize is that of the records of extents.
func (z *index) recordSize() int64 { return 4 << (z.advise >> 1 & 3) }

// extentHint is where a search through records of 4 bytes has come to, which
// have no place of their own.
type extentHint struct{ start, at, pos int64 }

// findExtent finds a byte by records of extents.
func (z *index) findExtent(off int64) (piece, error) {
	n, size := z.n, z.recordSize()
	le := binary.LittleEndian
	base := (z.base + size - 1) &^ (size - 1)
	end := n.stat.Size
	var start, pos int64
	var plen uint32
	last, found := false, false
	if size <= 8 { // one record for each logical cluster
		step := int64(1) << z.bits
		start = off &^ (step - 1)
		h := extentHint{start: start, at: base + start>>z.bits*size}
		if size == 4 {
			if hint := z.hint.Load(); hint != nil && hint.start <= start {
				h = *hint
			} else {
				b, err := n.a.view("index", base, 8)
				if err != nil {
					return piece{}, err
				}
				h = extentHint{0, base + 8, int64(le.Uint64(b) & (1<<62 - 1))}
			}
		}
		for {
			b, err := n.a.view("index", h.at, int(size))
			if err != nil {
				return piece{}, err
			}
			plen, pos = le.Uint32(b), h.pos
			if size == 8 {
				pos = int64(le.Uint32(b[4:]))
			}
			if h.start == start {
				break
			}
			h = extentHint{h.start + step, h.at + size, (h.pos + int64(plen&plenMask)) & (1<<62 - 1)}
		}
		if size == 4 {
			z.hint.Store(&h)
		}
		last = start+step >= end
		end = min(start+step, end)
		found = true
	} else {
		lo, hi := uint64(0), z.extents
		for lo < hi {
			mid := lo + (hi-lo)/2
			b, err := n.a.view("index", base+int64(mid)*size, int(size))
			if err != nil {
				return piece{}, err
			}
			at := int64(le.Uint32(b[12:]))
			if size > 16 {
				at |= int64(le.Uint32(b[16:])&(1<<30-1)) << 32
			}
			if at > off {
				hi, end = mid, min(at, end)
				continue
			}
			lo = mid + 1
			start, plen, found = at, le.Uint32(b), true
			pos = int64(uint64(le.Uint32(b[4:])) | uint64(le.Uint32(b[8:]))<<32&(1<<62-1))
		}
		last = lo >= z.extents
	}
	if !found {
		return piece{}, n.corrupt("no extent holds byte %d", off)
	}
	p := piece{off: start, n: end - start, pos: pos, packed: int64(plen & plenMask), partial: plen&plenPartial != 0, kind: packed}
	switch form := plen >> 28; {
	case last && z.advise&adviseFragment != 0:
		p.kind, p.pos = fragment, int64(plen)
		if size > 4 {
			p.pos |= pos << 32 &^ (-1 << 62)
		}
		return p, nil
	case p.packed == 0:
		p.kind = hole
		return p, nil
	case form == 0:
		bs := n.f.sb.blockSize()
		return z.plain(p, z.advise&adviseInterlaced != 0 && (p.pos|p.packed)&(bs-1) == 0)
	default:
		return z.withCodec(p, uint8(form-1))
	}
}

const (
	plenPartial = 1 << 27
	plenMask    = 2<<20 - 1
)
