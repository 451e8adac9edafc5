package secondopinion

import (
	"bytes"
	"os"
	"testing"

	"github.com/anchore/go-lzo"
	"github.com/pierrec/lz4/v4"

	ourlz4 "github.com/guestkit/guestkit/internal/lz4"
	ourlzo "github.com/guestkit/guestkit/internal/lzo"
)

// FuzzLZ4 decodes whatever the fuzzer makes with pierrec/lz4 and with ours, and
// what pierrec/lz4 compresses.
func FuzzLZ4(f *testing.F) {
	seed(f, "../internal/lz4/testdata/mixed.lz4", 15+4)
	f.Fuzz(func(t *testing.T, in []byte, size uint16) {
		theirs, ours := make([]byte, size), make([]byte, size)
		n, err := lz4.UncompressBlock(in, theirs)
		m, used, err2 := ourlz4.Decode(ours, in)
		// Theirs fails where dst is full before the end; ours says how far it came.
		if err == nil && (err2 != nil || used != len(in) || n != m || !bytes.Equal(theirs[:n], ours[:m])) {
			t.Fatalf("theirs %d, %v; ours %d, %d of %d used, %v", n, err, m, used, len(in), err2)
		}
		packed := make([]byte, lz4.CompressBlockBound(len(in)))
		if n, err = lz4.CompressBlock(in, packed, nil); err != nil || n == 0 {
			return
		}
		back := make([]byte, len(in))
		if m, _, err := ourlz4.Decode(back, packed[:n]); err != nil || m != len(in) || !bytes.Equal(back, in) {
			t.Fatalf("%d bytes come back as %d, %v", len(in), m, err)
		}
	})
}

// FuzzLZO does the same with anchore/go-lzo, which only decodes.
func FuzzLZO(f *testing.F) {
	seed(f, "../internal/lzo/testdata/mixed.lzo", 60)
	f.Fuzz(func(t *testing.T, in []byte, size uint16) {
		theirs, ours := make([]byte, size), make([]byte, size)
		n, err := decompress(in, theirs)
		m, err2 := ourlzo.Decode(ours, in)
		if err == nil && err2 == nil && (n != m || !bytes.Equal(theirs[:n], ours[:m])) {
			t.Fatalf("theirs %d, %v; ours %d, %v", n, err, m, err2)
		}
	})
}

func seed(f *testing.F, name string, skip int) {
	b, err := os.ReadFile(name)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b[skip:min(len(b), 60000)], uint16(65535))
	f.Add([]byte("\x15abcd\x11\x00\x00"), uint16(4))
	f.Add([]byte("\x1fa\x01\x00\x00\x00"), uint16(20))
}

func decompress(in, out []byte) (n int, err error) {
	defer func() {
		if x := recover(); x != nil {
			err = os.ErrInvalid
		}
	}()
	return lzo.Decompress(in, out)
}
