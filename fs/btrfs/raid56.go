package btrfs

import (
	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/raid"
)

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
			raid.Add(sumQ, buf)
		case i == data:
			raid.Add(sumP, buf)
		default:
			raid.Add(sumP, buf)
			if needQ {
				raid.MulAdd(sumQ, buf, raid.Power(i))
			}
		}
	}
	switch {
	case len(bad) == 1 && !failed[data]:
		copy(p, sumP)
	case len(bad) == 1:
		copy(p, sumQ)
		raid.Mul(p, raid.Inverse(raid.Power(target)))
	default:
		// P' = Dx + Dy and Q' = 2^x Dx + 2^y Dy, so Dx = (2^y P' + Q') / (2^x + 2^y).
		x, y := target, bad[0]
		if y == x {
			y = bad[1]
		}
		fx, fy := raid.Power(x), raid.Power(y)
		if fx == fy {
			return block.Errorf(format, "stripe", -1, block.ErrUnsupported, "%d devices in RAID6", n)
		}
		copy(p, sumP)
		raid.Mul(p, fy)
		raid.Add(p, sumQ)
		raid.Mul(p, raid.Inverse(fx^fy))
	}
	return nil
}
