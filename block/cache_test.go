package block_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
)

// A slow reader counts what is read of it, and may hold reads up.
type slow struct {
	*bytes.Reader
	reads, bytes atomic.Int64
	hold         func(off, end int64) error
}

func (s *slow) ReadAt(p []byte, off int64) (int, error) {
	s.reads.Add(1)
	s.bytes.Add(int64(len(p)))
	if s.hold != nil {
		if err := s.hold(off, off+int64(len(p))); err != nil {
			return 0, err
		}
	}
	return s.Reader.ReadAt(p, off)
}

// TestCached is the contract of a Device, with pages, pieces and sizes that do not fit.
func TestCached(t *testing.T) {
	for _, size := range []int{0, 1, 63, 64, 65, 4096} {
		data := pattern(size)
		for _, o := range []*block.CacheOptions{nil, {PageBytes: 64, Bytes: 1}, {PageBytes: 64, Bytes: 640, Ahead: 3, PieceBytes: 100}, {PageBytes: 7, Ahead: 1, PieceBytes: 5}} {
			c := block.Cached(bytes.NewReader(data), o)
			if size > 0 {
				testimg.TestDevice(t, c, bytes.NewReader(data), 64)
			}
			for _, n := range []int{1, 7, 63, 64, 65, 127, 128, 129, 1000, 20_000} {
				got := make([]byte, 0, size)
				b := make([]byte, n)
				for len(got) < size {
					m, err := c.ReadAt(b, int64(len(got)))
					if err != nil && err != io.EOF || m == 0 {
						t.Fatalf("%d bytes, %+v: %d, %v", size, o, m, err)
					}
					got = append(got, b[:m]...)
				}
				if !bytes.Equal(got, data) {
					t.Fatalf("%d bytes, %+v, by %d: other bytes", size, o, len(b))
				}
			}
			if err := errors.Join(c.Close(), c.Close()); err != nil {
				t.Error(err)
			}
			if _, err := c.ReadAt(make([]byte, 1), 0); !errors.Is(err, fs.ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
		}
	}
}

// TestCachedReadsOnce: many want one page, and it is read once; of what is larger than
// the bound no more is kept.
func TestCachedReadsOnce(t *testing.T) {
	data := pattern(100 << 10)
	begin := make(chan struct{})
	r := &slow{Reader: bytes.NewReader(data), hold: func(_, _ int64) error { <-begin; return nil }}
	c := block.Cached(r, &block.CacheOptions{PageBytes: 4096, Bytes: 8192})
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			b := make([]byte, 10)
			if _, err := c.ReadAt(b, int64(i*100)); err != nil || !bytes.Equal(b, data[i*100:][:10]) {
				t.Errorf("at %d: %v", i*100, err)
			}
		})
	}
	close(begin)
	wg.Wait()
	if r.reads.Load() != 1 || r.bytes.Load() != 4096 {
		t.Errorf("%d reads of %d bytes", r.reads.Load(), r.bytes.Load())
	}
	for off := int64(0); off < 100<<10; off += 4096 {
		if _, err := c.View(off, 1); err != nil {
			t.Fatal(err)
		}
	}
	if c.Kept() != 8192 {
		t.Errorf("%d bytes are kept", c.Kept())
	}
}

