package udf

import (
	"bytes"
	"errors"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestSparing replaces a packet by one of the sparing area, and then one that
// begins at no packet's first block: a file there would have no end.
func TestSparing(t *testing.T) {
	image := testimg.Fixture(t, "sparable")
	f, err := open(bytes.NewReader(image), nil)
	if err != nil {
		t.Fatal(err)
	}
	p, noise := &f.partitions[0], at(t, image, "noise")
	runs, err := f.runsOf(noise)
	if err != nil {
		t.Fatal(err)
	}
	tables := f.maps[0]
	replace := func(from uint32) ([]byte, error) {
		b := bytes.Clone(image)
		for i := range int(tables[42]) {
			off := int64(le.Uint32(tables[48+4*i:])) * f.sector
			le.PutUint32(b[off+56:], from)
			_, tag := sealTag(b, off)
			copy(b[off:], tag)
		}
		_, err := open(bytes.NewReader(b), nil)
		return b, err
	}
	first := (runs[0].off - p.start*f.sector) / f.bs
	packet := uint32((first + p.packet) &^ (p.packet - 1)) // the first whole one of the file
	if packet == uint32(first) {
		t.Fatalf("the file starts at block %d", first)
	}
	b, err := replace(packet)
	if err != nil {
		t.Fatal(err)
	}
	f, err = open(bytes.NewReader(b), nil)
	if err != nil {
		t.Fatal(err)
	}
	to := int64(le.Uint32(b[int64(le.Uint32(tables[48:]))*f.sector+60:])) * f.sector
	for _, c := range []struct{ block, off, n int64 }{
		{int64(packet) - 1, p.start*f.sector + (int64(packet)-1)*f.bs, 1},
		{int64(packet), to, p.packet},
		{int64(packet) + 3, to + 3*f.bs, p.packet - 3},
		{int64(packet) + p.packet, p.start*f.sector + (int64(packet)+p.packet)*f.bs, 100},
	} {
		if off, n, err := f.locate(place{uint32(c.block), 0}, 100); off != c.off || n != c.n || err != nil {
			t.Errorf("block %d: %d blocks at %d, %v", c.block, n, off, err)
		}
	}
	if _, err := replace(packet + 1); !errors.Is(err, block.ErrCorrupt) {
		t.Error(err)
	}
}
