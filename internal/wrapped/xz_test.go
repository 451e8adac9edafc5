package wrapped

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/xz"
)

// xzStream is a stream whose index lists blocks of those sizes, with the bytes
// of the blocks as they are given.
func xzStream(blocks []byte, unpadded ...uint64) []byte {
	sealed := func(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b)) }
	flags := []byte{0, 1}
	b := append([]byte("\xfd7zXZ\x00"), sealed(bytes.Clone(flags))...)
	b = append(b, blocks...)
	index := append([]byte{0}, byte(len(unpadded)))
	for _, n := range unpadded {
		index = append(binary.AppendUvarint(index, n), 1)
	}
	index = sealed(append(index, make([]byte, -len(index)&3)...))
	b = append(b, index...)
	foot := append(binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1)), flags...)
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(foot))
	return append(append(b, foot...), "YZ"...)
}

// TestXzIndexPast: in a file of odd length the last block could end behind the
// room that is left, and sizes that add up to 2^64 lead back to the end of the
// file, over and over.
func TestXzIndexPast(t *testing.T) {
	const lap = 1<<62 - 4
	c := &counted{Reader: bytes.NewReader(xzStream(make([]byte, 5), 5, lap, lap, lap, lap-64))}
	if points, size, err := xzPoints(c); err == nil || c.n > 100 {
		t.Errorf("%d points, %d bytes, %d reads, %v", len(points), size, c.n, err)
	}
	if _, _, err := xzPoints(bytes.NewReader(xzStream(make([]byte, 8), 5, 1<<62))); !errors.Is(err, block.ErrCorrupt) {
		t.Errorf("past the blocks: %v", err)
	}
	if points, size, err := xzPoints(bytes.NewReader(xzStream(make([]byte, 16), 5, 7))); err != nil || size != 2 || len(points) != 2 || points[1].in != xz.HeaderLen+8 {
		t.Errorf("%v, %d bytes, %v", points, size, err)
	}
}

// counted counts reads.
type counted struct {
	block.Reader
	n int
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	c.n++
	return c.Reader.ReadAt(p, off)
}

// TestXzPadding: padding is passed over in large pieces, before, between and
// behind streams alike.
func TestXzPadding(t *testing.T) {
	one, err := hex.DecodeString(seeds["xz"])
	if err != nil {
		t.Fatal(err)
	}
	pad := make([]byte, 4<<20)
	for name, b := range map[string][]byte{
		"behind":  append(bytes.Clone(one), pad...),
		"between": append(append(bytes.Clone(one), pad...), one...),
	} {
		c := &counted{Reader: bytes.NewReader(b)}
		points, size, err := xzPoints(c)
		if err != nil || size != 72*int64(len(points)) || c.n > 150 {
			t.Errorf("%s: %d points, %d bytes, %d reads, %v", name, len(points), size, c.n, err)
		}
	}
	for name, b := range map[string][]byte{"zeros": pad, "nothing": nil, "zeros before": append(bytes.Clone(pad), one...)} {
		if _, err := Stated("xz", bytes.NewReader(b)); !errors.Is(err, block.ErrTruncated) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if f, err := Open("xz", bytes.NewReader(append(bytes.Clone(one), 0)), Limits{}); !errors.Is(err, block.ErrCorrupt) {
		t.Errorf("padding of one byte: %v, %v", f, err)
	}
}
