package digest

import (
	"bytes"
	"context"
	"encoding/hex"
	"testing"

	"github.com/guestkit/guestkit/block"
)

// TestVector is a vector of the blkhash project (test/bench_test.py, with 64
// streams): SHA-256 of 1 MiB of 0x55.
func TestVector(t *testing.T) {
	for workers := range 4 {
		got, err := Sum(context.Background(), block.Plain(bytes.NewReader(bytes.Repeat([]byte{0x55}, 1<<20))), workers, nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := "2a6d5ed17da97865da0fd3ca9a792f3bfaf325940c44fd6a2f0a224a051eb6f0"; hex.EncodeToString(got[:]) != want {
			t.Errorf("%d workers: %x, want %s", workers, got, want)
		}
	}
}

// holes is a disk that knows where it is zero.
type holes struct {
	*bytes.Reader
	from, to int64
}

func (h holes) Extent(off int64) (block.Extent, error) {
	e := block.Extent{Off: off, Len: h.Size() - off}
	switch {
	case off < h.from:
		e.Len = h.from - off
	case off < h.to:
		e.Len, e.Zero = h.to-off, true
	}
	return e, nil
}

// TestZeros has zeros known, and not known, at every border.
func TestZeros(t *testing.T) {
	for _, size := range []int64{0, 1, BlockSize, 5*BlockSize + 512, 70 * BlockSize, 200*BlockSize - 1} {
		for _, from := range []int64{0, 1, BlockSize, 3*BlockSize + 7, 66 * BlockSize} {
			for _, n := range []int64{0, 100, BlockSize, 3 * BlockSize, 90*BlockSize + 5} {
				b := bytes.Repeat([]byte("disk"), int(size/4+1))[:size]
				from, to := min(from, size), min(from+n, size)
				clear(b[from:to])
				want, err := Sum(context.Background(), block.Plain(bytes.NewReader(b)), 1, nil)
				if err != nil {
					t.Fatal(err)
				}
				got, err := Sum(context.Background(), holes{bytes.NewReader(b), from, to}, 3, nil)
				if err != nil || got != want {
					t.Errorf("%d bytes, zeros at %d to %d: %x %v, want %x", size, from, to, got, err, want)
				}
			}
		}
	}
}
