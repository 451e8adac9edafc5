package vmdk

import (
	"encoding/binary"
	"sync"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/inflate"
	"github.com/guestkit/guestkit/internal/lru"
)

const (
	markerSize = 12 // before the data of a compressed grain
	// maxCompressed is the largest grain that may be compressed, in bytes: a
	// read takes that much memory. VMware's are 64 KiB.
	maxCompressed = 2 << 20
)

// Kinds of markers that are no grain's.
const (
	markerEnd       = 0
	markerTable     = 1
	markerDirectory = 2
	markerFooter    = 3
)

// grainMarker is what lies before a compressed grain.
type grainMarker struct {
	lba  uint64 // 0x00 sector of the grain on the disk
	size uint32 // 0x08 bytes of data
}

func (m *grainMarker) decode(b []byte) {
	m.lba = binary.LittleEndian.Uint64(b)
	m.size = binary.LittleEndian.Uint32(b[8:])
}

// inflater reads compressed grains. It keeps a few whole ones, for reads of
// parts.
type inflater struct {
	r       block.Reader
	grain   int64 // bytes
	cache   *lru.Cache[int64, []byte]
	buffers sync.Pool // of *workspace
}

// workspace is what one inflation needs, and a window on the file: bytes of
// several grains that were read at once.
type workspace struct {
	window []byte
	at     int64 // offset of the window
	zlib   inflate.Decoder
	grain  []byte // of which only a part is wanted
}

// maxWindow bounds how far apart grains may lie that are read at once.
const maxWindow = 1 << 20

// take returns a workspace with an empty window. It goes back by give.
func (f *inflater) take() *workspace {
	w, _ := f.buffers.Get().(*workspace)
	if w == nil {
		w = &workspace{}
	}
	w.window = w.window[:0]
	return w
}

func (f *inflater) give(w *workspace) { f.buffers.Put(w) }

// view returns the n bytes at off, which are read if they do not lie in the
// window, and with them as many more as the window is to have.
func (f *inflater) view(w *workspace, off, n, window int64) ([]byte, error) {
	if in := off - w.at; in >= 0 && in <= int64(len(w.window)) && n <= int64(len(w.window))-in {
		return w.window[in:][:n], nil
	}
	window = min(max(n, window), f.r.Size()-off)
	if window < n {
		return nil, &block.Error{What: "read", Off: off, Err: block.ErrTruncated}
	}
	if int64(cap(w.window)) < window {
		w.window = make([]byte, window)
	}
	w.window, w.at = w.window[:window], off
	if err := block.ReadFull(f.r, w.window, off); err != nil {
		w.window = w.window[:0]
		return nil, err
	}
	return w.window[:n], nil
}

func newInflater(r block.Reader, grain, budget int64) *inflater {
	return &inflater{r: r, grain: grain, cache: lru.New[int64, []byte](max(budget, grain))}
}

// read fills p with the bytes at in of grain i, of which need bytes are used
// and which lies at off. The grains that will be read next end before last.
func (f *inflater) read(w *workspace, p []byte, in, i, need, off, last int64) error {
	if in == 0 && int64(len(p)) == need {
		return f.inflate(w, p, i, off, last-off)
	}
	b, err := f.cache.Get(i, func() ([]byte, int64, error) {
		b := make([]byte, need)
		return b, need, f.inflate(w, b, i, off, 0)
	})
	if err != nil {
		return err
	}
	copy(p, b[in:])
	return nil
}

// marker reads the marker of grain i at off and returns how many bytes of data
// follow it.
func (f *inflater) marker(w *workspace, i, off, window int64) (int64, error) {
	head, err := f.view(w, off, markerSize, window)
	if err != nil {
		return 0, block.Locate(format, "grain marker", off, err)
	}
	var m grainMarker
	m.decode(head)
	switch n := int64(m.size); {
	case m.lba != uint64(i*f.grain/sectorSize):
		return 0, block.Errorf(format, "compressed grain", off, block.ErrCorrupt, "its marker is that of sector %d, not %d", m.lba, i*f.grain/sectorSize)
	case n == 0 || n > f.most():
		return 0, block.Errorf(format, "compressed grain", off, block.ErrCorrupt, "%d bytes of data, at most %d are possible", n, f.most())
	case n > f.r.Size()-off-markerSize:
		return 0, block.Errorf(format, "compressed grain", off, block.ErrTruncated, "%d bytes of data, the file ends at %#x", n, f.r.Size())
	default:
		return n, nil
	}
}

// most is how many bytes of data a grain can have.
func (f *inflater) most() int64 { return f.grain + f.grain/16 + 128 }

// inflate decompresses grain i, which lies at off, into p. The grain may hold
// up to its full size; one byte more is corruption. What is read of the file is
// a window of that many bytes, if more than needed.
func (f *inflater) inflate(w *workspace, p []byte, i, off, window int64) error {
	fault := func(class error, detail string, args ...any) error {
		return block.Errorf(format, "compressed grain", off, class, detail, args...)
	}
	if window <= 0 {
		window = min(f.most(), 32<<10) // at a guess, the grain itself
	}
	size, err := f.marker(w, i, off, window)
	if err != nil {
		return err
	}
	data, err := f.view(w, off+markerSize, size, 0)
	if err != nil {
		return block.Locate(format, "compressed grain", off, err)
	}
	// The last grain may go past the end of the disk.
	dst := p
	if int64(len(p)) < f.grain {
		if w.grain == nil {
			w.grain = make([]byte, f.grain)
		}
		dst = w.grain
	}
	n, _, err := w.zlib.Zlib(dst, data)
	switch {
	case err == inflate.ErrSpace:
		return fault(block.ErrCorrupt, "it inflates to more than a grain of %d bytes", f.grain)
	case err != nil:
		return fault(block.ErrCorrupt, "it does not inflate to %d bytes: %v", len(p), err)
	case n < len(p):
		return fault(block.ErrCorrupt, "it inflates to %d bytes, not %d", n, len(p))
	}
	if len(dst) > len(p) {
		copy(p, dst)
	}
	return nil
}
