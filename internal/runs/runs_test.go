package runs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/runs"
)

// A run lies at a place on the device, or nowhere.
type run struct{ off, n, at int64 }

// layout is runs in the order of the file. From byte broken on it has none, if
// that is not 0.
type layout struct {
	runs   []run
	broken int64
}

var errBroken = errors.New("broken")

func (l layout) Place(off int64) (at, n int64, err error) {
	if l.broken > 0 && off >= l.broken {
		return 0, 0, errBroken
	}
	for _, r := range l.runs {
		if off < r.off+r.n {
			if r.at < 0 {
				return -1, r.off + r.n - off, nil
			}
			return r.at + off - r.off, r.off + r.n - off, nil
		}
	}
	return 0, 0, io.EOF
}

func (l layout) Locate(at int64, err error) error { return fmt.Errorf("at %d: %w", at, err) }

// device counts reads, and fails those that touch a byte of [from, end).
type device struct {
	*bytes.Reader
	mu        sync.Mutex
	reads     int
	from, end int64
}

var errDevice = errors.New("device")

func (d *device) ReadAt(p []byte, off int64) (int, error) {
	d.mu.Lock()
	d.reads++
	d.mu.Unlock()
	if off < d.end && off+int64(len(p)) > d.from {
		return 0, errDevice
	}
	return d.Reader.ReadAt(p, off)
}

// newLayout lays runs of at most longest bytes, on disk in the order of the file
// or not, with gaps of at most gap between them.
func newLayout(rng *rand.Rand, disk []byte, runs int, longest, gap int64, shuffled bool) (l layout, want []byte) {
	at := int64(0)
	var spots []run
	for range runs {
		n := 1 + rng.Int64N(longest)
		if at+n > int64(len(disk)) {
			break
		}
		spots = append(spots, run{n: n, at: at})
		at += n + rng.Int64N(gap+1)
	}
	if shuffled {
		rng.Shuffle(len(spots), func(i, j int) { spots[i], spots[j] = spots[j], spots[i] })
	}
	off := int64(0)
	for _, r := range spots {
		if rng.IntN(4) == 0 {
			hole := run{off, 1 + rng.Int64N(longest), -1}
			l.runs, want = append(l.runs, hole), append(want, make([]byte, hole.n)...)
			off += hole.n
		}
		r.off = off
		l.runs, want = append(l.runs, r), append(want, disk[r.at:r.at+r.n]...)
		off += r.n
	}
	return l, want
}

// TestRead compares reads of many layouts with what the runs hold.
func TestRead(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	disk := make([]byte, 4<<20)
	for i := range disk {
		disk[i] = byte(rng.Uint32())
	}
	for i := range 60 {
		longest := []int64{1, 700, 4096, 200 << 10, 1 << 20}[i%5]
		l, want := newLayout(rng, disk, 1+rng.IntN(600), longest, []int64{0, 500, 4 << 10, 64 << 10}[i%4], i%3 == 0)
		var r runs.Reader
		d := &device{Reader: bytes.NewReader(disk)}
		var wg sync.WaitGroup
		for k := range 3 {
			seed := rng.Uint64()
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(seed, 1))
				for range 20 {
					off := rng.IntN(len(want))
					q := bytes.Repeat([]byte{0xee}, 1+rng.IntN(len(want)-off))
					if n, err := r.Read(d, l, q, int64(off)); n != len(q) || err != nil || !bytes.Equal(q, want[off:off+n]) {
						t.Errorf("layout %d, reader %d: %d of %d bytes at %d, %v, or they differ", i, k, n, len(q), off, err)
					}
				}
			})
		}
		wg.Wait()
	}
}

// TestTogether counts reads of short runs side by side.
func TestTogether(t *testing.T) {
	disk := make([]byte, 8<<20)
	for _, x := range []struct {
		gap         int64
		atMost, all int
	}{{0, 16, 1000}, {512, 18, 1000}, {4 << 10, 33, 1000}, {4<<10 + 1, 1000, 1000}} {
		var l layout
		for i := range int64(1000) {
			l.runs = append(l.runs, run{i * 4096, 4096, i * (4096 + x.gap) % (7 << 20)})
		}
		d := &device{Reader: bytes.NewReader(disk)}
		var r runs.Reader
		if _, err := r.Read(d, l, make([]byte, 1000*4096), 0); err != nil {
			t.Fatal(err)
		}
		if d.reads > x.atMost+1 || x.gap > 4<<10 && d.reads != x.all {
			t.Errorf("gaps of %d: %d reads", x.gap, d.reads)
		}
	}
}

// TestFaults reads where a run, or only what lies between two, cannot be read,
// where the map ends early, and where a layout says that nothing follows.
func TestFaults(t *testing.T) {
	disk := bytes.Repeat([]byte{1, 2, 3}, 40<<10)
	l := layout{}
	for i := range int64(20) {
		l.runs = append(l.runs, run{i * 1000, 1000, i * 1500})
	}
	read := func(d *device, l runs.Layout) (int, error) {
		var r runs.Reader
		return r.Read(d, l, make([]byte, 20000), 0)
	}
	d := &device{Reader: bytes.NewReader(disk), from: 10*1500 + 1200, end: 10*1500 + 1300}
	if n, err := read(d, l); n != 20000 || err != nil {
		t.Errorf("a gap that does not read: %d bytes, %v", n, err)
	}
	d = &device{Reader: bytes.NewReader(disk), from: 10 * 1500, end: 10*1500 + 1}
	n, err := read(d, l)
	if !errors.Is(err, errDevice) || err.Error() != "at 15000: device" || n > 10000 {
		t.Errorf("a run that does not read: %d bytes, %v", n, err)
	}
	l.broken = 5000
	if n, err := read(&device{Reader: bytes.NewReader(disk)}, l); n != 5000 || !errors.Is(err, errBroken) {
		t.Errorf("a map that ends: %d bytes, %v", n, err)
	}
	if n, err := read(&device{Reader: bytes.NewReader(disk)}, layout{runs: []run{{0, 10, 0}, {10, 0, -1}}}); n != 10 || !errors.Is(err, io.EOF) {
		t.Errorf("no run: %d bytes, %v", n, err)
	}
	if n, err := read(&device{Reader: bytes.NewReader(disk)}, nothing{}); n != 0 || !errors.Is(err, block.ErrCorrupt) {
		t.Errorf("a layout of nothing: %d bytes, %v", n, err)
	}
}

type nothing struct{ layout }

func (nothing) Place(int64) (at, n int64, err error) { return 0, 0, nil }
