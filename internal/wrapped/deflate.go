package wrapped

import (
	"hash"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"

	"github.com/guestkit/guestkit/block"
)

// deflated is what an archive says of a member without a header of its own.
type deflated struct {
	size int64
	crc  uint32
}

// OpenDeflate opens a member of a zip archive: r has what Deflate made of size bytes
// with that CRC.
func OpenDeflate(r block.Reader, size int64, crc uint32, l Limits) (*File, error) {
	l = l.WithDefaults()
	l.deflated = &deflated{size, crc}
	if size > l.Size {
		return nil, block.Errorf("zip", "file", -1, block.ErrLimit, "it unpacks to %d bytes, at most %d are allowed", size, l.Size)
	}
	return &File{r: r, format: "zip", l: l, size: size, points: []point{{}}, budget: passes(size)}, nil
}

// deflateCodec reads one stream.
type deflateCodec struct {
	deflated
	opened bool
}

func (c *deflateCodec) at(in, out int64) point { return point{in: in, out: out} }

func (c *deflateCodec) open(in *input) (io.Reader, error) {
	if c.opened {
		return nil, io.EOF
	}
	c.opened = true
	return &deflateData{flate.NewReader(in.Reader), crc32.NewIEEE(), c.crc}, nil
}

// deflateData verifies the checksum at the end.
type deflateData struct {
	io.Reader
	sum  hash.Hash32
	want uint32
}

func (d *deflateData) Read(p []byte) (int, error) {
	n, err := d.Reader.Read(p)
	d.sum.Write(p[:n])
	if err == io.EOF && d.sum.Sum32() != d.want {
		err = block.Errorf("zip", "data", -1, block.ErrCorrupt, "its checksum is %#08x, and the archive says %#08x", d.sum.Sum32(), d.want)
	}
	return n, err
}
