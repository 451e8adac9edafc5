package lznt1

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

// chunkOf builds a chunk of data.
func chunkOf(compressed bool, data ...byte) []byte {
	h := uint16(len(data)-1) | 3<<12
	if compressed {
		h |= 1 << 15
	}
	return append(binary.LittleEndian.AppendUint16(nil, h), data...)
}

// pair encodes a match after pos bytes of a chunk.
func pair(pos, distance, length int) []byte {
	bits := 12
	for limit := 16; pos > limit; limit *= 2 {
		bits--
	}
	return binary.LittleEndian.AppendUint16(nil, uint16((distance-1)<<bits|(length-3)))
}

// The example of [MS-XCA] 3.3.
func TestExample(t *testing.T) {
	in := []byte{0x38, 0xb0, 0x88, 0x46, 0x23, 0x20, 0x00, 0x20, 0x47, 0x20, 0x41, 0x00, 0x10, 0xa2, 0x47, 0x01, 0xa0, 0x45, 0x20, 0x44, 0x00, 0x08, 0x45, 0x01,
		0x50, 0x79, 0x00, 0xc0, 0x45, 0x20, 0x05, 0x24, 0x13, 0x88, 0x05, 0xb4, 0x02, 0x4a, 0x44, 0xef, 0x03, 0x58, 0x02, 0x8c, 0x09, 0x16, 0x01, 0x48, 0x45, 0x00, 0xbe, 0x00, 0x9e, 0x00, 0x04, 0x01, 0x18, 0x90, 0x00}
	want := "F# F# G A A G F# E D D E F# F# E E F# F# G A A G F# E D D E F# E D D E E F# D E F# G F# D E F# G F# E D E A F# F# G A A G F# E D D E F# E D D\x00"
	out := make([]byte, len(want))
	if err := Decode(out, in); err != nil || string(out) != want {
		t.Errorf("%q, %v", out, err)
	}
}

func TestDecode(t *testing.T) {
	literals := append([]byte{0}, "abcdefgh"...)
	raw := bytes.Repeat([]byte("r"), 4096)
	full := append([]byte{2, 'z'}, pair(1, 1, 4095)...)
	for _, c := range []struct {
		name string
		in   []byte
		size int
		want string // padded with zeros to size
		bad  bool
	}{
		{name: "nothing", size: 10},
		{name: "end", in: []byte{0, 0, 9, 9}, size: 10},
		{name: "literals", in: chunkOf(true, literals...), size: 8192, want: "abcdefgh"},
		{name: "raw", in: chunkOf(false, raw...), size: 4096, want: string(raw)},
		{name: "short raw", in: chunkOf(false, 'a', 'b'), size: 100, want: "ab"},
		{name: "repeat", in: chunkOf(true, append([]byte{4, 'a', 'b'}, pair(2, 2, 6)...)...), size: 8, want: "abababab"},
		{name: "full chunk", in: chunkOf(true, full...), size: 4096, want: strings.Repeat("z", 4096)},
		{name: "two chunks", in: append(chunkOf(true, full...), chunkOf(true, literals...)...), size: 8192, want: strings.Repeat("z", 4096) + "abcdefgh"},
		{name: "slack after a full unit", in: append(chunkOf(true, full...), "slack"...), size: 4096, want: strings.Repeat("z", 4096)},
		{name: "one byte more", in: chunkOf(true, append([]byte{6, 'z'}, append(pair(1, 1, 4095), pair(4096, 1, 3)...)...)...), size: 4096, bad: true},
		{name: "one literal more", in: chunkOf(true, append(append([]byte{2, 'z'}, pair(1, 1, 4095)...), 'x')...), size: 4096, bad: true},
		{name: "match past a short unit", in: chunkOf(true, full...), size: 4095, bad: true},
		{name: "raw past a short unit", in: chunkOf(false, raw...), size: 4095, bad: true},
		{name: "before the chunk", in: append(chunkOf(true, full...), chunkOf(true, append([]byte{2, 'a'}, pair(1, 2, 3)...)...)...), size: 8192, bad: true},
		{name: "cut chunk", in: chunkOf(true, literals...)[:6], size: 4096, bad: true},
		{name: "half a pair", in: chunkOf(true, 2, 'a', 0), size: 4096, bad: true},
		{name: "signature", in: []byte{0x01, 0x80, 'a', 'b'}, size: 4096, bad: true},
	} {
		out := bytes.Repeat([]byte{0xA5}, c.size)
		err := Decode(out, c.in)
		if c.bad {
			if err != ErrCorrupt {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		want := append([]byte(c.want), make([]byte, c.size-len(c.want))...)
		if err != nil || !bytes.Equal(out, want) {
			t.Errorf("%s: %.20q, %v", c.name, out, err)
		}
	}
}

func FuzzLZNT1(f *testing.F) {
	f.Add(chunkOf(true, append([]byte{0}, "abcdefgh"...)...), 4096)
	f.Add(append(chunkOf(true, append([]byte{2, 'z'}, pair(1, 1, 4095)...)...), chunkOf(false, 1, 2, 3)...), 65536)
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		if size < 0 || size > 1<<17 {
			return
		}
		buf := bytes.Repeat([]byte{0xA5}, size+16)
		again := bytes.Repeat([]byte{0x5A}, size)
		err := Decode(buf[:size:size], in)
		if err2 := Decode(again, in); err2 != err || err == nil && !bytes.Equal(again, buf[:size]) {
			t.Fatal("what is decoded depends on what was there")
		}
		for _, c := range buf[size:] {
			if c != 0xA5 {
				t.Fatal("written past the end")
			}
		}
	})
}

