package registry

import (
	"io/fs"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/lru"
	"github.com/guestkit/guestkit/internal/paged"
	"github.com/guestkit/guestkit/internal/problem"
)

const (
	format   = "regf"
	pageSize = 16 << 10
)

// The limits of what a hive may ask for, where the options set no others.
const (
	DefaultMaxSubkeys    = 70_000
	DefaultMaxValues     = 110_000
	DefaultMaxValueBytes = 8_000_000
	MaxDepth             = 512 // of keys below the root; Windows allows as many
)

// Options says how a hive is read. Nil means the defaults, which suit hostile
// hives.
type Options struct {
	// Logs are the transaction logs beside the hive, .LOG1, .LOG2 and .LOG in
	// this order, as far as there are any. They are looked at if the hive is
	// dirty, and what is no log, or not of use, is passed over.
	Logs []block.Reader
	// CacheBytes bounds the memory of the cache; 0 means 8 MiB. Hive bins of
	// 64 KiB and more, of which Windows makes few, take a 60th of their size
	// beside it.
	CacheBytes int64
	// MaxSubkeys and MaxValues bound how many of a key are listed; 0 means
	// 70,000 and 110,000. A subkey of a key that has more is found by name
	// all the same.
	MaxSubkeys, MaxValues int
	// MaxValueBytes bounds the data of one value; 0 means 8,000,000.
	MaxValueBytes int64
}

func (o *Options) withDefaults() Options {
	var out Options
	if o != nil {
		out = *o
	}
	if out.CacheBytes <= 0 {
		out.CacheBytes = 8 << 20
	}
	if out.MaxSubkeys <= 0 {
		out.MaxSubkeys = DefaultMaxSubkeys
	}
	if out.MaxValues <= 0 {
		out.MaxValues = DefaultMaxValues
	}
	if out.MaxValueBytes <= 0 {
		out.MaxValueBytes = DefaultMaxValueBytes
	}
	return out
}

// A Hive is an open one. It is immutable and safe for concurrent use.
type Hive struct {
	r        block.Reader // with the logs laid over it
	o        Options
	base     baseBlock
	bins     bins
	pages    *paged.Cache
	maps     *lru.Cache[int64, *cellMap]
	root     *Key
	problems problem.List
}

// Open opens a hive. It fails if there is no root key that can be read; other
// damage is an error of the keys and values that it concerns. ErrFormat means
// that r is no hive.
func Open(r block.Reader, opts *Options) (*Hive, error) {
	h := &Hive{o: opts.withDefaults()}
	base, err := readBase(r)
	if err != nil {
		return nil, err
	}
	h.r, h.base = r, *base
	if base.dirty() {
		h.recover()
	}
	if err := h.base.validate(); err != nil {
		return nil, err
	}
	h.bins = readBins(h.r, int64(h.base.bins))
	h.problems.Add(h.bins.err)
	h.pages = paged.New(h.r, pageSize, h.o.CacheBytes*3/4)
	h.maps = lru.New[int64, *cellMap](h.o.CacheBytes/4 + h.bins.largeMaps())
	h.root, err = h.key("root key", h.base.root, nil)
	if err != nil {
		return nil, err
	}
	return h, nil
}

// Root returns the root key, which has a name of no meaning.
func (h *Hive) Root() *Key { return h.root }

// Find returns the key at a path of names between backslashes, from the root.
// Case does not matter. The error for a key that is not there wraps
// [fs.ErrNotExist].
func (h *Hive) Find(path string) (*Key, error) { return h.root.Find(path) }

// ModTime is when the hive was last written to, by its base block. Windows 8.1
// and later do not keep it up to date: it may be zero.
func (h *Hive) ModTime() time.Time { return filetime(h.base.modified) }

// Problems returns what is odd about the hive as far as it was read: that it is
// dirty and was not replayed (ErrDirty), a wrong checksum, lists that are out
// of order.
func (h *Hive) Problems() []error { return h.problems.All() }

// absent is the error for a key or a value that is not there.
type absent string

func (a absent) Error() string { return "there is no " + string(a) }
func (a absent) Unwrap() error { return fs.ErrNotExist }
