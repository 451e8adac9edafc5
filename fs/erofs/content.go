package erofs

import (
	"encoding/binary"
	"io"

	"github.com/guestkit/guestkit/block"
)

// A piece is a stretch of a file and where its bytes are.
type piece struct {
	off, n int64 // in the file
	kind   kind
	dev    int
	pos    int64 // on the device, in the area of the inode, or in the file of fragments

	// Of what is packed:
	packed  int64 // its bytes on the disk
	codec   uint8
	partial bool  // what is packed goes on behind the piece
	inArea  bool  // it lies in the area of the inode
	turn    int64 // codecStored: how many of its first bytes lie at the end
}

type kind uint8

const (
	hole     kind = iota
	verbatim      // on a device
	inline        // in the area of the inode
	packed
	fragment
)

// Content implements vfs.Inode. It serves directories and links, too.
func (n *inode) Content() (block.Device, error) {
	switch n.layout {
	case layoutFull, layoutCompact:
		z, err := n.openIndex()
		if err != nil {
			return nil, err
		}
		return &content{n: n, find: z.find}, nil
	case layoutChunk:
		return &content{n: n, find: n.chunk}, nil
	}
	return &content{n: n, find: n.flat}, nil
}

// flat finds a byte of a file that lies in one piece, but perhaps for its tail.
func (n *inode) flat(off int64) (piece, error) {
	s := n.f.sb
	size := n.stat.Size
	start := uint64(n.raw)
	if n.hasHi {
		start |= uint64(n.hi) << 32
	}
	null := uint64(1<<32 - 1)
	if n.hasHi {
		null = 1<<48 - 1
	}
	blocks := size
	if n.layout == layoutInline {
		blocks = (size + s.blockSize() - 1) &^ (s.blockSize() - 1)
		blocks = max(blocks-s.blockSize(), 0)
	} else if start == null {
		return piece{n: size, kind: hole}, nil
	}
	if off < blocks {
		if start > 1<<46 {
			return piece{}, n.corrupt("it starts at block %d", start)
		}
		return piece{n: blocks, kind: verbatim, pos: int64(start) << s.blockBits}, nil
	}
	p := piece{off: blocks, n: size - blocks, kind: inline, pos: n.end()}
	if p.pos&(s.blockSize()-1)+p.n > s.blockSize() {
		return piece{}, n.corrupt("its tail crosses into another block")
	}
	return p, nil
}

// chunk finds a byte of a file of chunks, which lie anywhere.
func (n *inode) chunk(off int64) (piece, error) {
	s := n.f.sb
	shift := uint(s.blockBits) + uint(n.raw&chunkBits)
	i, size := off>>shift, int64(1)<<min(shift, 62)
	if shift >= 62 {
		i = 0
	}
	p := piece{off: i << shift, n: min(size, n.stat.Size-i<<shift), kind: verbatim}
	unit := int64(4)
	if n.raw&chunkIndexes != 0 {
		unit = 8
	}
	b, err := n.a.view("chunk index", (n.end()+unit-1)&^(unit-1)+i*unit, int(unit))
	if err != nil {
		return piece{}, err
	}
	le := binary.LittleEndian
	start, null := uint64(le.Uint32(b)), uint64(1<<32-1)
	if unit == 8 {
		p.dev = int(le.Uint16(b[2:]))
		start = uint64(le.Uint32(b[4:]))
		if n.raw&chunk48 != 0 {
			start |= uint64(le.Uint16(b)) << 32
			null = 1<<48 - 1
		}
	}
	if start == null {
		p.kind = hole
		return p, nil
	}
	if start > 1<<46 {
		return piece{}, n.corrupt("chunk %d lies at block %d", i, start)
	}
	p.pos = int64(start) << s.blockBits
	return p, nil
}

// content is the bytes of an inode.
type content struct {
	n    *inode
	find func(off int64) (piece, error)
}

func (c *content) Size() int64 { return c.n.stat.Size }

// at finds the piece that holds the byte at off.
func (c *content) at(off int64) (piece, error) {
	p, err := c.find(off)
	if err == nil && (p.off > off || p.n <= off-p.off) {
		err = c.n.corrupt("nothing holds byte %d", off)
	}
	return p, err
}

func (c *content) ReadAt(p []byte, off int64) (int, error) {
	q, end := block.Clip(p, off, c.n.stat.Size)
	for done := 0; done < len(q); {
		x, err := c.at(off + int64(done))
		if err != nil {
			return done, err
		}
		in := off + int64(done) - x.off
		part := q[done:]
		part = part[:min(int64(len(part)), x.n-in)]
		if err := c.n.readPiece(part, x, in); err != nil {
			return done, err
		}
		done += len(part)
	}
	return len(q), end
}

// readPiece fills q from byte in of a piece.
func (n *inode) readPiece(q []byte, x piece, in int64) error {
	switch x.kind {
	case hole:
		clear(q)
		return nil
	case verbatim:
		return n.f.readAt("block", q, x.dev, x.pos+in)
	case inline:
		b, err := n.a.view("inline data", x.pos+in, len(q))
		copy(q, b)
		return err
	case fragment:
		d, err := n.fragments()
		if err != nil {
			return err
		}
		return block.Locate(format, "fragment", x.pos+in, block.ReadFull(d, q, x.pos+in))
	}
	if in == 0 && int64(len(q)) == x.n { // all of it: not through the cache
		return n.unpack(q, x)
	}
	key := pieceKey{x.dev, x.pos, x.packed, x.n, x.codec, n.a != n.f.main && x.inArea, x.turn}
	b, err := n.f.pieces.Get(key, func() ([]byte, int64, error) {
		b := make([]byte, x.n)
		return b, x.n + pieceCost, n.unpack(b, x)
	})
	if err != nil {
		return err
	}
	copy(q, b[in:])
	return nil
}

// fragments opens the file of fragments.
func (n *inode) fragments() (block.Device, error) {
	if n.special {
		return nil, n.fault(block.ErrLoop, "the file of fragments has one")
	}
	return n.f.packed()
}

// Extent implements block.Device.
func (c *content) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= c.n.stat.Size {
		return block.Extent{}, io.EOF
	}
	x, err := c.at(off)
	if err != nil {
		return block.Extent{}, err
	}
	in := off - x.off
	e := block.Extent{Off: off, Len: min(x.n-in, c.n.stat.Size-off)}
	var d block.Device
	pos := x.pos + in
	switch x.kind {
	case hole:
		e.Zero, e.Unset = true, true
		return e, nil
	case packed:
		e.Compressed = true
		return e, nil
	case verbatim:
		d, pos, err = c.n.f.device(x.dev, pos)
	case fragment:
		d, err = c.n.fragments()
	case inline:
		if c.n.a != c.n.f.main {
			return e, nil
		}
		d = c.n.f.devices[0].dev
	}
	if err != nil {
		return block.Extent{}, err
	}
	if pos >= d.Size() {
		return block.Extent{}, block.Errorf(format, "block", pos, block.ErrTruncated, "")
	}
	under, err := d.Extent(pos)
	if err != nil {
		return block.Extent{}, err
	}
	under.Off, under.Len = off, min(under.Len, e.Len)
	return under, nil
}
