package raid

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
)

func random(seed uint64, n int) []byte {
	rng := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// TestField checks the arithmetic by its definition, a polynomial at a time.
func TestField(t *testing.T) {
	slow := func(a, b byte) byte {
		x, sum := int(a), 0
		for i := range 8 {
			if b>>i&1 != 0 {
				sum ^= x
			}
			if x <<= 1; x > 255 {
				x ^= 0x11d
			}
		}
		return byte(sum)
	}
	for a := range 256 {
		for b := range 256 {
			if got, want := gf.mul(byte(a), byte(b)), slow(byte(a), byte(b)); got != want {
				t.Fatalf("%d·%d = %d, want %d", a, b, got, want)
			}
		}
		if a > 0 && gf.mul(byte(a), Inverse(byte(a))) != 1 {
			t.Fatalf("the inverse of %d is %d", a, Inverse(byte(a)))
		}
	}
	// The table in "The mathematics of RAID-6": {02}^8 is {1d}.
	if Power(0) != 1 || Power(1) != 2 || Power(8) != 0x1d || Power(255) != 1 {
		t.Errorf("powers of {02}: %x %x %x %x", Power(0), Power(1), Power(8), Power(255))
	}
}

// TestRebuild takes any one and two blocks out of rows and computes them.
func TestRebuild(t *testing.T) {
	for n := 3; n <= 9; n++ {
		r := Row{P: n - 2, Q: n - 1, Factor: Power}
		for i := range n {
			r.Blocks = append(r.Blocks, random(uint64(i), 100))
		}
		for _, i := range []int{r.P, r.Q} {
			if err := r.Rebuild(r.Blocks[i], i); err != nil {
				t.Fatal(err)
			}
		}
		out := make([]byte, 100)
		for i := range n {
			for j := range n {
				for k := range n {
					lost := r
					lost.Blocks = bytesOf(r.Blocks)
					lost.Blocks[i], lost.Blocks[j], lost.Blocks[k] = nil, nil, nil
					err := lost.Rebuild(out, i)
					if i != j && j != k && i != k {
						if !errors.Is(err, ErrMissing) {
							t.Errorf("of %d without %d, %d and %d: %v", n, i, j, k, err)
						}
						continue
					}
					if err != nil || !bytes.Equal(out, r.Blocks[i]) {
						t.Errorf("of %d, %d without %d and %d: %v", n, i, j, k, err)
					}
				}
			}
		}
	}
}

func bytesOf(in [][]byte) [][]byte { return append([][]byte(nil), in...) }

// TestPlans checks that each layout of each level uses every member of a row
// once; that they are those of Linux is what the arrays of package md show.
func TestPlans(t *testing.T) {
	for level := 4; level <= 6; level++ {
		for l := range layoutNames {
			if !l.valid(level) {
				continue
			}
			for n := 3; n < 9; n++ {
				g := plan{level, l, n}
				for row := range int64(3 * n) {
					p, q := g.parity(row)
					used := map[int]bool{p: true, q: true}
					for k := range g.data() {
						used[g.member(k, p, q)] = true
					}
					if delete(used, -1); len(used) != n {
						t.Errorf("level %d, %v, %d members, row %d: %v", level, l, n, row, used)
					}
				}
			}
		}
	}
}

// failing is a device that does not read a range.
type failing struct {
	block.Device
	from, to int64
}

var errIO = errors.New("input/output error")

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off < f.to && off+int64(len(p)) > f.from {
		return 0, errIO
	}
	return f.Device.ReadAt(p, off)
}

