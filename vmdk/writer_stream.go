package vmdk

import (
	"encoding/binary"
	"io"
	"sync"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/deflate"
)

// A StreamWriter writes a new streamOptimized image in one pass over the disk,
// from the first byte of the file to the last:
//
//	| header | descriptor | grains, and behind those of one grain table the
//	  table | grain directory | footer | end of stream
//
// It takes memory for the grain directory, four bytes for each 32 MiB of the
// disk. Until Commit the file is no image, as it has no footer. Offsets of
// WriteAt, WriteEncoded and Zero never fall, and these are not safe for
// concurrent use; Encode is.
type StreamWriter struct {
	l   Layout
	h   sparseHeader
	w   io.Writer
	pos int64 // in the file

	directory []byte
	table     []byte // the grain table at hand
	at        int64  // its number
	used      bool   // it has entries

	encoders sync.Pool // of *deflate.Encoder
	enc      []byte    // of WriteAt
	end      int64     // of the part of the disk that was written or zeroed
	done     bool
}

// NewStreamWriter starts an image in w, whose subformat is streamOptimized
// whatever the layout says.
func NewStreamWriter(w io.Writer, l *Layout) (*StreamWriter, error) {
	s := &StreamWriter{l: *l, w: w, table: make([]byte, tableSectors*sectorSize)}
	s.l.Subformat = StreamOptimized
	s.l = s.l.withDefaults()
	if err := s.l.validate(); err != nil {
		return nil, err
	}
	text := s.l.descriptor(s.l.extents())
	if len(text) > descriptorSpace*sectorSize {
		return nil, invalid("the names do not fit into a descriptor of %d bytes", descriptorSpace*sectorSize)
	}
	s.h = newHeader(&s.l, s.l.Size)
	h := &s.h
	h.version = 3
	h.flags |= flagCompressed | flagMarkers
	h.compressAlgo = compressDeflate
	h.descriptorOffset, h.descriptorSize = 1, descriptorSpace
	h.gdOffset = directoryAtEnd
	h.overHead = max(uint64(1+descriptorSpace), h.grainSize)
	h.overHead += -h.overHead & (h.grainSize - 1)
	s.directory = make([]byte, 4*h.directoryEntries())
	head := make([]byte, h.overHead*sectorSize)
	copy(head, h.encode())
	copy(head[sectorSize:], text)
	return s, s.write(head)
}

func (s *StreamWriter) write(b []byte) error {
	n, err := s.w.Write(b)
	s.pos += int64(n)
	if err != nil {
		s.done = true
	}
	return err
}

// Granularity is the grain. Offsets and lengths are multiples of it, but for
// the end of the disk.
func (s *StreamWriter) Granularity() int64 { return s.l.GrainSize }

// EncodeSize is the size of the pieces that are compressed: the grain.
func (s *StreamWriter) EncodeSize() int64 { return s.l.GrainSize }

// MaxEncoded is how many bytes Encode appends at most. Bytes that do not
// compress get a few longer: a header and a checksum, and five bytes a block,
// which is no shorter than 1 KiB.
func (s *StreamWriter) MaxEncoded() int64 {
	n := markerSize + s.l.GrainSize + 6 + 5*(s.l.GrainSize/1024+1)
	return n + -n&(sectorSize-1)
}

// Encode appends to dst what the grain src, which has its full size, becomes in
// the file, and true: every grain is stored compressed. It is safe for
// concurrent use.
func (s *StreamWriter) Encode(dst, src []byte) ([]byte, bool, error) {
	if int64(len(src)) != s.l.GrainSize {
		return dst, false, errOrder
	}
	z, ok := s.encoders.Get().(*deflate.Encoder)
	if !ok {
		z = deflate.NewEncoder(32<<10, s.l.Level)
	}
	defer s.encoders.Put(z)
	start := len(dst)
	dst = z.AppendZlib(append(dst, make([]byte, markerSize)...), src)
	n := len(dst) - start - markerSize
	binary.LittleEndian.PutUint32(dst[start+8:], uint32(n))
	pad := -(markerSize + n) & (sectorSize - 1)
	return append(dst, make([]byte, pad)...), true, nil
}

