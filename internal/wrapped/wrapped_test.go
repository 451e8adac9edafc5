package wrapped

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// disk is data of several kinds: text, noise, zeros and far repetitions.
func disk(size int) []byte {
	rng := rand.New(rand.NewPCG(7, 8))
	b := make([]byte, 0, size)
	for len(b) < size {
		switch rng.IntN(5) {
		case 0:
			b = append(b, make([]byte, rng.IntN(200<<10))...)
		case 1:
			for range rng.IntN(40 << 10) {
				b = append(b, byte(rng.Uint32()))
			}
		case 2:
			for range rng.IntN(4000) {
				b = append(b, "the quick brown fox jumps over the lazy dog and again "[rng.IntN(40):]...)
			}
		case 3:
			if len(b) > 0 {
				at := rng.IntN(len(b))
				b = append(b, b[at:min(len(b), at+rng.IntN(100<<10))]...)
			}
		case 4:
			b = append(b, bytes.Repeat([]byte{byte(rng.Uint32()), 1, 2}, rng.IntN(3000))...)
		}
	}
	return b[:size]
}

// pack runs a tool over data.
func pack(t testing.TB, data []byte, tool string, args ...string) []byte {
	t.Helper()
	name := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return []byte(peers.Run(t, tool, append(args, name)...))
}

// variants are the ways of the tools to pack data.
func variants(t testing.TB, data []byte) map[string][]byte {
	half := len(data)/2 + 77
	two := func(tool string, args ...string) []byte {
		return append(pack(t, data[:half], tool, args...), pack(t, data[half:], tool, args...)...)
	}
	xz := two("xz", "-c")
	xzHalf := len(pack(t, data[:half], "xz", "-c"))
	padded := append(bytes.Clone(xz[:xzHalf]), make([]byte, 8)...)
	padded = append(append(padded, xz[xzHalf:]...), make([]byte, 4)...)
	skippable := append([]byte{0x53, 0x2a, 0x4d, 0x18, 5, 0, 0, 0, 1, 2, 3, 4, 5}, pack(t, data, "zstd", "-qc")...)
	return map[string][]byte{
		"plain.gz":      pack(t, data, "gzip", "-c"),
		"best.gz":       pack(t, data, "gzip", "-9c"),
		"two.gz":        two("gzip", "-c"),
		"padded.gz":     append(two("gzip", "-c"), make([]byte, 512)...),
		"plain.xz":      pack(t, data, "xz", "-c"),
		"extreme.xz":    pack(t, data, "xz", "-9ec"),
		"lclppb.xz":     pack(t, data, "xz", "-c", "--lzma2=lc=1,lp=3,pb=0,dict=4KiB"),
		"blocks.xz":     pack(t, data, "xz", "-c", "--block-size=100000"),
		"threads.xz":    pack(t, data, "xz", "-T2", "-c", "--block-size=256KiB"),
		"sha256.xz":     pack(t, data, "xz", "-c", "--check=sha256"),
		"crc32.xz":      pack(t, data, "xz", "-c", "--check=crc32"),
		"none.xz":       pack(t, data, "xz", "-c", "--check=none"),
		"two.xz":        xz,
		"padded.xz":     padded,
		"plain.zst":     pack(t, data, "zstd", "-qc"),
		"best.zst":      pack(t, data, "zstd", "-q", "-12", "--long=27", "-c"),
		"nosize.zst":    pack(t, data, "zstd", "-q", "--no-content-size", "-c"),
		"nocheck.zst":   pack(t, data, "zstd", "-q", "--no-check", "-c"),
		"two.zst":       two("zstd", "-qc"),
		"skippable.zst": skippable,
		"plain.bz2":     pack(t, data, "bzip2", "-c"),
		"small.bz2":     pack(t, data, "bzip2", "-1c"),
		"two.bz2":       two("bzip2", "-c"),
	}
}

func formatOf(name string) string { return strings.TrimPrefix(filepath.Ext(name), ".") }

