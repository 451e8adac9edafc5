package testimg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"testing"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
)

// Mutations describes a run of random damage to one image.
type Mutations struct {
	Image []byte // changed while the run lasts and restored after each mutant
	// Where holds the ranges worth changing: a Trace of a clean run gives
	// them. Large ranges of file content should be left out.
	Where []Range
	// Run reads the image as far as the driver can. Any error is fine; a
	// panic, two seconds, or 64 MiB more memory are not.
	Run func(r block.Reader) error
	// Open is for filesystems: what a mutant holds is copied and archived as well,
	// under the same limits; without GUESTKIT_MUTATIONS of a pair in 16, or in 64 where
	// no peers are required: it takes most of the time.
	Open Opener
	// Seal repairs the checksums that cover the bytes changed at the given
	// offsets, through p.Write. Every second mutant is sealed; nil for
	// formats without checksums.
	Seal func(p *Patch, changed []int64)
	// N is the number of mutants where the environment variable
	// GUESTKIT_MUTATIONS does not say another; 0 means 300.
	N    int
	Seed uint64
	// MaxHeap bounds the growth of the heap in bytes; 0 means 64 MiB.
	MaxHeap uint64
}

// A Patch is a set of changes to an image that can be undone.
type Patch struct {
	Image []byte
	undo  []undo
}

type undo struct {
	off int64
	old []byte
}

// Write changes the image at off; what lies outside of it is dropped.
func (p *Patch) Write(off int64, b []byte) {
	if off < 0 || off >= int64(len(p.Image)) {
		return
	}
	b = b[:min(int64(len(b)), int64(len(p.Image))-off)]
	p.undo = append(p.undo, undo{off, bytes.Clone(p.Image[off : off+int64(len(b))])})
	copy(p.Image[off:], b)
}

// Undo restores the image.
func (p *Patch) Undo() {
	for i := len(p.undo) - 1; i >= 0; i-- {
		copy(p.Image[p.undo[i].off:], p.undo[i].old)
	}
	p.undo = nil
}

// boundary values, cut to the width of the field that they overwrite.
var boundary = []uint64{0, 1, 2, 3, 7, 8, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000,
	0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff, 0xfffffffffffffffe}

// Mutate runs the mutations. A failing mutant is named by its number and seed,
// which repeat it.
func Mutate(t *testing.T, m Mutations) {
	t.Helper()
	number := os.Getenv("GUESTKIT_MUTATIONS")
	if s := number; s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("GUESTKIT_MUTATIONS: %v", err)
		}
		m.N = n
	} else if m.N == 0 {
		m.N = 300
	}
	if m.MaxHeap == 0 {
		m.MaxHeap = 64 << 20
	}
	if len(m.Where) == 0 {
		m.Where = []Range{{0, int64(len(m.Image))}}
	}
	if err := m.Run(bytes.NewReader(m.Image)); err != nil {
		t.Fatalf("the image without damage: %v", err)
	}
	read, dir := m.Run, ""
	if m.Open != nil {
		dir = t.TempDir()
	}
	extract := func(r block.Reader) error { return errors.Join(read(r), Extract(r, m.Open, dir)) }
	every := 64
	if peers.Required() {
		every = 16
	}
	failed, slowest := 0, time.Duration(0)
	for i := range m.N {
		p, what := m.mutant(i)
		run := read
		if m.Open != nil && (number != "" || i/2%every == 0) { // pairs: one is sealed
			run = extract
		}
		start := time.Now()
		err := Guarded(t, what, m.MaxHeap, func() error { return run(bytes.NewReader(m.Image)) })
		slowest = max(slowest, time.Since(start))
		if err != nil {
			failed++
		}
		p.Undo()
	}
	t.Logf("%d mutants: %d gave an error; the slowest took %v", m.N, failed, slowest.Round(time.Millisecond))
}

// mutant damages the image in one to four places.
func (m *Mutations) mutant(i int) (*Patch, string) {
	rng := rand.New(rand.NewPCG(m.Seed, uint64(i)))
	p := &Patch{Image: m.Image}
	var changed []int64
	var text string
	for range 1 + rng.IntN(4) {
		w := m.Where[rng.IntN(len(m.Where))]
		off := w.Off + rng.Int64N(w.N)
		width := int64(1) << rng.IntN(4)
		b := make([]byte, 8)
		switch rng.IntN(3) {
		case 0: // one byte or bit
			width = 1
			b[0] = byte(rng.Uint32())
			if off < int64(len(m.Image)) && rng.IntN(2) == 0 {
				b[0] = m.Image[off] ^ 1<<rng.IntN(8)
			}
		case 1: // a boundary value in a field, either byte order
			off -= off % width
			v := boundary[rng.IntN(len(boundary))]
			if rng.IntN(2) == 0 {
				binary.LittleEndian.PutUint64(b, v)
			} else {
				binary.BigEndian.PutUint64(b, v<<(64-8*width))
			}
		case 2: // bytes from elsewhere: pointers to other structures
			off -= off % width
			w := m.Where[rng.IntN(len(m.Where))]
			from := w.Off + rng.Int64N(w.N)
			from -= from % width
			if from >= 0 && from+8 <= int64(len(m.Image)) {
				copy(b, m.Image[from:from+8])
			}
		}
		p.Write(off, b[:width])
		changed = append(changed, off)
		text += fmt.Sprintf(" @%#x=%x", off, b[:width])
	}
	sealed := m.Seal != nil && i%2 == 1
	if sealed {
		m.Seal(p, changed)
	}
	return p, fmt.Sprintf("mutant %d of seed %d (sealed %v)%s", i, m.Seed, sealed, text)
}

// Guarded runs what reads a damaged image under the limits of time and of memory:
// two seconds of the processor, and maxHeap bytes more than before. It ends the
// test where run panics or passes one of them.
func Guarded(t *testing.T, what string, maxHeap uint64, run func() error) error {
	t.Helper()
	limit := 2 * time.Second // of processor time: a busy machine is no hang
	if raceEnabled {
		limit = 30 * time.Second
	}
	started, spent := time.Now(), CPUTime()
	done := make(chan error, 1)
	base := heapBytes()
	go func() {
		defer func() {
			if x := recover(); x != nil {
				buf := make([]byte, 8<<10)
				done <- panicked{fmt.Sprintf("%v\n%s", x, buf[:runtime.Stack(buf, false)])}
			}
		}()
		done <- run()
	}()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			if p, ok := err.(panicked); ok {
				t.Fatalf("%s: panic: %s", what, p.text)
			}
			return err
		case <-tick.C:
			if used := CPUTime() - spent; used > limit || time.Since(started) > 10*limit+time.Minute {
				buf := make([]byte, 64<<10)
				t.Fatalf("%s: still running after %v, %v of processor time\n%s", what, time.Since(started).Round(time.Second), used, buf[:runtime.Stack(buf, true)])
			}
			if h := heapBytes(); h > base+maxHeap && !raceEnabled {
				runtime.GC() // what is left is in use
				if h = heapBytes(); h > base+maxHeap {
					t.Fatalf("%s: the heap grew by %d MiB", what, (h-base)>>20)
				}
			}
		}
	}
}

type panicked struct{ text string }

func (p panicked) Error() string { return "panic: " + p.text }

func heapBytes() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