// accept checks a piece against the contract and notes it. The disk may end
// inside of the last sector.
func (s *StreamWriter) accept(off, n int64) error {
	end := off + n
	if s.done || off < s.end || n < 0 || n > s.l.Size-off || off%s.l.GrainSize != 0 || end%s.l.GrainSize != 0 && s.l.Size-end >= sectorSize {
		return errOrder
	}
	s.end = end
	return nil
}

// WriteEncoded writes what Encode made of the grain at off, in which it notes
// the offset.
func (s *StreamWriter) WriteEncoded(off int64, enc []byte) error {
	if off >= s.l.Size || len(enc) < sectorSize || len(enc)%sectorSize != 0 || int64(len(enc)) > s.MaxEncoded() {
		return errOrder
	}
	if err := s.accept(off, min(s.l.GrainSize, s.l.Size-off)); err != nil {
		return err
	}
	i := off / s.l.GrainSize
	if n := i / tableEntries; n != s.at {
		if err := s.flush(); err != nil {
			return err
		}
		s.at = n
	}
	sector, err := s.sector()
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint32(s.table[i%tableEntries*4:], sector)
	s.used = true
	binary.LittleEndian.PutUint64(enc, uint64(off/sectorSize))
	return s.write(enc)
}

// sector is where the file goes on.
func (s *StreamWriter) sector() (uint32, error) {
	if s.pos/sectorSize > 1<<32-1 {
		return 0, block.Errorf(format, "grain", s.pos, block.ErrLimit, "a sparse file holds no more than 2 TiB")
	}
	return uint32(s.pos / sectorSize), nil
}

// flush writes the current grain table.
func (s *StreamWriter) flush() error {
	if !s.used {
		return nil
	}
	at, err := s.metadata(markerTable, s.table)
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint32(s.directory[4*s.at:], at)
	clear(s.table)
	s.used = false
	return nil
}

// metadata writes a marker and what it announces, and returns the sector of
// the latter.
func (s *StreamWriter) metadata(kind uint32, b []byte) (uint32, error) {
	b = append(make([]byte, sectorSize), b...)
	b = append(b, make([]byte, -len(b)&(sectorSize-1))...)
	binary.LittleEndian.PutUint64(b, uint64(len(b)/sectorSize-1))
	binary.LittleEndian.PutUint32(b[12:], kind)
	at, err := s.sector()
	if err != nil {
		return 0, err
	}
	return at + 1, s.write(b)
}

// WriteAt implements io.WriterAt on the virtual disk.
func (s *StreamWriter) WriteAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		grain := p[done:min(int64(len(p)), int64(done)+s.l.GrainSize)]
		n := len(grain)
		if int64(n) < s.l.GrainSize { // the end of the disk
			if s.l.Size-off-int64(done)-int64(n) >= sectorSize {
				return done, errOrder
			}
			grain = append(make([]byte, 0, s.l.GrainSize), grain...)[:s.l.GrainSize]
		}
		var err error
		if s.enc, _, err = s.Encode(s.enc[:0], grain); err == nil {
			err = s.WriteEncoded(off+int64(done), s.enc)
		}
		if err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

// Zero says that the n bytes at off are zeros, as is what is never mentioned.
func (s *StreamWriter) Zero(off, n int64) error { return s.accept(off, n) }

// Commit writes the rest of the tables, and the footer.
func (s *StreamWriter) Commit() error {
	if s.done {
		return errOrder
	}
	if err := s.flush(); err != nil {
		return err
	}
	at, err := s.metadata(markerDirectory, s.directory)
	if err != nil {
		return err
	}
	footer := s.h
	footer.gdOffset = uint64(at)
	if _, err := s.metadata(markerFooter, footer.encode()); err != nil {
		return err
	}
	_, err = s.metadata(markerEnd, nil)
	s.done = true
	return err
}

// Close ends the use of the StreamWriter. Without Commit the file is no image.
func (s *StreamWriter) Close() error {
	s.done = true
	return nil
}
