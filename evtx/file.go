package evtx

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/problem"
)

// maxChunks bounds the chunks of a file, 32 bytes of memory each: a log of 64 GiB.
const maxChunks = 1 << 20

// A File is an open event log. It is immutable and safe for concurrent use.
type File struct {
	r        block.Reader
	header   fileHeader
	chunks   []chunkAt // by the numbers of their records
	problems problem.List
}

// chunkAt is where a chunk lies, and the number of its first record.
type chunkAt struct {
	off   int64
	first uint64
	err   error // it cannot be read
}

// Options says how an event log is read. There are none yet; nil is the default.
type Options struct{}

// Open opens an event log. It fails if the file header cannot be used; what is
// damaged behind it is an error of the records that it concerns, or a problem.
// ErrFormat means that r is no event log.
func Open(r block.Reader, _ *Options) (*File, error) {
	h, err := readHeader(r)
	if err != nil {
		return nil, err
	}
	f := &File{r: r, header: *h}
	if h.flags&flagNoCRC == 0 && h.checksum != h.sum {
		f.problems.Add(block.Errorf(format, "file header", 0x7c, block.ErrCorrupt, "its checksum is %#x, and should be %#x", h.checksum, h.sum))
	}
	if h.flags&flagDirty != 0 {
		f.problems.Add(block.Errorf(format, "file header", 0x78, block.ErrDirty, "the log was not closed; the last records may be missing"))
	}
	f.findChunks()
	return f, nil
}

// findChunks looks at the headers of all chunks. Those that were never used are
// zeros.
func (f *File) findChunks() {
	b := make([]byte, 32)
	zeros := make([]byte, 32)
	used := 0
	for off := int64(f.header.blockSize); off < f.r.Size(); off += chunkSize {
		if len(f.chunks) == maxChunks {
			f.problems.Add(block.Errorf(format, "chunk", off, block.ErrLimit, "there are more than %d chunks", maxChunks))
			break
		}
		if f.r.Size()-off < int64(len(b)) {
			f.problems.Add(block.Errorf(format, "chunk", off, block.ErrTruncated, "%d bytes of it are there", f.r.Size()-off))
			break
		}
		if err := block.ReadFull(f.r, b, off); err != nil {
			f.chunks = append(f.chunks, chunkAt{off, 0, block.Locate(format, "chunk", off, err)})
			continue
		}
		if bytes.Equal(b, zeros) {
			continue
		}
		used++
		if string(b[:8]) != chunkSignature {
			f.chunks = append(f.chunks, chunkAt{off, 0, block.Errorf(format, "chunk", off, block.ErrCorrupt, "it has no signature")})
			continue
		}
		f.chunks = append(f.chunks, chunkAt{off, binary.LittleEndian.Uint64(b[0x18:]), nil})
	}
	if used < int(f.header.chunks) && f.header.flags&flagDirty == 0 {
		f.problems.Add(block.Errorf(format, "file header", 0x2a, block.ErrTruncated, "it says that %d chunks are used, and %d are there", f.header.chunks, used))
	}
	slices.SortStableFunc(f.chunks, func(a, b chunkAt) int { return cmp.Compare(a.first, b.first) })
}

// Info says what the header tells of a log.
type Info struct {
	Chunks      int // that hold something
	NextRecord  uint64
	Dirty, Full bool
	Size        int64 // bytes
}

// Info returns what the header tells.
func (f *File) Info() Info {
	return Info{len(f.chunks), f.header.nextRecord, f.header.flags&flagDirty != 0, f.header.flags&flagFull != 0, f.r.Size()}
}

// Problems returns what is odd about the log as far as it was read: that it was not
// closed (ErrDirty), checksums that do not fit, chunks that are not there.
func (f *File) Problems() []error { return f.problems.All() }
