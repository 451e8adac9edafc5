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
	if c.pages.Cost() > 128 {
		t.Errorf("%d bytes are kept, over the budget of 128", c.pages.Cost())
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
