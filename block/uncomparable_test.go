package block_test

import (
	"bytes"
	"testing"

	"github.com/guestkit/guestkit/block"
)

// memory is a Reader of a type that cannot be compared.
type memory []byte

func (m memory) Size() int64 { return int64(len(m)) }

func (m memory) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(m).ReadAt(p, off)
}

// TestUncomparable takes Readers of any type, whose extents are compared with each
// other.
func TestUncomparable(t *testing.T) {
	c := block.Cached(memory("one"), nil)
	if e, err := c.Extent(0); err != nil || e.Len != 3 || e.Host == nil {
		t.Errorf("%+v, %v", e, err)
	}
	n := 0
	for e, err := range block.Extents(block.Concat(block.Plain(memory("one")), block.Plain(memory("two"))), 0, 6) {
		if err != nil || e.Len != 3 {
			t.Errorf("%+v, %v", e, err)
		}
		n++
	}
	if n != 2 {
		t.Errorf("%d extents", n)
	}
}
