package testimg

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/guestkit/guestkit/block"
)

// A Piece is a run of a disk with bytes of one value.
type Piece struct {
	Off, Len int64
	Fill     byte
}

// At is a piece at an offset.
func At(off, n int64, fill byte) Piece { return Piece{off, n, fill} }

// Shuffle gives every second unit of a disk of n units at random, in an order
// that is not that of the disk: a tool that writes the pieces one by one gives
// them places out of order. No two pieces have the same value; n is 400 at most.
// It gives the same in every run.
func Shuffle(n int, unit int64) []Piece {
	rng := rand.New(rand.NewPCG(3, 4))
	var ps []Piece
	for i, at := range rng.Perm(n)[:(n+1)/2] {
		ps = append(ps, At(int64(at)*unit, unit, byte(i+1)))
	}
	return ps
}

// Disk is what a disk of n bytes holds after the pieces are written.
func Disk(n int64, ps []Piece) block.Reader {
	b := make([]byte, n)
	for _, p := range ps {
		copy(b[p.Off:], bytes.Repeat([]byte{p.Fill}, int(p.Len)))
	}
	return bytes.NewReader(b)
}

// Commands are those with which qemu-io writes the pieces, in their order.
func Commands(ps []Piece) (args []string) {
	for _, p := range ps {
		args = append(args, "-c", fmt.Sprintf("write -q -P %d %d %d", p.Fill, p.Off, p.Len))
	}
	return args
}

// OutOfOrder fails the test unless the data of d lies in another order on the
// host than on the disk: several times a run lies before the one that precedes
// it.
func OutOfOrder(t *testing.T, d block.Device) {
	t.Helper()
	last, back, runs := int64(-1), 0, 0
	for e, err := range block.Extents(d, 0, d.Size()) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Host == nil {
			continue
		}
		if runs++; e.HostOff < last {
			back++
		}
		last = e.HostOff
	}
	if back < 2 {
		t.Fatalf("%d of %d runs lie before the one that precedes them: the layout is not shuffled", back, runs)
	}
}
