package block_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"testing"
	"testing/iotest"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
)

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i/251)
	}
	return b
}

func TestClip(t *testing.T) {
	for _, c := range []struct {
		n         int
		off, size int64
		want      int
		err       error
	}{
		{4, 0, 10, 4, nil}, {4, 6, 10, 4, nil}, {4, 7, 10, 3, io.EOF}, {4, 10, 10, 0, io.EOF},
		{4, math.MaxInt64, 10, 0, io.EOF}, {0, 99, 10, 0, nil}, {1, 0, 0, 0, io.EOF},
	} {
		got, err := block.Clip(make([]byte, c.n), c.off, c.size)
		if len(got) != c.want || err != c.err {
			t.Errorf("Clip(%d bytes, %d of %d) = %d, %v; want %d, %v", c.n, c.off, c.size, len(got), err, c.want, c.err)
		}
	}
	if _, err := block.Clip(make([]byte, 1), -1, 10); err == nil || err == io.EOF {
		t.Errorf("Clip at -1: %v, want an error", err)
	}
}

// short is a reader whose every call returns at most one byte, as io.ReaderAt
// forbids and broken readers do.
type short struct{ block.Reader }

func (s short) ReadAt(p []byte, off int64) (int, error) {
	if len(p) > 1 {
		p = p[:1]
	}
	return s.Reader.ReadAt(p, off)
}

// stuck returns neither bytes nor an error.
type stuck struct{}

func (stuck) ReadAt([]byte, int64) (int, error) { return 0, nil }

// liar claims more bytes than it was asked for.
type liar struct{}

func (liar) ReadAt(p []byte, _ int64) (int, error) { return len(p) + 1, nil }

func TestReadFull(t *testing.T) {
	data := pattern(100)
	got := make([]byte, 50)
	if err := block.ReadFull(short{bytes.NewReader(data)}, got, 25); err != nil || !bytes.Equal(got, data[25:75]) {
		t.Errorf("ReadFull of a one-byte reader: %v", err)
	}
	if err := block.ReadFull(bytes.NewReader(data), got, 75); !errors.Is(err, block.ErrTruncated) {
		t.Errorf("ReadFull past the end: %v, want ErrTruncated", err)
	}
	if err := block.ReadFull(stuck{}, got, 0); !errors.Is(err, block.ErrTruncated) {
		t.Errorf("ReadFull of a reader that gives 0, nil: %v, want ErrTruncated", err)
	}
	if err := block.ReadFull(liar{}, got, 0); err == nil {
		t.Error("ReadFull believed an impossible count")
	}
}

func TestReadBytes(t *testing.T) {
	r := bytes.NewReader(pattern(100))
	for _, c := range []struct {
		off, n, max int64
		err         error
	}{
		{0, 100, 100, nil}, {100, 0, 0, nil}, {1, 100, 100, block.ErrTruncated}, {0, 101, 100, block.ErrLimit},
		{math.MaxInt64, 1, 1, block.ErrTruncated}, {0, -1, 10, block.ErrCorrupt}, {0, math.MaxInt64, math.MaxInt64, block.ErrTruncated},
	} {
		b, err := block.ReadBytes(r, c.off, c.n, c.max)
		if !errors.Is(err, c.err) || err == nil && int64(len(b)) != c.n {
			t.Errorf("ReadBytes(%d, %d, max %d) = %d bytes, %v; want %v", c.off, c.n, c.max, len(b), err, c.err)
		}
	}
}

func TestPlain(t *testing.T) {
	data := pattern(5000)
	testimg.TestDevice(t, block.Plain(bytes.NewReader(data)), bytes.NewReader(data), 512)
	d := block.Plain(bytes.NewReader(data))
	if block.Plain(d) != d {
		t.Error("Plain wrapped a Device again")
	}
	if err := iotest.TestReader(io.NewSectionReader(d, 0, d.Size()), data); err != nil {
		t.Error(err)
	}
}

func TestErrorText(t *testing.T) {
	err := block.Errorf("qcow2", "L2 table", 0x30000, block.ErrCorrupt, "entry %d is not aligned", 7)
	if got, want := err.Error(), "qcow2: L2 table at offset 0x30000: corrupt: entry 7 is not aligned"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if !errors.Is(err, block.ErrCorrupt) {
		t.Error("the class is lost")
	}
	bare := block.Error{What: "read", Off: 9, Err: block.ErrTruncated}
	located := block.Locate("vhd", "BAT", 512, &bare)
	if got, want := located.Error(), "vhd: BAT at offset 0x200: truncated"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if block.Locate("vhd", "BAT", 512, err) != error(err) {
		t.Error("Locate replaced a place that was known")
	}
	if block.Locate("vhd", "BAT", 512, nil) != nil {
		t.Error("Locate made an error of nil")
	}
}
