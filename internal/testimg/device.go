// Package testimg holds the tests that every driver shares: the conformance
// of a block.Device, mutations of an image, and the comparison of a guest
// filesystem with the kernel's view of it.
package testimg

import (
	"bytes"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/guestkit/guestkit/block"
)

// TestDevice checks that d is a correct block.Device that holds want: ReadAt at
// every kind of boundary, the end-of-file rules, extents that agree with the
// bytes, and concurrent reads. Boundaries are multiples of unit bytes (the
// cluster, block or grain of the format).
func TestDevice(t *testing.T, d block.Device, want block.Reader, unit int64) {
	t.Helper()
	size := want.Size()
	if d.Size() != size {
		t.Fatalf("Size = %d, want %d", d.Size(), size)
	}
	testEOF(t, d, size)
	extents := testExtents(t, d, want)
	edges := map[int64]bool{0: true, size: true, size / 2: true}
	for _, e := range extents {
		edges[e.Off] = true
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		edges[rng.Int64N(size+1)/unit*unit] = true
	}
	var buf buffers
	count, most := 0, int(max(10, min(200, 8<<20/unit))) // large units take long to compare
	for edge := range edges {
		if count++; count > most {
			break
		}
		for _, off := range []int64{edge - unit - 1, edge - 1, edge, edge + 1, edge + 511} {
			for _, n := range []int64{1, 2, 511, 512, unit + 3} {
				sameAt(t, d, want, off, n, &buf)
			}
		}
	}
	testConcurrent(t, d, want, unit)
}

// buffers are used again and again: the race detector makes new ones dear.
type buffers struct{ a, b []byte }

// two returns two buffers of n bytes, with anything in them.
func (bs *buffers) two(n int64) (a, b []byte) {
	if int64(cap(bs.a)) < n {
		bs.a, bs.b = make([]byte, n), make([]byte, n)
	}
	return bs.a[:n], bs.b[:n]
}

// sameAt compares a read with what is wanted; offsets outside are skipped.
func sameAt(t *testing.T, d block.Device, want block.Reader, off, n int64, buf *buffers) {
	t.Helper()
	if off < 0 || off >= want.Size() {
		return
	}
	a, b := buf.two(n)
	for i := 0; i < len(a); {
		i += copy(a[i:], unread) // a reader that does not fill its buffer shows
	}
	na, ea := d.ReadAt(a, off)
	nb, _ := want.ReadAt(b, off)
	if na != nb || !bytes.Equal(a[:na], b[:nb]) {
		i := 0
		for i < min(na, nb) && a[i] == b[i] {
			i++
		}
		t.Fatalf("ReadAt(%d bytes, %d): got %d bytes, want %d; first difference at %d (err %v)", n, off, na, nb, off+int64(i), ea)
	}
	if int64(na) < n && ea != io.EOF {
		t.Fatalf("ReadAt(%d bytes, %d) = %d, %v; want io.EOF", n, off, na, ea)
	}
	if int64(na) == n && ea != nil && ea != io.EOF {
		t.Fatalf("ReadAt(%d bytes, %d) = %d, %v", n, off, na, ea)
	}
}

func testEOF(t *testing.T, d block.Device, size int64) {
	t.Helper()
	buf := make([]byte, 16)
	if n, err := d.ReadAt(buf, size); n != 0 || err != io.EOF {
		t.Errorf("ReadAt at the end = %d, %v; want 0, EOF", n, err)
	}
	if n, err := d.ReadAt(buf, size+1<<40); n != 0 || err != io.EOF {
		t.Errorf("ReadAt past the end = %d, %v; want 0, EOF", n, err)
	}
	if n, err := d.ReadAt(buf, -1); n != 0 || err == nil || err == io.EOF {
		t.Errorf("ReadAt at -1 = %d, %v; want an error", n, err)
	}
	if n, err := d.ReadAt(nil, 0); n != 0 || err != nil && err != io.EOF {
		t.Errorf("ReadAt of nothing = %d, %v", n, err)
	}
	for _, off := range []int64{-1, size, size + 1} {
		if _, err := d.Extent(off); err == nil {
			t.Errorf("Extent(%d) of %d bytes gave no error", off, size)
		}
	}
}

// testExtents checks the extents against the bytes and against each other.
func testExtents(t *testing.T, d block.Device, want block.Reader) []block.Extent {
	t.Helper()
	size := want.Size()
	var all []block.Extent
	var buf buffers
	pos := int64(0)
	for e, err := range block.Extents(d, 0, size) {
		if err != nil {
			t.Fatalf("Extents at %d: %v", pos, err)
		}
		if e.Off != pos || e.Len < 1 || e.Len > size-pos {
			t.Fatalf("extent %+v does not start at %d or leaves the device", e, pos)
		}
		if e.Unset && !e.Zero {
			t.Errorf("extent %+v is Unset and not Zero", e)
		}
		pos += e.Len
		all = append(all, e)
		checkExtent(t, want, e, &buf)
	}
	if pos != size {
		t.Fatalf("extents end at %d, want %d", pos, size)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for range min(200, size) { // an extent may be asked for in the middle
		off := rng.Int64N(size)
		e, err := d.Extent(off)
		if err != nil || e.Off != off || e.Len < 1 {
			t.Fatalf("Extent(%d) = %+v, %v", off, e, err)
		}
		e.Len = min(e.Len, size-off, 1<<16)
		checkExtent(t, want, e, &buf)
	}
	return all
}

// checkExtent compares up to the first and last MiB of an extent with want.
func checkExtent(t *testing.T, want block.Reader, e block.Extent, buf *buffers) {
	t.Helper()
	const part = 1 << 20
	for _, at := range []int64{0, max(part, e.Len-part)} {
		n := min(part, e.Len-at)
		if n <= 0 {
			break
		}
		b, h := buf.two(n)
		if err := block.ReadFull(want, b, e.Off+at); err != nil {
			t.Fatal(err)
		}
		if e.Zero && !allZero(b) {
			t.Fatalf("extent %+v is Zero, the bytes are not", e)
		}
		if e.Host != nil {
			if err := block.ReadFull(e.Host, h, e.HostOff+at); err != nil && !e.Zero {
				t.Fatalf("extent %+v: host bytes: %v", e, err)
			}
			if !e.Zero && !bytes.Equal(h, b) {
				t.Fatalf("extent %+v does not lie verbatim in its host", e)
			}
		}
	}
}

func testConcurrent(t *testing.T, d block.Device, want block.Reader, unit int64) {
	t.Helper()
	size := want.Size()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(5, uint64(g)))
			var buf buffers
			for range 50 {
				off := rng.Int64N(max(size, 1))
				n := min(rng.Int64N(3*unit)+1, 128<<10)
				a, b := buf.two(n)
				na, _ := d.ReadAt(a, off)
				nb, _ := want.ReadAt(b, off)
				if na != nb || !bytes.Equal(a[:na], b[:nb]) {
					t.Errorf("concurrent ReadAt(%d bytes, %d) is wrong", n, off)
					return
				}
				if size > 0 {
					if _, err := d.Extent(off); err != nil {
						t.Errorf("concurrent Extent(%d): %v", off, err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

// allZero reports whether b, of up to a MiB, is all zeros.
func allZero(b []byte) bool { return bytes.Equal(b, zeros[:len(b)]) }

var (
	zeros  [1 << 20]byte
	unread = bytes.Repeat([]byte{0xA5}, 4096)
)
