package lzx

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// chunks are what wimlib makes of text and of a program; the content of each
// lies beside it.
func chunks(t testing.TB) map[string][2][]byte {
	names, err := filepath.Glob("testdata/*.chunk")
	if err != nil || len(names) == 0 {
		t.Fatal("no chunks: ", err)
	}
	out := map[string][2][]byte{}
	for _, name := range names {
		in, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(strings.TrimSuffix(name, ".chunk") + ".content")
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(name)] = [2][]byte{in, want}
	}
	return out
}

func TestDecode(t *testing.T) {
	var d Decoder // one for all: nothing is left over from a chunk before
	for name, c := range chunks(t) {
		in, want := c[0], c[1]
		out := make([]byte, len(want))
		if err := d.Decode(out, in); err != nil || !bytes.Equal(out, want) {
			t.Errorf("%s: wrong content, %v", name, err)
		}
		for _, n := range []int{0, 1, 100, len(in) / 2, len(in) - 16} {
			if err := d.Decode(out, in[:n]); err != ErrCorrupt {
				t.Errorf("%s cut to %d bytes: %v", name, n, err)
			}
		}
	}
}

// TestOverrun asks for one byte less than a match gives.
func TestOverrun(t *testing.T) {
	for name, c := range chunks(t) {
		failed := false
		for n := len(c[1]) - 1; n > len(c[1])-200; n-- {
			var d Decoder
			failed = failed || d.Decode(make([]byte, n), c[0]) == ErrCorrupt
		}
		if !failed {
			t.Errorf("%s: no match is cut by any of 200 lengths", name)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for name, c := range chunks(b) {
		b.Run(name, func(b *testing.B) {
			var d Decoder
			out := make([]byte, len(c[1]))
			b.SetBytes(int64(len(out)))
			for b.Loop() {
				if err := d.Decode(out, c[0]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
