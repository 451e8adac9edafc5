package wrapped

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"math"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/guestkit/guestkit/block"
)

// TestRatio refuses a bomb, and not a disk with much room on it.
func TestRatio(t *testing.T) {
	const size = 64 << 20
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	sparse := make([]byte, size)
	copy(sparse[size/2:], disk(8<<10))
	bomb := bytes.Repeat([]byte("bomb"), size/4)
	for name, c := range map[string]struct {
		data  []byte
		ratio int64 // 0 is the default
		free  int64
		want  error
	}{
		"bomb":              {bomb, 0, 1 << 20, block.ErrLimit},
		"bomb, small":       {bomb, 0, size, nil},
		"bomb, allowed":     {bomb, size, 0, nil},
		"much room":         {sparse, 0, 0, nil},
		"noise":             {disk(1 << 20), 0, 0, nil},
		"noise, none taken": {disk(1 << 20), 1, 0, block.ErrLimit},
	} {
		packed := e.EncodeAll(c.data, nil)
		if name == "much room" && len(c.data)/len(packed) < 1000 {
			t.Errorf("%s: packed to %d bytes only", name, len(packed))
		}
		z, err := NewReader("zst", bytes.NewReader(packed), Limits{Ratio: c.ratio})
		if err != nil {
			t.Fatal(err)
		}
		z.free = c.free
		if n, err := io.Copy(io.Discard, z); !errors.Is(err, c.want) || err == nil && n != int64(len(c.data)) {
			t.Errorf("%s, %d bytes packed to %d: %d bytes come out, %v; want %v", name, len(c.data), len(packed), n, err, c.want)
		}
	}
}

// TestZeros bounds zeros too, which take time.
func TestZeros(t *testing.T) {
	var packed bytes.Buffer
	e, err := zstd.NewWriter(&packed)
	if err != nil {
		t.Fatal(err)
	}
	const size = 8 << 20
	e.Write(make([]byte, size))
	e.Close()
	for _, c := range []struct {
		ratio, free int64
		want        error
	}{
		{1, size, nil},
		{1, 0, block.ErrLimit},
		{1, size / 2, block.ErrLimit},
		{size, 0, nil},
	} {
		z, err := NewReader("zst", bytes.NewReader(packed.Bytes()), Limits{Ratio: c.ratio})
		if err != nil {
			t.Fatal(err)
		}
		z.zeros = c.free
		if n, err := io.Copy(io.Discard, z); !errors.Is(err, c.want) || err == nil && n != size {
			t.Errorf("ratio %d, %d are free: %d bytes, %v; want %v", c.ratio, c.free, n, err, c.want)
		}
	}
}

// TestRatioInPlaces has a reader start behind most of the file, whose size
// counts all the same.
func TestRatioInPlaces(t *testing.T) {
	const size = 4 << 20
	var packed bytes.Buffer
	for _, part := range [][]byte{disk(1 << 20), bytes.Repeat([]byte("same"), size/4)} { // two members
		w := gzip.NewWriter(&packed)
		w.Write(part)
		w.Close()
	}
	f, err := Open("gz", bytes.NewReader(packed.Bytes()), Limits{Ratio: 100})
	if err != nil {
		t.Fatal(err)
	}
	z, err := f.reader(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	z.free = 0
	if n, err := io.Copy(io.Discard, z); err != nil || n != size || z.start == 0 {
		t.Errorf("%d bytes from %d on, %v", n, z.start, err)
	}
}

// TestPasses does not overflow.
func TestPasses(t *testing.T) {
	for size, want := range map[int64]int64{0: 1 << 30, 1 << 40: 1<<44 + 1<<30, 1 << 59: (1<<63 - 1<<30) / 16 * 16, math.MaxInt64: (1<<63 - 1<<30) / 16 * 16} {
		if got := passes(size); got < want-16 || got < size && size < math.MaxInt64 {
			t.Errorf("passes(%d) = %d, want about %d", size, got, want)
		}
	}
}
