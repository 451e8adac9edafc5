// Package chunktest tests the decoders of the chunks that NTFS keeps of a file that
// is compressed as in a WIM: what wimlib made of text and of a program lies in the
// testdata of each.
package chunktest

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A Decoder decodes chunks, one after the other.
type Decoder interface{ Decode(out, in []byte) error }

// chunks are pairs of a chunk and its content, by the chunk's name.
func chunks(t testing.TB) map[string][2][]byte {
	t.Helper()
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

// Run decodes all chunks, whole and cut: that is an error, and so is a match that
// gives more than is asked for.
func Run[D Decoder](t *testing.T, decoder func() D, corrupt error) {
	d := decoder() // one for all: nothing is left over from a chunk before
	for name, c := range chunks(t) {
		in, want := c[0], c[1]
		out := make([]byte, len(want))
		if err := d.Decode(out, in); err != nil || !bytes.Equal(out, want) {
			t.Errorf("%s: wrong content, %v", name, err)
		}
		for _, n := range []int{0, 1, 100, len(in) / 2, len(in) - 16} {
			if err := d.Decode(out, in[:n]); err != corrupt {
				t.Errorf("%s cut to %d bytes: %v", name, n, err)
			}
		}
		failed := false
		for n := len(want) - 1; n > len(want)-200; n-- {
			failed = failed || decoder().Decode(make([]byte, n), in) == corrupt
		}
		if !failed {
			t.Errorf("%s: no match is cut by any of 200 lengths", name)
		}
	}
}

// Bench measures how fast chunks are decoded.
func Bench[D Decoder](b *testing.B, d D) {
	for name, c := range chunks(b) {
		b.Run(name, func(b *testing.B) {
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

// Fuzz decodes anything into any size.
func Fuzz[D Decoder](f *testing.F, decoder func() D) {
	for _, c := range chunks(f) {
		f.Add(c[0], 4096)
		f.Add(c[0], 32768)
	}
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		if size < 0 || size > 1<<16 {
			return
		}
		d := decoder()
		a, b := bytes.Repeat([]byte{0xA5}, size+16), bytes.Repeat([]byte{0x5A}, size)
		err := d.Decode(a[:size:size], in)
		if err2 := d.Decode(b, in); err2 != err || err == nil && !bytes.Equal(b, a[:size]) {
			t.Fatal("what is decoded depends on what was there")
		}
		for _, c := range a[size:] {
			if c != 0xA5 {
				t.Fatal("written past the end")
			}
		}
	})
}
