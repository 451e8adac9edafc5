package lzo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/adler32"
	"os"
	"testing"
)

// blocks takes the blocks out of a file that lzop has made. Each has the
// Adler-32 of its bytes.
func blocks(t testing.TB, name string) (out []lzopBlock) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	be := binary.BigEndian
	flags := be.Uint32(b[17:])
	b = b[33:]
	b = b[1+int(b[0])+4:] // the name, and the checksum of the header
	for be.Uint32(b) != 0 {
		x := lzopBlock{size: int(be.Uint32(b)), sum: be.Uint32(b[8:])}
		n := int(be.Uint32(b[4:]))
		b = b[12:]
		if flags&2 != 0 && n < x.size {
			b = b[4:]
		}
		x.data = b[:n]
		out = append(out, x)
		b = b[n:]
	}
	return out
}

type lzopBlock struct {
	data []byte
	size int
	sum  uint32
}

// TestDecode reads what lzop has made, and what the format's description says of
// the shortest streams.
func TestDecode(t *testing.T) {
	all := blocks(t, "testdata/mixed.lzo")
	if len(all) == 0 {
		t.Fatal("no blocks")
	}
	for _, x := range all {
		dst := make([]byte, x.size)
		n, err := Decode(dst, x.data)
		if err != nil || n != x.size || adler32.Checksum(dst) != x.sum {
			t.Errorf("%d bytes of %d, %v", n, x.size, err)
		}
		if _, err := Decode(dst[:x.size-1], x.data); !errors.Is(err, ErrSpace) {
			t.Errorf("into too little: %v", err)
		}
		for _, cut := range []int{0, 1, 2, len(x.data) / 2, len(x.data) - 1} {
			if _, err := Decode(dst, x.data[:cut]); !errors.Is(err, ErrCorrupt) {
				t.Errorf("cut to %d bytes: %v", cut, err)
			}
		}
		if _, err := Decode(dst, append(bytes.Clone(x.data), 0)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("with a byte behind the end: %v", err)
		}
	}
	for text, in := range map[string]string{"": "\x11\x00\x00", "a": "\x12a\x11\x00\x00", "abcd": "\x15abcd\x11\x00\x00", "aaaaaaaaaa": "\x12a\x27\x00\x00\x11\x00\x00"} {
		dst := make([]byte, 100)
		if n, err := Decode(dst, []byte(in)); err != nil || string(dst[:n]) != text {
			t.Errorf("%x: %q, %v", in, dst[:n], err)
		}
	}
	for _, in := range []string{"\x20\x00\x00\x00", "\x12a\x27\x04\x00\x11\x00\x00", "\x00\x00\x00\x00", "\x10" + string(make([]byte, 9000)) + "\x01"} {
		if _, err := Decode(make([]byte, 100), []byte(in)); err == nil {
			t.Errorf("%.10x gave no error", in)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, x := range blocks(f, "testdata/mixed.lzo") {
		f.Add(x.data, x.size)
	}
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		size = min(max(size, 0), 1<<20)
		dst := make([]byte, size+1)
		dst[size] = 0xA5
		n, err := Decode(dst[:size], in)
		if n < 0 || n > size || err == nil && len(in) < 3 || dst[size] != 0xA5 {
			t.Errorf("%d of %d bytes, %v", n, size, err)
		}
	})
}
