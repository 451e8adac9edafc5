package wrapped

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"io"
	"math"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/xz"
)

// xzCodec reads streams, block by block.
type xzCodec struct {
	maxDict int64
	check   byte
	inside  bool // a stream, that is between blocks
	partial bool // the stream did not start here, so its index cannot be held to what was seen
	later   bool // a stream has ended
	seen    xzRecords
	lz      *xz.LZMA2
}

func newXzCodec(at point, maxDict int64) *xzCodec {
	return &xzCodec{maxDict: maxDict, check: at.check, inside: at.in > 0, partial: at.in > 0}
}

func (c *xzCodec) at(in, out int64) point { return point{in, out, c.check} }

// xzRecords is a digest of the sizes of the blocks of a stream.
type xzRecords struct {
	n   uint64
	sum hash.Hash
}

func (r *xzRecords) add(unpadded, size uint64) {
	if r.sum == nil {
		r.sum = sha256.New()
	}
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], unpadded)
	binary.LittleEndian.PutUint64(b[8:], size)
	r.sum.Write(b[:])
	r.n++
}

func (r *xzRecords) same(o *xzRecords) bool {
	return r.n == o.n && (r.n == 0 || bytes.Equal(r.sum.Sum(nil), o.sum.Sum(nil)))
}

func (c *xzCodec) open(in *input) (io.Reader, error) {
	for {
		if !c.inside {
			if err := c.startStream(in); err != nil {
				return nil, err
			}
		}
		size, err := in.ReadByte()
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		if size != 0 {
			return c.openBlock(in, size)
		}
		if err := c.endStream(in); err != nil {
			return nil, err
		}
	}
}

