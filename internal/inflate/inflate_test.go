package inflate

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/adler32"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	fast "github.com/klauspost/compress/flate"

	"github.com/guestkit/guestkit/internal/deflate"
)

// samples are bytes of several kinds: text, a program, noise, zeros, and
// repetitions of every short distance.
func samples(tb testing.TB) map[string][]byte {
	exe, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	program, err := os.ReadFile(exe)
	if err != nil {
		tb.Fatal(err)
	}
	text, err := os.ReadFile("inflate.go")
	if err != nil {
		tb.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 1<<20)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	var cycles []byte
	for d := 1; d <= 70; d++ {
		for range 1 + rng.IntN(1200) {
			cycles = append(cycles, noise[:d]...)
			if rng.IntN(20) == 0 {
				cycles = append(cycles, byte(d))
			}
		}
	}
	return map[string][]byte{
		"text": bytes.Repeat(text, 1+(1<<20)/len(text))[:1<<20], "program": program[len(program)/4:][:1<<20],
		"noise": noise, "zeros": make([]byte, 1<<20), "cycles": cycles[:min(len(cycles), 1<<20)],
		"few": bytes.Map(func(r rune) rune { return 'a' + r&1 }, bytes.Repeat([]byte("abbabaabbaababba"), 1<<16)),
	}
}

// TestEncoders inflates what three encoders make of every kind of bytes, into
// just enough room, too much and too little.
func TestEncoders(t *testing.T) {
	var d Decoder
	check := func(name string, plain, packed []byte) {
		t.Helper()
		dst := make([]byte, len(plain)+300)
		n, used, err := d.Raw(dst, packed)
		if err != nil || used != len(packed) || !bytes.Equal(dst[:n], plain) {
			t.Fatalf("%s: %d bytes of %d, %d used of %d: %v", name, n, len(plain), used, len(packed), err)
		}
		exact := make([]byte, len(plain))
		if n, _, err := d.Raw(exact, append(packed, 0xFF, 0xFF, 0xFF)); err != nil || n != len(plain) || !bytes.Equal(exact, plain) {
			t.Fatalf("%s, exact room: %d, %v", name, n, err)
		}
		for _, less := range []int{1, 2, 300} {
			if len(plain) < less {
				continue
			}
			short := make([]byte, len(plain)-less)
			if n, _, err := d.Raw(short, packed); err != ErrSpace || n != len(short) || !bytes.Equal(short, plain[:n]) {
				t.Fatalf("%s, %d bytes less: %d, %v", name, less, n, err)
			}
		}
		for _, cut := range []int{0, 1, len(packed) / 3, len(packed) / 2, len(packed) - 1} {
			n, _, err := d.Raw(dst, packed[:cut])
			if !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.Equal(dst[:n], plain[:n]) {
				t.Fatalf("%s, cut at %d of %d: %d, %v", name, cut, len(packed), n, err)
			}
		}
	}
	for kind, all := range samples(t) {
		for _, size := range []int{0, 1, 2, 3, 257, 258, 259, 1 << 10, 4 << 10, 64 << 10, 1 << 20} {
			plain := all[:min(size, len(all))]
			for level := flate.HuffmanOnly; level <= flate.BestCompression; level++ {
				if size > 64<<10 && level != 1 && level != 6 {
					continue
				}
				var w bytes.Buffer
				z, err := flate.NewWriter(&w, level)
				if err != nil {
					t.Fatal(err)
				}
				z.Write(plain)
				z.Close()
				check(fmt.Sprintf("%s, %d bytes, compress/flate at level %d", kind, size, level), plain, w.Bytes())
			}
			var w bytes.Buffer
			z, _ := fast.NewWriter(&w, fast.BestCompression)
			z.Write(plain)
			z.Close()
			check(fmt.Sprintf("%s, %d bytes, klauspost", kind, size), plain, w.Bytes())
			if size > 0 && size <= 64<<10 {
				e := deflate.NewEncoder(4096, 6)
				check(fmt.Sprintf("%s, %d bytes, ours", kind, size), plain, e.Append(nil, plain))
			}
		}
	}
}

