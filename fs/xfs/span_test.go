package xfs_test

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/xfs"
)

// watched counts reads and fails those that touch a forbidden byte.
type watched struct {
	*bytes.Reader
	reads     atomic.Int64
	forbidden func(off, n int64) bool
}

var errForbidden = errors.New("forbidden")

func (w *watched) ReadAt(p []byte, off int64) (int, error) {
	w.reads.Add(1)
	if w.forbidden != nil && w.forbidden(off, int64(len(p))) {
		return 0, errForbidden
	}
	return w.Reader.ReadAt(p, off)
}

// TestShortRuns reads a file of 600 runs, which lie near each other on disk, in
// pieces of many sizes: together where that can be, and still right where what
// lies between them cannot be read.
func TestShortRuns(t *testing.T) {
	for _, name := range []string{"v4", "ci"} {
		image := fixture(t, name+".img")
		w := &watched{Reader: bytes.NewReader(image)}
		open := func() interface {
			block.Device
			io.Closer
		} {
			fsys, err := xfs.Open(w, nil)
			if err != nil {
				t.Fatal(err)
			}
			f, err := fsys.Open("files/fragmented")
			if err != nil {
				t.Fatal(err)
			}
			return f.(interface {
				block.Device
				io.Closer
			})
		}
		f := open()
		want := make([]byte, 0, f.Size())
		type run struct{ off, end int64 }
		var runs []run
		for e, err := range block.Extents(f, 0, f.Size()) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Zero {
				want = append(want, make([]byte, e.Len)...)
				continue
			}
			want = append(want, image[e.HostOff:][:e.Len]...)
			runs = append(runs, run{e.HostOff, e.HostOff + e.Len})
		}
		check := func(what string, f block.Device, size int) {
			for off := 0; off < len(want); off += size {
				p := bytes.Repeat([]byte{0xee}, min(size, len(want)-off))
				if n, err := f.ReadAt(p, int64(off)); n < len(p) || err != nil && err != io.EOF || !bytes.Equal(p, want[off:off+len(p)]) {
					t.Errorf("%s, %s: %d bytes at %d: %d, %v, or they differ", name, what, size, off, n, err)
					return
				}
			}
		}
		for _, size := range []int{1 << 20, 100_000, 3001} {
			check("all", f, size)
		}
		before := w.reads.Load()
		check("all", f, 1<<20)
		if n := w.reads.Load() - before; n > 40 {
			t.Errorf("%s: %d reads for %d runs", name, n, len(runs))
		}
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() { check("at once", f, 50_000+i) })
		}
		wg.Wait()
		f.Close()

		w = &watched{Reader: bytes.NewReader(image)}
		f = open()
		check("before", f, 1<<20) // so that the btree is at hand
		w.forbidden = func(off, n int64) bool {
			for _, r := range runs {
				if off >= r.off && off+n <= r.end {
					return false
				}
			}
			return true
		}
		check("gaps that do not read", f, 1<<20)
		w.forbidden = func(off, n int64) bool { return off < runs[300].end && off+n > runs[300].off }
		n, err := f.ReadAt(make([]byte, len(want)), 0)
		if !errors.Is(err, errForbidden) || n == 0 {
			t.Errorf("%s: a run that does not read: %d bytes, %v", name, n, err)
		}
		f.Close()
	}
}
