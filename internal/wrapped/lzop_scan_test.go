package wrapped

import (
	"bytes"
	"encoding/hex"
	"testing"
)

type countingReader struct {
	*bytes.Reader
	n int64
}

func (c *countingReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.Reader.ReadAt(p, off)
	c.n += int64(n)
	return n, err
}

// TestLzopMembers has many members of nothing: finding the size reads the file about
// once, and not a buffer for each of them.
func TestLzopMembers(t *testing.T) {
	seed, err := hex.DecodeString(seeds["lzo"])
	if err != nil {
		t.Fatal(err)
	}
	header := seed[:38] // and no block
	r := &countingReader{Reader: bytes.NewReader(bytes.Repeat(append(header[:len(header):len(header)], 0, 0, 0, 0), 10000))}
	_, size, err := lzopPoints(r)
	if err != nil || size != 0 {
		t.Fatal(size, err)
	}
	if r.n > 32*r.Size() {
		t.Errorf("%d bytes are read of a file of %d", r.n, r.Size())
	}
}
