package wrapped

import (
	"errors"
	"io"
	"math"
	"slices"
	"sync"

	"github.com/guestkit/guestkit/block"
)

// What a File keeps: pages that were decoded, and readers where they stopped.
const (
	pageSize   = 64 << 10
	cacheSize  = 32 << 20
	keepBehind = 16 << 20 // how much of what a reader passes over is kept
	maxReaders = 4
	readerMem  = 64 << 20 // for the windows of all readers
	maxPoints  = 1 << 16
	// maxPasses bounds how often a file is decoded, all in all. An image that
	// jumps about in a file without places to start at would take for ever.
	maxPasses = 16
)

// A File is what a compressed file holds, at any offset. It is safe for
// concurrent use. The first read may have to decode all of the file, where
// nothing in it tells its size.
type File struct {
	r      block.Reader
	format string
	l      Limits
	size   int64
	points []point
	kept   pages

	mu      sync.Mutex // held while decoding: readers have a state
	readers []*Reader  // the one that was used last comes first
	budget  int64
	sound   []bool // of each point: all from there to the next one was decoded, and its checksums are right
}

// Open opens a compressed file of one of Formats. Unless the file says how much
// it holds, as xz does, it is decoded once to find out.
func Open(format string, r block.Reader, l Limits) (*File, error) {
	f := &File{r: r, format: format, l: l.WithDefaults()}
	points, size, err := stated(format, r)
	if err != nil {
		return nil, err
	}
	f.points = points
	if size < 0 {
		if size, err = f.decodeAll(); err != nil {
			return nil, err
		}
		f.sound = slices.Repeat([]bool{true}, len(f.points))
	}
	if size > f.l.Size {
		return nil, block.Errorf(format, "file", -1, block.ErrLimit, "it unpacks to %d bytes, at most %d are allowed", size, f.l.Size)
	}
	if len(f.points) == 0 {
		f.points = []point{{}}
	}
	f.size = size
	f.budget = passes(size)
	return f, nil
}

// passes is how many bytes may be decoded to read a file that holds size.
func passes(size int64) int64 {
	const spare = 1 << 30
	return maxPasses*min(size, (math.MaxInt64-spare)/maxPasses) + spare
}

// Stated returns the size of what a file of one of Formats holds as the file
// itself states it, -1 if it does not. It is not verified.
func Stated(format string, r block.Reader) (int64, error) {
	_, size, err := stated(format, r)
	return size, err
}

// stated returns besides where decoding can start, if the file tells.
func stated(format string, r block.Reader) (points []point, size int64, err error) {
	z := &Reader{format: format, in: &input{}}
	switch src := (watched{r, z.in}); format {
	case "xz":
		points, size, err = xzPoints(src)
	case "zst":
		size, err = zstdSize(src)
	case "lzo":
		points, size, err = lzopPoints(src)
	default:
		size = -1
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = block.Errorf(format, "file", r.Size(), block.ErrTruncated, "it ends too early")
	}
	if err != nil {
		z.fail("file", 0, err)
		return nil, 0, z.err
	}
	return points, size, nil
}

// watched tells an input why the file cannot be read, which is no fault of what
// it holds.
type watched struct {
	block.Reader
	in *input
}

func (w watched) ReadAt(p []byte, off int64) (int, error) {
	n, err := w.Reader.ReadAt(p, off)
	if err != nil {
		w.in.err = err
	}
	return n, err
}