// TestVectors takes streams of zlib's own test of its decoder (test/infcover.c),
// most of them faulty. What is missing is the end-of-block code, which Go's
// decoders do not ask for.
func TestVectors(t *testing.T) {
	for _, v := range []struct {
		stream string
		want   error
	}{
		{"00 00 00 00 00", errStored},
		{"03 00", nil},
		{"06", errType},
		{"01 01 00 fe ff 00", nil},
		{"fc 00 00", errCount},
		{"04 00 fe ff", errLengths},
		{"04 00 24 49 00", errRepeat},
		{"04 00 24 e9 ff ff", errRepeat},
		{"04 80 49 92 24 49 92 24 71 ff ff 93 11 00", errLengths},
		{"04 80 49 92 24 49 92 24 0f b4 ff ff c3 84", errLengths},
		{"04 c0 81 08 00 00 00 00 20 7f eb 0b 00 00", errCode},
		{"02 7e ff ff", errCode},
		{"0c c0 81 00 00 00 00 00 90 ff 6b 04", errDistance},
		{"05 c0 21 0d 00 00 00 80 b0 fe 6d 2f 91 6c", nil},
		{"05 e0 81 91 24 cb b2 2c 49 e2 0f 2e 8b 9a 47 56 9f fb fe ec d2 ff 1f", nil},
		{"ed c0 01 01 00 00 00 40 20 ff 57 1b 42 2c 4f", nil},
		{"ed cf c1 b1 2c 47 10 c4 30 fa 6f 35 1d 01 82 59 3d fb be 2e 2a fc 0f 0c", nil},
		{"ed c0 81 00 00 00 00 80 a0 fd a9 17 a9 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 06", nil},
	} {
		b, err := hex.DecodeString(strings.ReplaceAll(v.stream, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		var d Decoder
		dst := make([]byte, 1<<20)
		n, _, err := d.Raw(dst, b)
		if err != v.want {
			t.Errorf("%s: %v, not %v", v.stream, err, v.want)
		}
		want, werr := io.ReadAll(flate.NewReader(bytes.NewReader(b)))
		if (werr == nil) != (err == nil) || err == nil && !bytes.Equal(dst[:n], want) {
			t.Errorf("%s: %d bytes, %v; compress/flate has %d, %v", v.stream, n, err, len(want), werr)
		}
	}
}

func TestZlib(t *testing.T) {
	plain := samples(t)["text"][:5000]
	var w bytes.Buffer
	z := zlib.NewWriter(&w)
	z.Write(plain)
	z.Close()
	packed := w.Bytes()
	var d Decoder
	dst := make([]byte, 6000)
	n, used, err := d.Zlib(dst, append(packed, 1, 2, 3))
	if err != nil || used != len(packed) || !bytes.Equal(dst[:n], plain) {
		t.Fatal(n, used, err)
	}
	for i := range packed {
		if _, _, err := d.Zlib(dst, packed[:i]); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut at %d: %v", i, err)
		}
	}
	for _, i := range []int{0, 1, len(packed) - 1, len(packed) - 4} {
		b := bytes.Clone(packed)
		b[i] ^= 0x20
		if _, _, err := d.Zlib(dst, b); err == nil {
			t.Errorf("byte %d was changed and nothing said", i)
		}
	}
}

func TestAdler(t *testing.T) {
	s := samples(t)
	for _, b := range [][]byte{s["noise"], s["program"], bytes.Repeat([]byte{0xFF}, 1<<20)} {
		for n := range 700 {
			if got, want := adler(b[:n]), adler32.Checksum(b[:n]); got != want {
				t.Fatalf("%d bytes: %08x, not %08x", n, got, want)
			}
		}
		if got, want := adler(b), adler32.Checksum(b); got != want {
			t.Fatalf("%08x, not %08x", got, want)
		}
	}
}

// FuzzRaw holds every stream against compress/flate: the same bytes, and an
// error where it has one.
func FuzzRaw(f *testing.F) {
	for _, s := range []string{"\x03\x00", "\x01\x01\x00\xfe\xff\x00", "\x0c\xc0\x81\x00\x00\x00\x00\x00\x90\xff\x6b\x04"} {
		f.Add([]byte(s), uint16(0))
	}
	for _, plain := range samples(f) {
		for _, level := range []int{1, 9, flate.HuffmanOnly} {
			var w bytes.Buffer
			z, _ := flate.NewWriter(&w, level)
			z.Write(plain[:3000])
			z.Close()
			f.Add(w.Bytes(), uint16(3000))
		}
	}
	var room [1<<16 + 512]byte
	f.Fuzz(func(t *testing.T, src []byte, size uint16) {
		var d Decoder
		dst := room[: int(size)+256 : int(size)+256]
		n, used, err := d.Raw(dst, src)
		in := bytes.NewReader(src)
		z := flate.NewReader(in)
		want := make([]byte, len(dst)+1)
		m, werr := io.ReadFull(z, want)
		switch {
		case werr == nil: // more than there is room for
			if err != ErrSpace || n != len(dst) {
				t.Fatalf("%d, %v; there are more than %d bytes", n, err, len(dst))
			}
		case werr == io.EOF || werr == io.ErrUnexpectedEOF && over(z):
			if err != nil || n != m || used != len(src)-in.Len() {
				t.Fatalf("%d, %d used, %v; compress/flate has %d, %d used", n, used, err, m, len(src)-in.Len())
			}
		case werr == io.ErrUnexpectedEOF:
			// Cut short: compress/flate stops while there are fewer bits than the
			// shortest code and the end of a block may take, so ours and zlib
			// come further.
			if err == nil {
				t.Fatalf("%d; compress/flate has %d, %v", n, m, werr)
			}
		default:
			if err == nil || err == ErrSpace && m < len(dst) {
				t.Fatalf("%d, %v; compress/flate has %d, %v", n, err, m, werr)
			}
		}
		if k := min(n, m); !bytes.Equal(dst[:k], want[:k]) {
			t.Fatal("other bytes")
		}
	})
}

// over tells the end of a stream from its being cut short.
func over(z io.Reader) bool {
	_, err := z.Read(make([]byte, 1))
	return err == io.EOF
}

func BenchmarkInflate(b *testing.B) {
	for _, kind := range []string{"program", "text", "noise", "zeros"} {
		all := samples(b)[kind]
		for _, size := range []int{1 << 10, 64 << 10, 1 << 20} {
			var w bytes.Buffer
			z, _ := flate.NewWriter(&w, 6)
			z.Write(all[:size])
			z.Close()
			dst := make([]byte, size)
			b.Run(fmt.Sprintf("%s/%d/ours", kind, size), func(b *testing.B) {
				var d Decoder
				b.SetBytes(int64(size))
				for b.Loop() {
					if _, _, err := d.Raw(dst, w.Bytes()); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(fmt.Sprintf("%s/%d/klauspost", kind, size), func(b *testing.B) {
				in := bytes.NewReader(nil)
				z := fast.NewReader(in)
				b.SetBytes(int64(size))
				for b.Loop() {
					in.Reset(w.Bytes())
					z.(fast.Resetter).Reset(in, nil)
					if _, err := io.ReadFull(z, dst); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