// startStream reads the header of a stream, and the padding before it. It
// returns io.EOF at the end of the file.
func (c *xzCodec) startStream(in *input) error {
	var b [xz.HeaderLen]byte
	for { // padding comes in fours
		if _, err := io.ReadFull(in, b[:4]); err != nil {
			if err == io.EOF && !c.later {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		if !c.later || b != [xz.HeaderLen]byte{} {
			break
		}
	}
	if err := full(in, b[4:]); err != nil {
		return err
	}
	check, err := xz.StreamHeader(b[:])
	if err != nil {
		return err
	}
	c.check, c.inside, c.partial, c.seen = check, true, false, xzRecords{}
	return nil
}

// openBlock reads the header of a block whose first byte was size.
func (c *xzCodec) openBlock(in *input, size byte) (io.Reader, error) {
	h := make([]byte, (int(size)+1)*4)
	h[0] = size
	if err := full(in, h[1:]); err != nil {
		return nil, err
	}
	header, err := xz.ParseBlock(h)
	if err != nil {
		return nil, err
	}
	b := &xzBlock{c: c, in: in, start: in.off() - int64(len(h)), packed: header.Packed, size: header.Size}
	if len(header.Filters) > 0 {
		return nil, block.Errorf("xz", "block header", b.start, block.ErrUnsupported, "the filter %s", header.Filters[0])
	}
	dict := header.Dict
	if b.size >= 0 {
		dict = min(dict, max(b.size, 4096)) // no match is further away
	}
	if dict > c.maxDict {
		return nil, block.Errorf("xz", "block header", b.start, block.ErrLimit, "a dictionary of %d bytes, at most %d are allowed", dict, c.maxDict)
	}
	if b.sum, err = xz.Sum(c.check); err != nil {
		return nil, err
	}
	if c.lz == nil {
		c.lz = &xz.LZMA2{}
	}
	b.data = in.off()
	c.lz.Reset(in, int(dict))
	return b, nil
}

// An xzBlock is what a block holds.
type xzBlock struct {
	c            *xzCodec
	in           *input
	start, data  int64 // of the header and of what is compressed
	packed, size int64 // as the header says, -1 if it does not
	n            int64
	sum          hash.Hash
}

func (b *xzBlock) Read(p []byte) (int, error) {
	n, err := b.c.lz.Read(p)
	b.n += int64(n)
	if b.sum != nil {
		b.sum.Write(p[:n])
	}
	if b.size >= 0 && b.n > b.size {
		return 0, errors.New("a block holds more than its header says")
	}
	if err == io.EOF {
		err = b.end()
	}
	return n, err
}

// end reads the padding and the checksum. It returns io.EOF if all is right.
func (b *xzBlock) end() error {
	packed := b.in.off() - b.data
	if b.size >= 0 && b.size != b.n || b.packed >= 0 && b.packed != packed {
		return errors.New("a block has not the size that its header says")
	}
	var pad [4]byte
	if err := full(b.in, pad[:-packed&3]); err != nil {
		return err
	}
	if pad != [4]byte{} {
		return errors.New("the padding of a block is not zero")
	}
	unpadded := b.data + packed - b.start
	if b.sum != nil {
		got := make([]byte, b.sum.Size())
		if err := full(b.in, got); err != nil {
			return err
		}
		if !bytes.Equal(got, xz.SumBytes(b.sum, b.c.check)) {
			return errors.New("the checksum of a block is wrong")
		}
		unpadded += int64(len(got))
	}
	b.c.seen.add(uint64(unpadded), uint64(b.n))
	return io.EOF
}

// endStream reads the index, whose first byte was read, and the footer.
func (c *xzCodec) endStream(in *input) error {
	start := in.off() - 1
	var got xzRecords
	if err := xz.ReadIndex(in.Reader, func(unpadded, size uint64) error { got.add(unpadded, size); return nil }); err != nil {
		return err
	}
	if !c.partial && !got.same(&c.seen) {
		return errors.New("the index does not list the blocks that were read")
	}
	indexLen := in.off() - start
	var b [xz.HeaderLen]byte
	if err := full(in, b[:]); err != nil {
		return err
	}
	n, check, err := xz.Footer(b[:])
	if err != nil {
		return err
	}
	if n != indexLen || check != c.check {
		return errors.New("the footer of a stream does not fit to the stream")
	}
	c.inside, c.later = false, true
	return nil
}

// xzPoints reads the indexes of all streams from the end of the file, and
// returns where blocks start, in order, and the size of everything.
func xzPoints(r block.Reader) (points []point, size int64, err error) {
	type stream struct {
		start, index, indexLen int64
		check                  byte
	}
	var streams []stream
	b := make([]byte, xz.HeaderLen)
	for at := r.Size(); at > 0 || len(streams) == 0; {
		if at, err = xzPadding(r, at); err != nil {
			return nil, 0, err
		}
		if at < 2*xz.HeaderLen {
			return nil, 0, io.ErrUnexpectedEOF
		}
		if err := block.ReadFull(r, b, at-xz.HeaderLen); err != nil {
			return nil, 0, err
		}
		indexLen, check, err := xz.Footer(b)
		if err != nil {
			return nil, 0, block.Errorf("xz", "stream footer", at-xz.HeaderLen, block.ErrTruncated, "%v", err)
		}
		index := at - xz.HeaderLen - indexLen
		if index < xz.HeaderLen {
			return nil, 0, block.Errorf("xz", "stream footer", at-xz.HeaderLen, block.ErrCorrupt, "an index of %d bytes", indexLen)
		}
		blocks := int64(0)
		if err := xzIndexAt(r, index, indexLen, func(unpadded, _ uint64) error {
			if unpadded > uint64(index-xz.HeaderLen-blocks) {
				return errors.New("the index lists more than the file has")
			}
			blocks += int64(unpadded+3) &^ 3 // no more than that: all places are multiples of 4
			return nil
		}); err != nil {
			return nil, 0, block.Errorf("xz", "index", index, block.ErrCorrupt, "%v", err)
		}
		start := index - blocks - xz.HeaderLen
		streams = append(streams, stream{start, index, indexLen, check})
		if len(streams) > 1<<20 {
			return nil, 0, block.Errorf("xz", "file", -1, block.ErrLimit, "more than %d streams", 1<<20)
		}
		at = start
	}
	all := thinned{}
	for i := len(streams) - 1; i >= 0; i-- {
		s := streams[i]
		if err := block.ReadFull(r, b, s.start); err != nil {
			return nil, 0, err
		}
		if check, err := xz.StreamHeader(b); err != nil || check != s.check {
			return nil, 0, block.Errorf("xz", "stream header", s.start, block.ErrCorrupt, "it does not fit to the footer at %#x", s.index+s.indexLen)
		}
		off := s.start + xz.HeaderLen
		if err := xzIndexAt(r, s.index, s.indexLen, func(unpadded, n uint64) error {
			if n > uint64(math.MaxInt64-size) {
				return errors.New("it is too large")
			}
			all.add(point{off, size, s.check})
			off += int64(unpadded+3) &^ 3
			size += int64(n)
			return nil
		}); err != nil {
			return nil, 0, block.Errorf("xz", "index", s.index, block.ErrCorrupt, "%v", err)
		}
	}
	return all.points, size, nil
}

// xzPadding returns where the padding begins that ends at end: zeros, in fours,
// of which a file may have any number.
func xzPadding(r block.Reader, end int64) (int64, error) {
	if end%4 != 0 {
		return 0, errors.New("its length is no multiple of 4")
	}
	// As a rule there is none, and the first piece is all that is read.
	for n := int64(4); end > 0; n = 64 << 10 {
		b := make([]byte, min(n, end))
		if err := block.ReadFull(r, b, end-int64(len(b))); err != nil {
			return 0, err
		}
		data := int64(len(bytes.TrimRight(b, "\x00"))+3) &^ 3
		end -= int64(len(b)) - data
		if data > 0 {
			break
		}
	}
	return end, nil
}

// xzIndexAt reads the index of a known length at off. A file may have very many
// of a few bytes.
func xzIndexAt(r block.Reader, off, n int64, each func(unpadded, size uint64) error) error {
	in := bufio.NewReaderSize(io.NewSectionReader(r, off, n), int(min(n, 128<<10)))
	b, err := in.ReadByte()
	if err != nil {
		return err
	}
	if b != 0 {
		return errors.New("there is none")
	}
	if err := xz.ReadIndex(in, each); err != nil {
		return err
	}
	if _, err := in.ReadByte(); err != io.EOF {
		return errors.New("it has not the length that the footer says")
	}
	return nil
}