// decodeAll finds the size and the points, and keeps the last pages: whoever
// opens an image wants to see its end.
func (f *File) decodeAll() (int64, error) {
	z, err := newReader(f.format, io.NewSectionReader(f.r, 0, f.r.Size()), point{}, f.l)
	if err != nil {
		return 0, err
	}
	var all thinned
	z.mark, z.file = all.add, f.r.Size()
	for {
		at := z.out
		page := make([]byte, pageSize)
		n, err := io.ReadFull(z, page)
		if n > 0 {
			f.kept.add(at/pageSize, page[:n])
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF { // of this page
			f.points = all.points
			return z.out, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// thinned collects points, in order, and keeps ever fewer of them if there are
// many.
type thinned struct {
	points []point
	every  int64 // bytes between two that are kept
}

func (t *thinned) add(p point) {
	if n := len(t.points); n > 0 && p.out-t.points[n-1].out < t.every {
		return
	}
	t.points = append(t.points, p)
	if len(t.points) < maxPoints {
		return
	}
	half := t.points[:0]
	for i := 0; i < len(t.points); i += 2 {
		half = append(half, t.points[i])
	}
	t.points = half
	t.every = max(2*t.every, p.out/int64(maxPoints/2))
}

// Size returns how many bytes the file holds.
func (f *File) Size() int64 { return f.size }

// Changed returns an error that wraps block.ErrChanged if the file is not what
// it was, where the reader below can tell.
func (f *File) Changed() error {
	if c, ok := f.r.(interface{ Changed() error }); ok {
		return c.Changed()
	}
	return nil
}

// ReadAt implements io.ReaderAt.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	q, eof := block.Clip(p, off, f.size)
	for done := 0; done < len(q); {
		at := off + int64(done)
		page, err := f.page(at / pageSize)
		if err != nil {
			return done, err
		}
		done += copy(q[done:], page[at%pageSize:])
	}
	return len(q), eof
}

// page returns one page of what the file holds.
func (f *File) page(i int64) ([]byte, error) {
	if b := f.kept.page(i); b != nil {
		return b, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if b := f.kept.page(i); b != nil {
		return b, nil // another one's reader came by
	}
	return f.decode(i)
}

// decode moves a reader over page i, and keeps the pages that it passes last.
func (f *File) decode(i int64) ([]byte, error) {
	start := i * pageSize
	z, err := f.reader(start)
	if err != nil {
		return nil, err
	}
	if f.budget -= start - z.out; f.budget < 0 {
		return nil, block.Errorf(f.format, "file", -1, block.ErrLimit, "to read it in this order takes too long; unpack it first")
	}
	var scratch []byte
	for {
		at := z.out
		n := at / pageSize
		var page []byte
		keep := start-at <= keepBehind && at%pageSize == 0 // a point lies anywhere
		if keep {
			page = make([]byte, min(pageSize, f.size-at))
		} else {
			if scratch == nil {
				scratch = make([]byte, pageSize)
			}
			page = scratch[at%pageSize:]
		}
		if _, err := io.ReadFull(z, page); err != nil {
			f.drop(z)
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = block.Errorf(f.format, "file", z.in.off(), block.ErrCorrupt, "it holds less than the %d bytes that it says", f.size)
			}
			return nil, err
		}
		f.passed(z)
		if z.out == f.size {
			if err := f.atEnd(z); err != nil {
				return nil, err
			}
		}
		if keep {
			f.kept.add(n, page)
		}
		if n == i {
			return page, nil
		}
	}
}

// pages keeps the pages that were decoded last.
type pages struct {
	mu    sync.Mutex
	all   map[int64][]byte
	order []int64 // a ring
	next  int
}

func (p *pages) page(i int64) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all[i]
}

func (p *pages) add(i int64, b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all[i] != nil {
		return
	}
	if p.all == nil {
		p.all = map[int64][]byte{}
	}
	p.all[i] = b
	if len(p.order) < cacheSize/pageSize {
		p.order = append(p.order, i)
		return
	}
	delete(p.all, p.order[p.next])
	p.order[p.next] = i
	p.next = (p.next + 1) % len(p.order)
}

// atEnd holds the file to its size: nothing may follow, and the last checksums
// are right.
func (f *File) atEnd(z *Reader) error {
	f.drop(z)
	n, err := z.Read(make([]byte, 1))
	switch {
	case n > 0:
		return block.Errorf(f.format, "file", z.in.off(), block.ErrCorrupt, "it holds more than the %d bytes that it says", f.size)
	case err != io.EOF:
		return err
	}
	f.passed(z)
	return nil
}

func (f *File) drop(z *Reader) {
	f.readers = slices.DeleteFunc(f.readers, func(x *Reader) bool { return x == z })
}

// reader returns the reader that gets to off first: one that is on its way, or
// a new one that starts at the nearest point.
func (f *File) reader(off int64) (*Reader, error) {
	n, found := slices.BinarySearchFunc(f.points, off, func(p point, off int64) int {
		return int(min(max(p.out-off, -1), 1))
	})
	if !found {
		n--
	}
	p := f.points[max(n, 0)]
	var best *Reader
	for _, z := range f.readers {
		if z.out <= off && z.out >= p.out && (best == nil || z.out > best.out) {
			best = z
		}
	}
	if best == nil {
		var err error
		best, err = newReader(f.format, io.NewSectionReader(f.r, p.in, f.r.Size()-p.in), p, f.l)
		if err != nil {
			return nil, err
		}
		best.file = f.r.Size()
	}
	f.drop(best)
	f.readers = append([]*Reader{best}, f.readers...)
	if most := f.most(); len(f.readers) > most {
		f.readers = f.readers[:most]
	}
	return best, nil
}

// most is how many readers may be kept.
func (f *File) most() int {
	window := int64(1 << 20)
	for _, z := range f.readers {
		switch c := z.c.(type) {
		case *xzCodec:
			if c.lz != nil {
				window = max(window, int64(c.lz.DictLen()))
			}
		case *zstdCodec:
			window = max(window, c.window)
		case *bzip2Codec:
			window = max(window, 4<<20)
		}
	}
	return int(min(max(readerMem/window, 1), maxReaders))
}
