package journal

import (
	"sync"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/lru"
	"github.com/guestkit/guestkit/internal/paged"
	"github.com/guestkit/guestkit/internal/problem"
	"github.com/guestkit/guestkit/internal/xz"
)

const pageSize = 64 << 10

// The limits of what a file may ask for, where the options set no others.
const (
	DefaultMaxFieldBytes = 16 << 20
	DefaultMaxEntryBytes = 32 << 20
)

// Options says how a journal file is read. Nil means the defaults, which suit
// hostile files.
type Options struct {
	// CacheBytes bounds the memory of the caches of one file; 0 means 4 MiB.
	CacheBytes int64
	// MaxFieldBytes bounds one field, unpacked, and MaxEntryBytes all fields of
	// one entry; 0 means 16 and 32 MiB.
	MaxFieldBytes, MaxEntryBytes int64
}

func (o *Options) withDefaults() Options {
	var out Options
	if o != nil {
		out = *o
	}
	if out.CacheBytes <= 0 {
		out.CacheBytes = 4 << 20
	}
	if out.MaxFieldBytes <= 0 {
		out.MaxFieldBytes = DefaultMaxFieldBytes
	}
	if out.MaxEntryBytes <= 0 {
		out.MaxEntryBytes = DefaultMaxEntryBytes
	}
	return out
}

// A File is an open journal file. It is immutable and safe for concurrent use.
type File struct {
	r        block.Reader
	o        Options
	header   fileHeader
	end      int64 // of what is read: the end of the arena, or of the file
	pages    *paged.Cache
	values   *lru.Cache[uint64, value]
	xz, zstd sync.Pool
	parts    []arrayPart
	listed   int64    // entries that the arrays lead to
	found    []uint64 // entries behind them that the arrays do not lead to
	problems problem.List
}

// Open opens a journal file. It fails if the header cannot be used; what is
// damaged behind it is an error of the entries that it concerns, or a problem.
// ErrFormat means that r is no journal file.
func Open(r block.Reader, opts *Options) (*File, error) {
	h, err := readHeader(r)
	if err != nil {
		return nil, err
	}
	f := &File{r: r, o: opts.withDefaults(), header: *h}
	f.pages = paged.New(r, pageSize, f.o.CacheBytes/2)
	f.values = lru.New[uint64, value](f.o.CacheBytes / 2)
	f.xz.New = func() any { return new(xz.Decoder) }
	f.end = int64(h.headerSize + h.arenaSize)
	if f.end > r.Size() {
		f.problems.Add(block.Errorf(format, "header", 0x60, block.ErrTruncated, "the file should have %d bytes and has %d", f.end, r.Size()))
		f.end = r.Size()
	}
	switch {
	case h.state == Online:
		f.problems.Add(block.Errorf(format, "header", 0x10, block.ErrDirty, "the file was not closed; the last entries may be missing"))
	case h.state > Archived:
		f.problems.Add(block.Errorf(format, "header", 0x10, block.ErrCorrupt, "there is no state %d", h.state))
	}
	f.readArrays()
	if f.listed < f.claimed() {
		f.search()
	}
	return f, nil
}

// Info says what the header tells of a file.
type Info struct {
	FileID, MachineID, SeqnumID ID
	State                       State
	Entries                     int64 // as many as can be asked for
	Head, Tail                  time.Time
	Size                        int64 // bytes
	KeyedHash, Compact, Sealed  bool
	Compression                 []string // "xz", "lz4", "zstd": what the file may hold
}

// Info returns what the header tells.
func (f *File) Info() Info {
	h := &f.header
	i := Info{FileID: h.fileID, MachineID: h.machineID, SeqnumID: h.seqnumID, State: h.state, Entries: f.Len(),
		Head: Time(h.headRealtime), Tail: Time(h.tailRealtime), Size: f.r.Size(),
		KeyedHash: h.has(flagKeyed), Compact: h.has(flagCompact), Sealed: h.compatible&flagSealed != 0}
	for _, c := range []struct {
		flag uint32
		name string
	}{{flagXZ, "xz"}, {flagLZ4, "lz4"}, {flagZstd, "zstd"}} {
		if h.has(c.flag) {
			i.Compression = append(i.Compression, c.name)
		}
	}
	return i
}

// Problems returns what is odd about the file as far as it was read: that it was
// not closed (ErrDirty) or was cut (ErrTruncated), arrays that are damaged, hashes
// that do not fit.
func (f *File) Problems() []error { return f.problems.All() }

// Time is the time of a number of microseconds since 1970, the zero Time for 0.
func Time(usec uint64) time.Time {
	if usec == 0 || usec > 1<<62 {
		return time.Time{}
	}
	return time.UnixMicro(int64(usec)).UTC()
}