// TestCachedErrors: an error is given on and not kept, and one of what was read ahead
// is of no account until that is asked for.
func TestCachedErrors(t *testing.T) {
	broken := errors.New("broken")
	var bad atomic.Bool
	bad.Store(true)
	data := pattern(10_000)
	r := &slow{Reader: bytes.NewReader(data), hold: func(_, end int64) error {
		if bad.Load() && end > 4000 {
			return broken
		}
		return nil
	}}
	c := block.Cached(r, &block.CacheOptions{PageBytes: 100, Ahead: 2, PieceBytes: 1000})
	b := make([]byte, 50)
	for off := int64(0); off < 4000; off += 50 {
		if _, err := c.ReadAt(b, off); err != nil || !bytes.Equal(b, data[off:off+50]) {
			t.Fatalf("at %d: %v", off, err)
		}
	}
	for range 2 {
		if n, err := c.ReadAt(b, 4020); n != 0 || !errors.Is(err, broken) {
			t.Errorf("%d, %v", n, err)
		}
	}
	if n, err := c.ReadAt(make([]byte, 90), 3950); n != 50 || !errors.Is(err, broken) {
		t.Errorf("%d, %v", n, err)
	}
	bad.Store(false)
	if _, err := c.ReadAt(b, 4020); err != nil || !bytes.Equal(b, data[4020:4070]) {
		t.Errorf("not any more: %v", err)
	}
	c.Close()
	if _, err := block.Cached(claims{bytes.NewReader(data)}, nil).ReadAt(b, 9_990); !errors.Is(err, block.ErrTruncated) {
		t.Errorf("a Reader that has less than its size: %v", err)
	}
}

// claims says that it has more than it has.
type claims struct{ *bytes.Reader }

func (s claims) Size() int64 { return s.Reader.Size() + 100 }

// TestCachedAhead: what is read in order is read ahead by several reads at once, and
// once each; Close waits for them.
func TestCachedAhead(t *testing.T) {
	const pieces, piece = 10, 1000
	data := pattern(pieces * piece)
	var under atomic.Int64
	both := make(chan struct{})
	r := &slow{Reader: bytes.NewReader(data)}
	r.hold = func(off, _ int64) error {
		if off >= 2*piece { // these are read ahead: wait until there are two
			if under.Add(1) == 2 {
				close(both)
			}
			<-both
		}
		return nil
	}
	c := block.Cached(r, &block.CacheOptions{PageBytes: 100, Ahead: 3, PieceBytes: piece})
	got, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if r.bytes.Load() != pieces*piece {
		t.Errorf("%d bytes were read for %d", r.bytes.Load(), pieces*piece)
	}
	c.Close()

	end := make(chan struct{})
	var ended atomic.Bool
	r = &slow{Reader: bytes.NewReader(data), hold: func(off, _ int64) error {
		if off >= 2*piece {
			<-end
			ended.Store(true)
		}
		return nil
	}}
	c = block.Cached(r, &block.CacheOptions{PageBytes: 100, Ahead: 1, PieceBytes: piece})
	if _, err := io.ReadAll(io.NewSectionReader(c, 0, 2*piece)); err != nil {
		t.Fatal(err)
	}
	close(end)
	c.Close()
	if !ended.Load() {
		t.Error("Close did not wait for what is read ahead")
	}
}

// TestCachedExtents: what lies verbatim in the Reader lies in the Cache, so that who
// asks for it there gets it from memory.
func TestCachedExtents(t *testing.T) {
	r := bytes.NewReader(pattern(1000))
	c := block.Cached(r, nil)
	if e, err := c.Extent(10); err != nil || e.Host != block.Reader(c) || e.HostOff != 10 {
		t.Errorf("%+v, %v", e, err)
	}
	o := block.NewOverlay(r, 1000, 10)
	if err := o.Set(100, 50, nil, 0); err != nil {
		t.Fatal(err)
	}
	c = block.Cached(o.Device(), nil)
	if e, err := c.Extent(100); err != nil || !e.Zero || e.Len != 50 {
		t.Errorf("%+v, %v", e, err)
	}
	if e, err := c.Extent(10); err != nil || e.Host != block.Reader(r) {
		t.Errorf("%+v, %v", e, err)
	}
}

func ExampleCached() {
	r := &slow{Reader: bytes.NewReader(make([]byte, 1<<20))} // say, an object in a store
	c := block.Cached(r, &block.CacheOptions{PageBytes: 256 << 10})
	defer c.Close()
	for off := int64(0); off < c.Size(); off += 4096 {
		if _, err := c.ReadAt(make([]byte, 512), off); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println(r.reads.Load(), "reads in place of 256")
	// Output: 4 reads in place of 256
}