// TestFaults lets members fail, be short, and be bad in places: what the others
// make up for reads, and is said.
func TestFaults(t *testing.T) {
	const chunk, each = 64, 64 * 20
	data := random(7, 2*each)
	parts := make([][]byte, 3)
	for i := range parts {
		parts[i] = make([]byte, each)
	}
	g := plan{5, LeftSymmetric, 3}
	for off := int64(0); off < 2*each; off += chunk {
		row := off / chunk / 2
		p, q := g.parity(row)
		m := g.member(int(off/chunk%2), p, q)
		copy(parts[m][row*chunk:], data[off:off+chunk])
		Add(parts[p][row*chunk:(row+1)*chunk], data[off:off+chunk])
	}
	dev := func(i int) block.Device { return block.Plain(bytes.NewReader(parts[i])) }
	build := func(change func([]Member)) *Array {
		var ms []Member
		for i := range parts {
			ms = append(ms, Member{Name: "m", Dev: dev(i), Synced: -1})
		}
		change(ms)
		a, err := NewParity(5, LeftSymmetric, chunk, each, ms)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	for name, change := range map[string]func([]Member){
		"whole":      func([]Member) {},
		"missing":    func(m []Member) { m[1].Dev = nil },
		"fails":      func(m []Member) { m[0].Dev = failing{dev(0), 100, 300} },
		"short":      func(m []Member) { m[2].Dev = block.Section(dev(2), 0, 333) },
		"rebuilding": func(m []Member) { m[0].Synced = 777 },
		"bad": func(m []Member) {
			m[0].Bad = []Range{{10, 20}, {500, 1}}
			m[1].Bad = []Range{{64, 64}, {640, 640}}
			m[2].Bad = []Range{{40, 7}, {501, 3}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := build(change)
			testimg.TestDevice(t, a, bytes.NewReader(data), chunk)
			if got := len(a.Faults()); (got > 0) != (name == "fails") {
				t.Errorf("the faults %v", a.Faults())
			}
		})
	}
	a := build(func(m []Member) { m[0].Dev = nil; m[1].Bad = []Range{{128, 1}} })
	if _, err := a.ReadAt(make([]byte, len(data)), 0); !errors.Is(err, block.ErrMissing) {
		t.Errorf("two members lack a block: %v", err)
	}
	if n, err := a.ReadAt(make([]byte, 4*chunk), 0); n != 4*chunk || err != nil {
		t.Errorf("the rows before it: %d, %v", n, err)
	}
	a = build(func(m []Member) { m[0].Dev, m[1].Dev = failing{dev(0), 0, each}, failing{dev(1), 0, each} })
	if _, err := a.ReadAt(make([]byte, len(data)), 0); !errors.Is(err, errIO) {
		t.Errorf("two members fail: %v", err)
	}
}

// TestZeroExtents computes what is missing of zeros as zeros.
func TestZeroExtents(t *testing.T) {
	hole := block.NewOverlay(bytes.NewReader(nil), 1<<20, 1).Device()
	a, err := NewParity(6, LeftSymmetric, 4096, 1<<20, []Member{{Dev: hole, Synced: -1}, {Dev: hole, Synced: -1}, {}, {}, {Dev: hole, Synced: -1}})
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range block.Extents(a, 0, a.Size()) {
		if err != nil || !e.Zero {
			t.Fatalf("%+v, %v", e, err)
		}
	}
}

// TestRefused gives shapes that no array has.
func TestRefused(t *testing.T) {
	ms := make([]Member, 4)
	for name, f := range map[string]func() (*Array, error){
		"no members":       func() (*Array, error) { return NewMirror(nil, 1) },
		"negative":         func() (*Array, error) { return NewMirror(ms, -1) },
		"chunk 0":          func() (*Array, error) { return NewParity(5, 2, 0, 4096, ms) },
		"negative chunk":   func() (*Array, error) { return NewStriped(-1, []int64{1, 1, 1, 1}, ms, false) },
		"huge members":     func() (*Array, error) { return NewParity(5, 2, 1, 1<<62, ms) },
		"layout":           func() (*Array, error) { return NewParity(5, 8, 4096, 4096, ms) },
		"layout of 6":      func() (*Array, error) { return NewParity(6, 7, 4096, 4096, ms) },
		"level":            func() (*Array, error) { return NewParity(3, 0, 4096, 4096, ms) },
		"parity alone":     func() (*Array, error) { return NewParity(6, 2, 4096, 4096, ms[:2]) },
		"too many":         func() (*Array, error) { return NewMirror(make([]Member, 256), 1) },
		"sizes overflow":   func() (*Array, error) { return NewLinear([]int64{1 << 61, 1 << 62}, ms) },
		"stripes overflow": func() (*Array, error) { return NewStriped(1, []int64{1 << 61, 1 << 61, 1 << 61, 1 << 61}, ms, false) },
		"nothing striped":  func() (*Array, error) { return NewStriped(4096, []int64{1, 2, 3, 4}, ms, false) },
		"no copies":        func() (*Array, error) { return NewTen(Ten{}, 4096, 1<<20, ms) },
		"many copies":      func() (*Array, error) { return NewTen(Ten{Near: 2, Far: 3}, 4096, 1<<20, ms) },
	} {
		if a, err := f(); err == nil || a != nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := DecodeTen(6<<17|0x102, 4); !errors.Is(err, block.ErrUnsupported) {
		t.Errorf("an unknown layout of level 10: %v", err)
	}
}

func BenchmarkRebuild(b *testing.B) {
	r := Row{P: 6, Q: 7, Factor: Power}
	for i := range 8 {
		r.Blocks = append(r.Blocks, random(uint64(i), piece))
	}
	r.Blocks[1], r.Blocks[3] = nil, nil
	out := make([]byte, piece)
	b.SetBytes(piece)
	for b.Loop() {
		if err := r.Rebuild(out, 1); err != nil {
			b.Fatal(err)
		}
	}
}
