package raid

import (
	"crypto/subtle"
	"errors"
)

// field is GF(2^8) modulo x^8+x^4+x^3+x^2+1 (0x11d), with the generator {02}.
type field struct {
	exp [510]byte // exp[i] = {02}^i; twice, so that sums of two logarithms need no modulus
	log [256]byte
}

var gf = makeField()

func makeField() *field {
	f := new(field)
	x := 1
	for i := range 255 {
		f.exp[i], f.exp[i+255] = byte(x), byte(x)
		f.log[x] = byte(i)
		if x <<= 1; x > 255 {
			x ^= 0x11d
		}
	}
	return f
}

func (f *field) mul(a, b byte) byte {
	if a == 0 || b == 0 {
		return 0
	}
	return f.exp[int(f.log[a])+int(f.log[b])]
}

// Power returns {02}^n: the factor of the n-th data block of a row in Q.
func Power(n int) byte { return gf.exp[n%255] }

// Inverse returns what times a is 1; a is not 0.
func Inverse(a byte) byte { return gf.exp[255-int(gf.log[a])] }

// Add adds src to dst, which is their exclusive or.
func Add(dst, src []byte) { subtle.XORBytes(dst, dst, src) }

// MulAdd adds the product of src and c to dst.
func MulAdd(dst, src []byte, c byte) {
	switch c {
	case 0:
		return
	case 1:
		Add(dst, src)
		return
	}
	t := table(c)
	dst = dst[:len(src)]
	for i, x := range src {
		dst[i] ^= t[x]
	}
}

// Mul multiplies b by c in place.
func Mul(b []byte, c byte) {
	if c == 1 {
		return
	}
	t := table(c)
	for i, x := range b {
		b[i] = t[x]
	}
}

// table has the products of all bytes with c.
func table(c byte) *[256]byte {
	var t [256]byte
	for i := range t {
		t[i] = gf.mul(byte(i), c)
	}
	return &t
}

// ErrMissing says that more of a row is missing than its parity makes up for.
var ErrMissing = errors.New("raid: too many blocks of a row are missing")

// A Row is one row of an array with parity: blocks of the same length, one of
// each member.
type Row struct {
	Blocks [][]byte // nil what is missing
	P, Q   int      // which of the blocks are parity, -1 for none
	// Factor gives the factor that a data block has in Q; a row without Q
	// may leave it nil.
	Factor func(i int) byte
}

// Rebuild computes the block i of a row from the others and writes it to out,
// which no block of the row shares memory with. What it needs beside it may be
// missing too, as far as the parity that there is makes up for it.
func (r *Row) Rebuild(out []byte, i int) error {
	other := -1 // a second data block that is missing
	for j, b := range r.Blocks {
		if b != nil || j == i || j == r.P || j == r.Q {
			continue
		}
		if other >= 0 {
			return ErrMissing
		}
		other = j
	}
	hasP := r.P >= 0 && r.P != i && r.Blocks[r.P] != nil
	hasQ := r.Q >= 0 && r.Q != i && r.Blocks[r.Q] != nil
	switch {
	case i == r.P && other < 0:
		r.sumP(out, -1)
	case i == r.Q && other < 0:
		r.sumQ(out, -1)
	case i == r.P && hasQ:
		r.fromQ(out, other)
		r.sumP2(out, other)
	case i == r.Q && hasP:
		r.fromP(out, other)
		Mul(out, r.Factor(other))
		r.sumQ2(out, other)
	case i == r.P || i == r.Q:
		return ErrMissing
	case other < 0 && hasP:
		r.fromP(out, i)
	case other < 0 && hasQ:
		r.fromQ(out, i)
	case other >= 0 && hasP && hasQ:
		r.fromBoth(out, i, other)
	default:
		return ErrMissing
	}
	return nil
}

// data calls f for each data block that is there.
func (r *Row) data(f func(i int, b []byte)) {
	for i, b := range r.Blocks {
		if b != nil && i != r.P && i != r.Q {
			f(i, b)
		}
	}
}

// sumP sets out to the sum of the data blocks without skip.
func (r *Row) sumP(out []byte, skip int) {
	clear(out)
	r.sumP2(out, skip)
}

func (r *Row) sumP2(out []byte, skip int) {
	r.data(func(i int, b []byte) {
		if i != skip {
			Add(out, b)
		}
	})
}

// sumQ sets out to the weighted sum of the data blocks without skip.
func (r *Row) sumQ(out []byte, skip int) {
	clear(out)
	r.sumQ2(out, skip)
}

func (r *Row) sumQ2(out []byte, skip int) {
	r.data(func(i int, b []byte) {
		if i != skip {
			MulAdd(out, b, r.Factor(i))
		}
	})
}

// fromP computes the data block i where the other data and P are there.
func (r *Row) fromP(out []byte, i int) {
	r.sumP(out, i)
	Add(out, r.Blocks[r.P])
}

// fromQ computes the data block i where the other data and Q are there.
func (r *Row) fromQ(out []byte, i int) {
	r.sumQ(out, i)
	Add(out, r.Blocks[r.Q])
	Mul(out, Inverse(r.Factor(i)))
}

// fromBoth computes the data block x where y is missing too: of x+y = p and
// fx·x + fy·y = q, x = (q + fy·p) / (fx + fy).
func (r *Row) fromBoth(out []byte, x, y int) {
	fx, fy := r.Factor(x), r.Factor(y)
	r.fromP(out, x) // p, as y is nil and adds nothing
	Mul(out, fy)
	r.sumQ2(out, x)
	Add(out, r.Blocks[r.Q])
	Mul(out, Inverse(fx^fy))
}
