package lzx

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func FuzzLZX(f *testing.F) {
	names, err := filepath.Glob("testdata/*.chunk")
	if err != nil || len(names) == 0 {
		f.Fatal("no seeds: ", err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, 4096)
		f.Add(b, 32768)
	}
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		if size < 0 || size > 1<<16 {
			return
		}
		var d Decoder
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