// TestTools reads what the tools write, forward and at any offset.
func TestTools(t *testing.T) {
	data := disk(700<<10 + 123)
	for name, packed := range variants(t, data) {
		t.Run(name, func(t *testing.T) {
			z, err := NewReader(formatOf(name), bytes.NewReader(packed), Limits{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(z)
			if err != nil || !bytes.Equal(got, data) {
				t.Fatalf("forward: %d bytes, %v", len(got), err)
			}
			f, err := Open(formatOf(name), bytes.NewReader(packed), Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if f.Size() != int64(len(data)) {
				t.Fatalf("Size = %d, want %d", f.Size(), len(data))
			}
			testimg.TestDevice(t, block.Plain(f), bytes.NewReader(data), pageSize)
			if strings.HasPrefix(name, "two.") && name != "two.bz2" && name != "two.zst" && len(f.points) != 2 {
				t.Errorf("there are %d points", len(f.points))
			}
		})
	}
	for _, name := range Formats() {
		tool := map[string]string{"gz": "gzip", "xz": "xz", "zst": "zstd", "bz2": "bzip2", "lzo": "lzop"}[name]
		z, _ := NewReader(name, bytes.NewReader(pack(t, nil, tool, "-c")), Limits{})
		if got, err := io.ReadAll(z); err != nil || len(got) != 0 {
			t.Errorf("an empty %s: %d bytes, %v", name, len(got), err)
		}
	}
}

// TestDamage: what is cut off or changed is an error of the right class, never
// fewer or other bytes.
func TestDamage(t *testing.T) {
	data := disk(50 << 10)
	for name, packed := range variants(t, data) {
		if strings.HasPrefix(name, "padded") || strings.HasPrefix(name, "two") || name == "extreme.xz" || name == "best.gz" {
			continue // where units end a file may end
		}
		read := func(b []byte) ([]byte, error) {
			z, err := NewReader(formatOf(name), bytes.NewReader(b), Limits{})
			if err != nil {
				t.Fatal(err)
			}
			return io.ReadAll(z)
		}
		rng := rand.New(rand.NewPCG(1, uint64(len(packed))))
		for range 8 {
			n := rng.IntN(len(packed)-1) + 1
			got, err := read(packed[:n])
			if !errors.Is(err, block.ErrTruncated) && !(formatOf(name) == "xz" && errors.Is(err, block.ErrCorrupt)) {
				t.Errorf("%s cut to %d of %d bytes: %d bytes, %v", name, n, len(packed), len(got), err)
			}
			var e *block.Error
			if !errors.As(err, &e) || e.Off < 0 || e.Off > int64(n) {
				t.Errorf("%s cut to %d: no place in %v", name, n, err)
			}
		}
		for range 16 {
			b := bytes.Clone(packed)
			at := rng.IntN(len(b))
			b[at] ^= 1 << rng.IntN(8)
			got, err := read(b)
			if err == nil && !bytes.Equal(got, data) && !strings.HasPrefix(name, "nocheck") && !strings.HasPrefix(name, "none") {
				t.Errorf("%s, byte %d of %d changed: other bytes, and no error", name, at, len(packed))
			}
		}
		if _, err := read(append(bytes.Clone(packed), "garbage"...)); err == nil {
			t.Errorf("%s with garbage behind it: no error", name)
		}
	}
}

var errBroken = errors.New("broken")

// broken cannot be read up to its end.
type broken struct {
	block.Reader
	end int64
}

func (b broken) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > b.end {
		return 0, errBroken
	}
	return b.Reader.ReadAt(p, off)
}

// TestUnreadable: a file that cannot be read is not called damaged.
func TestUnreadable(t *testing.T) {
	for format, s := range seeds {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, end := range []int64{0, 20, int64(len(b)) - 13} {
			if _, err := Open(format, broken{bytes.NewReader(b), end}, Limits{}); !errors.Is(err, errBroken) || errors.Is(err, block.ErrCorrupt) {
				t.Errorf("%s, %d bytes: %v", format, end, err)
			}
		}
	}
}
