package testimg

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// A Power is an image file in memory that records what is written to it, and
// where it was told to wait for the disk. It is a block.Storage.
type Power struct {
	B     []byte
	base  []byte
	log   []powerWrite
	syncs []int // how many writes came before each Sync

	// Of several files that are written in turn: what is written, and each Sync,
	// has its time, counted from 1.
	clock           *int
	written, synced []int
}

// A powerWrite is what was written at off, or with p nil a change of the size; whole is
// all that the file holds from then on.
type powerWrite struct {
	off   int64
	p     []byte
	whole bool
}

// NewPower starts with a copy of b.
func NewPower(b []byte) *Power { return &Power{B: bytes.Clone(b), base: b} }

// Size implements block.Reader.
func (p *Power) Size() int64 { return int64(len(p.B)) }

// ReadAt implements io.ReaderAt.
func (p *Power) ReadAt(b []byte, off int64) (int, error) {
	if off >= int64(len(p.B)) {
		return 0, io.EOF
	}
	n := copy(b, p.B[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements io.WriterAt.
func (p *Power) WriteAt(b []byte, off int64) (int, error) {
	p.note(powerWrite{off: off, p: bytes.Clone(b)})
	p.put(b, off)
	return len(b), nil
}

// Truncate implements block.File.
func (p *Power) Truncate(size int64) error {
	p.note(powerWrite{off: size})
	p.cut(size)
	return nil
}

// Replace is what convert.Storage has: the file holds b, or what it held, and b for
// certain when it returns.
func (p *Power) Replace(b []byte) error {
	p.note(powerWrite{p: bytes.Clone(b), whole: true})
	p.B = bytes.Clone(b)
	return p.Sync()
}

// Sync implements block.File.
func (p *Power) Sync() error {
	p.syncs = append(p.syncs, len(p.log))
	p.synced = append(p.synced, p.tick())
	return nil
}

func (p *Power) note(w powerWrite) {
	p.log = append(p.log, w)
	p.written = append(p.written, p.tick())
}

func (p *Power) tick() int {
	if p.clock == nil {
		p.clock = new(int)
	}
	*p.clock++
	return *p.clock
}

// done does what is done as a whole.
func (p *Power) done(w powerWrite) {
	if w.whole {
		p.B = bytes.Clone(w.p)
		return
	}
	p.cut(w.off)
}

func (p *Power) put(b []byte, off int64) {
	if end := off + int64(len(b)); end > int64(len(p.B)) {
		p.cut(end)
	}
	copy(p.B[off:], b)
}

func (p *Power) cut(size int64) {
	if n := int64(len(p.B)); size <= n {
		p.B = p.B[:size]
		return
	}
	p.B = append(p.B, make([]byte, size-int64(len(p.B)))...)
}

// Crashes makes the files that a loss of power may leave behind: after each write
// (of thousands, after about a hundred of them) everything up to there, and n times at random: what was synced is there, and of
// the rest any sectors of any writes. n is what the environment variable
// GUESTKIT_CRASHES says, if it does. It returns how many files there were.
func (p *Power) Crashes(t testing.TB, n int, do func(what string, file func() []byte)) int {
	t.Helper()
	n = CrashRuns(n)
	rng := rand.New(rand.NewPCG(1, uint64(len(p.log))))
	step, count := 1, 0
	if os.Getenv("GUESTKIT_CRASHES") == "" {
		step += len(p.log) / 100
	}
	for k := 0; k <= len(p.log); k += step {
		count++
		do(fmt.Sprintf("after %d of %d writes", k, len(p.log)), func() []byte { return p.replay(k, k, nil) })
	}
	for i := range n {
		k := rng.IntN(len(p.log) + 1)
		synced := 0
		waited := rng.IntN(2) == 0 // for the sync behind the last write
		for _, s := range p.syncs {
			if s < k || s == k && waited {
				synced = s
			}
		}
		odds := rng.Float64()
		do(fmt.Sprintf("random %d, after %d of %d writes, %d synced", i, k, len(p.log), synced), func() []byte { return p.replay(synced, k, func() bool { return rng.Float64() < odds }) })
	}
	return count + n
}

// CrashRuns is n, or what the environment variable says.
func CrashRuns(n int) int {
	s := os.Getenv("GUESTKIT_CRASHES")
	if s == "" {
		return n
	}
	if m, err := strconv.Atoi(s); err == nil {
		return m
	}
	return 10000
}

func (p *Power) replay(synced, end int, keep func() bool) []byte {
	const sector = 512
	m := Power{B: bytes.Clone(p.base)}
	for i, w := range p.log[:end] {
		all := i < synced || keep == nil
		if w.p == nil || w.whole {
			if all || keep() {
				m.done(w)
			}
			continue
		}
		for at := 0; at < len(w.p); {
			n := min(sector-int(w.off+int64(at))%sector, len(w.p)-at)
			if all {
				n = len(w.p)
			}
			if all || keep() {
				m.put(w.p[at:at+n], w.off+int64(at))
			}
			at += n
		}
	}
	return m.B
}

// Survives checks what loss of power leaves of an operation: the image must be
// sound, and each piece of the disk as it was before or as it is after. open
// checks an image and returns its disk; it fails where the image is not sound.
// It returns how many images there were.
func (p *Power) Survives(t testing.TB, name string, n, piece int, open func(b []byte) ([]byte, error)) int {
	t.Helper()
	before, err := open(p.base)
	if err != nil {
		t.Fatalf("%s: before: %v", name, err)
	}
	after, err := open(p.B)
	if err != nil {
		t.Fatalf("%s: after: %v", name, err)
	}
	seen := map[bool]int{}
	count := p.Crashes(t, n, func(what string, file func() []byte) {
		got, err := open(file())
		if err != nil {
			t.Fatalf("%s, %s: %v", name, what, err)
		}
		if len(got) != len(before) {
			t.Fatalf("%s, %s: a disk of %d bytes, it had %d", name, what, len(got), len(before))
		}
		for at := 0; at < len(got); at += piece {
			end := min(at+piece, len(got))
			if !bytes.Equal(got[at:end], before[at:end]) && !bytes.Equal(got[at:end], after[at:end]) {
				t.Fatalf("%s, %s: the disk at %#x is neither as before nor as after", name, what, at)
			}
		}
		seen[bytes.Equal(got, after)]++
	})
	if !bytes.Equal(before, after) && (seen[false] == 0 || seen[true] == 0) {
		t.Errorf("%s: %v, want images as before and as after", name, seen)
	}
	t.Logf("%s: %d crashes survived", name, count)
	return count
}
