package btrfs

import (
	"github.com/guestkit/guestkit/block"
)

// galois holds the powers of 2 in GF(2^8) with the polynomial 0x11D, that of
// Linux's RAID6, twice over, and their logarithms.
type galois struct {
	exp [512]byte
	log [256]int
}

var gf = func() (g galois) {
	x := 1
	for i := range 255 {
		g.exp[i], g.exp[i+255] = byte(x), byte(x)
		g.log[x] = i
		if x <<= 1; x > 0xFF {
			x ^= 0x11D
		}
	}
	return g
}()

// table returns the products of all bytes with 2^power.
func (g *galois) table(power int) (t [256]byte) {
	for v := 1; v < 256; v++ {
		t[v] = g.exp[g.log[v]+power]
	}
	return t
}

func xorInto(dst, src []byte) {
	for i := range dst {
		dst[i] ^= src[i]
	}
}

// rebuild fills p, the bytes at off of a chunk of RAID5 or RAID6 that lie in one
// stripe, from the other stripes of the row. Beside the devices that are
// missing, the stripe of p itself is not read; in attempt 2 and later, neither is
// one other.
func (f *filesystem) rebuild(p []byte, c *chunk, off uint64, attempt int) error {
	n := len(c.stripes)
	data := n - c.parity
	row, target := off/stripeLen/uint64(data), int(off/stripeLen%uint64(data))
	in := row*stripeLen + off%stripeLen
	// Stripe i of the row, of which the parity comes last.
	at := func(i int) *stripe { return &c.stripes[(uint64(i)+row)%uint64(n)] }

	failed := make([]bool, n)
	failed[target] = true
	if attempt >= 2 {
		other := attempt - 2
		if other >= target {
			other++
		}
		if other < n {
			failed[other] = true
		}
	}
	sumP, sumQ, buf := make([]byte, len(p)), make([]byte, len(p)), make([]byte, len(p))
	var cause error
again:
	bad, count := []int{}, 0
	for i := range n {
		if at(i).dev == nil {
			failed[i] = true
		}
		if failed[i] {
			count++
			if i < data {
				bad = append(bad, i)
			}
		}
	}
	if count > c.parity {
		if cause == nil {
			cause = f.missing(at(target).devid)
			for i := range n {
				if i != target && at(i).dev == nil {
					cause = f.missing(at(i).devid)
				}
			}
		}
		return block.Errorf(format, "stripe", -1, cause, "%d of %d stripes of the row at logical address %#x cannot be read", count, n, c.start+off)
	}
	clear(sumP)
	clear(sumQ)
	needQ := len(bad) > 1 || failed[data]
	for i := range n {
		if failed[i] || i == data+1 && !needQ {
			continue
		}
		s := at(i)
		if err := block.ReadFull(s.dev.r, buf, int64(s.offset+in)); err != nil {
			failed[i], cause = true, err
			goto again
		}
		switch {
		case i == data+1:
			xorInto(sumQ, buf)
		case i == data:
			xorInto(sumP, buf)
		default:
			xorInto(sumP, buf)
			if needQ {
				t := gf.table(i % 255)
				for j, v := range buf {
					sumQ[j] ^= t[v]
				}
			}
		}
	}
	switch {
	case len(bad) == 1 && !failed[data]:
		copy(p, sumP)
	case len(bad) == 1:
		t := gf.table((255 - target%255) % 255)
		for j, v := range sumQ {
			p[j] = t[v]
		}
	default:
		// P' = Dx + Dy and Q' = 2^x Dx + 2^y Dy, so Dx = (Q' + 2^y P') / (2^x + 2^y).
		x, y := target, bad[0]
		if y == x {
			y = bad[1]
		}
		den := gf.exp[x%255] ^ gf.exp[y%255]
		if den == 0 {
			return block.Errorf(format, "stripe", -1, block.ErrUnsupported, "%d devices in RAID6", n)
		}
		ty, inv := gf.table(y%255), gf.table((255-gf.log[den])%255)
		for j := range p {
			p[j] = inv[sumQ[j]^ty[sumP[j]]]
		}
	}
	return nil
}
