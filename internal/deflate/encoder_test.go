package deflate

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
)

func inflate(t testing.TB, enc []byte) []byte {
	t.Helper()
	r := flate.NewReader(bytes.NewReader(enc))
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("inflate: %v", err)
	}
	return out
}

// samples are blocks of different character.
func samples() map[string][]byte {
	rng := rand.New(rand.NewPCG(1, 1))
	random := make([]byte, 1<<16)
	for i := range random {
		random[i] = byte(rng.Uint32())
	}
	text := bytes.Repeat([]byte("the quick brown fox jumps over the lazy dog. "), 3000)
	skew := make([]byte, 1<<16)
	for i := range skew { // Fibonacci-like counts want codes longer than 15 bits
		for v := 0; v < 40; v++ {
			if rng.IntN(2) == 0 {
				skew[i] = byte(v)
				break
			}
		}
	}
	mixed := append(append(bytes.Clone(text[:20000]), random[:20000]...), make([]byte, 30000)...)
	far := append(append(bytes.Clone(random[:5000]), random[10000:14200]...), random[:5000]...)
	return map[string][]byte{
		"empty": nil, "one": {7}, "three": {1, 1, 1}, "random": random, "text": text, "zeros": make([]byte, 1<<16),
		"skewed": skew, "mixed": mixed, "far": far, "2MiB": bytes.Repeat(mixed, 30)[:2<<20],
	}
}

func TestRoundTrip(t *testing.T) {
	for level := MinLevel; level <= MaxLevel; level++ {
		for _, window := range []int{256, 4096, 32768} {
			e := NewEncoder(window, level)
			for name, src := range samples() {
				enc := e.Append([]byte("prefix"), src)
				if !bytes.HasPrefix(enc, []byte("prefix")) {
					t.Fatalf("%s: dst was overwritten", name)
				}
				if got := inflate(t, enc[6:]); !bytes.Equal(got, src) {
					t.Fatalf("%s, level %d, window %d: does not come back", name, level, window)
				}
				if max := len(src) + len(src)/1000 + 64; len(enc) > max {
					t.Errorf("%s, level %d: %d bytes became %d", name, level, len(src), len(enc))
				}
			}
		}
	}
}

func TestZlib(t *testing.T) {
	for _, window := range []int{256, 4096, 32768} {
		src := samples()["mixed"]
		r, err := zlib.NewReader(bytes.NewReader(NewEncoder(window, 0).AppendZlib(nil, src)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, src) {
			t.Fatalf("window %d: does not come back: %v", window, err)
		}
	}
}

// TestLengths makes codes from counts of every shape, and checks that they are
// complete and short enough.
func TestLengths(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	var c coder
	for range 20000 {
		limit := 7 + 8*rng.IntN(2)
		counts := make([]uint32, 2+rng.IntN(18))
		if limit == 15 {
			counts = make([]uint32, 2+rng.IntN(maxLitLen-1))
		}
		for i := range counts {
			if rng.IntN(4) > 0 {
				counts[i] = 1 << rng.IntN(22) >> rng.IntN(22)
			}
		}
		lens := make([]uint8, len(counts))
		c.lengths(lens, counts, limit)
		sum := 0
		for i, l := range lens {
			if l > 0 {
				sum += 1 << (limit - int(l))
			}
			if int(l) > limit || counts[i] > 0 && l == 0 {
				t.Fatalf("counts %v, limit %d: lengths %v", counts, limit, lens)
			}
		}
		if sum != 1<<limit {
			t.Fatalf("counts %v, limit %d: lengths %v do not make a complete code", counts, limit, lens)
		}
	}
}

// TestWindow repeats random bytes at the distance of the window, where they
// must match, and one byte further, where they must not.
func TestWindow(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for _, window := range []int{256, 1024, 4096, 32768} {
		for level := MinLevel; level <= MaxLevel; level++ {
			once := make([]byte, window+1)
			for i := range once {
				once[i] = byte(rng.Uint32())
			}
			e := NewEncoder(window, level)
			if n := len(e.Append(nil, bytes.Repeat(once[:window], 2))); n > window+window/3 {
				t.Errorf("window %d, level %d: a repeat at the window's distance is not found (%d bytes)", window, level, n)
			}
			if n := len(e.Append(nil, bytes.Repeat(once, 2))); n < 2*window {
				t.Errorf("window %d, level %d: a match reaches past the window (%d bytes)", window, level, n)
			}
		}
	}
}

// TestZlibWindow lets zlib inflate with a 4 KiB window and little output at a
// time, so that every match has to lie in its window.
func TestZlibWindow(t *testing.T) {
	dir := t.TempDir()
	var names, want []string
	add := func(enc []byte, sum string) {
		name := fmt.Sprintf("%s/%d", dir, len(names))
		if err := os.WriteFile(name, enc, 0o600); err != nil {
			t.Fatal(err)
		}
		names, want = append(names, name), append(want, sum)
	}
	for _, src := range samples() {
		for _, level := range []int{MinLevel, DefaultLevel, MaxLevel} {
			add(NewEncoder(4096, level).Append(nil, src), fmt.Sprintf("%x", sha256.Sum256(src)))
		}
	}
	add(NewEncoder(32768, 0).Append(nil, samples()["far"]), "refused") // the judge works
	out := peers.Run(t, "python3", append([]string{"-c", `
import sys, zlib, hashlib
def judge(name):
    d = zlib.decompressobj(wbits=-12); out = hashlib.sha256(); f = open(name, "rb")
    try:
        while not d.eof:
            part = f.read(512)
            got = d.decompress(part, 997)
            if not part and not got: return "short"
            out.update(got)
            while d.unconsumed_tail: out.update(d.decompress(d.unconsumed_tail, 997))
    except zlib.error: return "refused"
    return out.hexdigest()
for name in sys.argv[1:]: print(judge(name))`}, names...)...)
	for i, got := range strings.Fields(out) {
		if got != want[i] {
			t.Errorf("stream %d: zlib with a 4 KiB window says %s, want %s", i, got, want[i])
		}
	}
}

func FuzzRoundTrip(f *testing.F) {
	for _, s := range samples() {
		f.Add(s[:min(len(s), 1<<14)], uint8(6), uint8(12))
	}
	f.Fuzz(func(t *testing.T, src []byte, level, window uint8) {
		e := NewEncoder(1<<(window%16), int(level%10))
		for range 2 { // the second has the tables of the first
			if got := inflate(t, e.Append(nil, src)); !bytes.Equal(got, src) {
				t.Fatal("does not come back")
			}
			src = bytes.Repeat(src, 2)
		}
	})
}

func BenchmarkFile(b *testing.B) {
	name := os.Getenv("DEFLATE_FILE")
	if name == "" {
		b.Skip("DEFLATE_FILE is not set")
	}
	data, err := os.ReadFile(name)
	if err != nil {
		b.Fatal(err)
	}
	for level := MinLevel; level <= MaxLevel; level++ {
		b.Run(string(rune('0'+level)), func(b *testing.B) {
			e := NewEncoder(4096, level)
			b.SetBytes(int64(len(data)))
			var out int
			buf := make([]byte, 0, 1<<17)
			for b.Loop() {
				out = 0
				for i := 0; i < len(data); i += 1 << 16 {
					buf = e.Append(buf[:0], data[i:min(len(data), i+1<<16)])
					out += min(len(buf), 1<<16)
				}
			}
			b.ReportMetric(float64(out), "bytes")
		})
	}
}