// encode is a simple encoder: the last place with the same three bytes.
func encode(src []byte) (out []byte) {
	for len(src) > 0 {
		in := src[:min(chunkSize, len(src))]
		src = src[len(in):]
		last := map[[3]byte]int{}
		var data []byte
		for pos, flagAt, bit := 0, 0, 8; pos < len(in); bit++ {
			if bit == 8 {
				flagAt, bit = len(data), 0
				data = append(data, 0)
			}
			n, from := 0, -1
			if pos+3 <= len(in) {
				key := [3]byte(in[pos:])
				if at, ok := last[key]; ok {
					from = at
				}
				last[key] = pos
			}
			if from >= 0 {
				max := 1<<12 + 2
				for limit := 16; pos > limit; limit *= 2 {
					max = (max-2)/2 + 2
				}
				for n < max && pos+n < len(in) && in[from+n] == in[pos+n] {
					n++
				}
			}
			if n < 3 {
				data = append(data, in[pos])
				pos++
				continue
			}
			data[flagAt] |= 1 << bit
			data = append(data, pair(pos, pos-from, n)...)
			pos += n
		}
		if len(data) < chunkSize {
			out = append(out, chunkOf(true, data...)...)
		} else {
			out = append(out, chunkOf(false, in...)...)
		}
	}
	return out
}

// text makes bytes that compress.
func text(n int) []byte {
	var b []byte
	for i := 0; len(b) < n; i++ {
		b = append(b, "line "+strings.Repeat("=", i*i%41)+" of text, number "+string(rune('a'+i*7%26))+"\n"...)
	}
	return b[:n]
}

func TestRoundTrip(t *testing.T) {
	for _, n := range []int{1, 2, 3, 16, 17, 4095, 4096, 4097, 65535, 65536} {
		want := text(n)
		out := make([]byte, n)
		if err := Decode(out, encode(want)); err != nil || !bytes.Equal(out, want) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	want := text(65536)
	in := encode(want)
	out := make([]byte, len(want))
	b.SetBytes(int64(len(want)))
	for b.Loop() {
		if err := Decode(out, in); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(want))/float64(len(in)), "ratio")
}
