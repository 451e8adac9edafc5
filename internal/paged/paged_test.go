package paged

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
)

func TestView(t *testing.T) {
	data := make([]byte, 1000)
	for i := range data {
		data[i] = byte(i * 3)
	}
	c := New(bytes.NewReader(data), 64, 128)
	for off := range int64(1000) {
		for _, n := range []int{0, 1, 4, 8, 64, 200} {
			got, err := c.View(off, n)
			if off+int64(n) > 1000 {
				if !errors.Is(err, block.ErrTruncated) {
					t.Fatalf("View(%d, %d): %v, want ErrTruncated", off, n, err)
				}
				continue
			}
			if err != nil || !bytes.Equal(got, data[off:off+int64(n)]) {
				t.Fatalf("View(%d, %d) is wrong: %v", off, n, err)
			}
		}
	}
	if c.Kept() > 128 {
		t.Errorf("%d bytes are kept, over the budget of 128", c.Kept())
	}
	for _, off := range []int64{-1, math.MaxInt64, math.MinInt64} {
		if _, err := c.View(off, 4); !errors.Is(err, block.ErrTruncated) {
			t.Errorf("View(%d): %v, want ErrTruncated", off, err)
		}
	}
}

func TestPagesAreReadOnce(t *testing.T) {
	tr := &testimg.Trace{Reader: bytes.NewReader(make([]byte, 4096))}
	c := New(tr, 4096, 4096)
	for i := range int64(1000) {
		if _, err := c.View(i*4, 4); err != nil {
			t.Fatal(err)
		}
	}
	if tr.Bytes() != 4096 {
		t.Errorf("read %d bytes, want one page", tr.Bytes())
	}
}

func TestBitRun(t *testing.T) {
	data := make([]byte, 64+1024)
	for i := range data {
		switch {
		case i%100 < 60:
			data[i] = 0xff
		case i%100 < 70:
			data[i] = byte(i * 37)
		}
	}
	c := New(bytes.NewReader(data), 256, 1024)
	for _, order := range []BitOrder{LeastFirst, MostFirst} {
		test := func(bit int64) bool {
			if order == MostFirst {
				return data[64+bit/8]&(0x80>>(bit%8)) != 0
			}
			return data[64+bit/8]&(1<<(bit%8)) != 0
		}
		for bit := range int64(1024 * 8) {
			end := min(bit+3000, 1024*8)
			set, n, err := c.BitRun(64, bit, end, order)
			if err != nil || set != test(bit) || n < 1 || bit+n > end {
				t.Fatalf("BitRun(%d) = %v, %d, %v", bit, set, n, err)
			}
			for i := bit; i < bit+n; i += 1 + n/7 {
				if test(i) != set {
					t.Fatalf("BitRun(%d) = %v for %d bits, bit %d is not", bit, set, n, i)
				}
			}
			if bit+n < end && (bit+n)%(bitmapPart*8) != 0 && test(bit+n) == set {
				t.Fatalf("BitRun(%d) ends early, after %d bits", bit, n)
			}
		}
	}
}
