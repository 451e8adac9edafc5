package wrapped

import (
	"io"

	"github.com/klauspost/compress/gzip"
)

// gzipCodec reads members (RFC 1952).
type gzipCodec struct {
	z     *gzip.Reader
	later bool
}

func (c *gzipCodec) at(in, out int64) point { return point{in: in, out: out} }

func (c *gzipCodec) open(in *input) (io.Reader, error) {
	if c.later {
		b, err := in.Peek(1)
		if err != nil {
			return nil, err // io.EOF: the end
		}
		if b[0] == 0 {
			return nil, zerosToEnd(in)
		}
	}
	c.later = true
	var err error
	if c.z == nil {
		c.z, err = gzip.NewReader(in.Reader)
	} else {
		err = c.z.Reset(in.Reader)
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	c.z.Multistream(false)
	return c.z, nil
}
