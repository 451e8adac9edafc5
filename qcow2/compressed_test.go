package qcow2_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/qcow2"
)

func zstdFrame(t testing.TB, b []byte, opts ...zstd.EOption) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return z.EncodeAll(b, nil)
}

// text is n bytes of words in random order, which compress to a third or so.
func text(n int) []byte {
	words := []string{"cluster ", "refcount ", "snapshot ", "header\n", "table ", "entry ", "offset ", "of the ", "in a ", "guest "}
	rng := rand.New(rand.NewPCG(7, 7))
	var b []byte
	for len(b) < n {
		b = append(b, words[rng.IntN(len(words))]...)
	}
	return b[:n]
}

// TestZstdStreams reads clusters as QEMU writes them, and as it might: several
// frames, with and without padding behind them, and bytes of other clusters.
func TestZstdStreams(t *testing.T) {
	base := fixture(t, "base.qcow2")
	want := text(65536)
	windowed := func(size int) []byte { // a frame that asks for a window of that size
		var b bytes.Buffer
		z, err := zstd.NewWriter(&b, zstd.WithWindowSize(size), zstd.WithEncoderLevel(zstd.SpeedFastest))
		if err != nil {
			t.Fatal(err)
		}
		z.Write(want[:40000]) // two writes: the size is not in the header, nor is it a single segment
		z.Flush()
		z.Write(want[40000:])
		z.Close()
		return b.Bytes()
	}
	junk := bytes.Repeat([]byte{0xa5}, 300)
	for _, c := range []struct {
		name   string
		stream []byte
		class  error
	}{
		{"one frame", zstdFrame(t, want), nil},
		{"one frame with a checksum", zstdFrame(t, want, zstd.WithEncoderCRC(true)), nil},
		{"a frame and junk", append(zstdFrame(t, want), junk...), nil},
		{"two frames and zeros", append(append(zstdFrame(t, want[:30000]), zstdFrame(t, want[30000:])...), make([]byte, 300)...), nil},
		{"a skippable frame between two", append(append(zstdFrame(t, want[:30000]), "\x50\x2a\x4d\x18\x03\x00\x00\x00abc"...), zstdFrame(t, want[30000:])...), nil},
		{"longer than the cluster", zstdFrame(t, append(bytes.Clone(want), want...)), nil},
		{"a window of 8 MiB", windowed(8 << 20), nil},
		{"a window of 16 MiB", windowed(16 << 20), block.ErrCorrupt},
		{"too short", zstdFrame(t, want[:65535]), block.ErrCorrupt},
		{"too short, and junk", append(zstdFrame(t, want[:65535]), junk...), block.ErrCorrupt},
		{"no frame", junk, block.ErrCorrupt},
		{"nothing", make([]byte, 512), block.ErrCorrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			sectors := (len(c.stream) + 511) / 512
			b := apply(base, []poke{{72, u64(8)}, {104, []byte{1}}, {l2At, compressedEntry(dataAt, uint64(sectors))}, {dataAt, c.stream}})
			checkCluster(t, b, want, c.class)
		})
	}
}

// TestDeflateStreams does the same for zlib.
func TestDeflateStreams(t *testing.T) {
	base := fixture(t, "base.qcow2")
	want := text(65536)
	stream := func(b []byte) []byte {
		var out bytes.Buffer
		z, _ := flate.NewWriter(&out, 6)
		z.Write(b)
		z.Close()
		return out.Bytes()
	}
	for _, c := range []struct {
		name   string
		stream []byte
		class  error
	}{
		{"one stream", stream(want), nil},
		{"a stream and junk", append(stream(want), 0xa5, 0x5a, 0xff), nil},
		{"longer than the cluster", stream(append(bytes.Clone(want), want...)), nil},
		{"too short", stream(want[:65535]), block.ErrCorrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			sectors := (len(c.stream) + 511) / 512
			b := apply(base, []poke{{l2At, compressedEntry(dataAt, uint64(sectors))}, {dataAt, c.stream}})
			checkCluster(t, b, want, c.class)
		})
	}
}

// checkCluster reads the first cluster of 64 KiB, whole and in pieces.
func checkCluster(t *testing.T, image, want []byte, class error) {
	t.Helper()
	im, err := qcow2.Open(bytes.NewReader(image), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{65536, 1000} {
		got := make([]byte, n)
		err := block.ReadFull(im, got, 0)
		if class == nil && err != nil || !errors.Is(err, class) {
			t.Fatalf("reading %d bytes: %v, want %v", n, err, class)
		}
		if class == nil && !bytes.Equal(got, want[:n]) {
			t.Fatalf("reading %d bytes: they are wrong", n)
		}
	}
}

// TestCompressedCutByEOF is about the one slack that the end of a file has: the
// last sector of a compressed cluster.
func TestCompressedCutByEOF(t *testing.T) {
	want := text(65536)
	var out bytes.Buffer
	z, _ := flate.NewWriter(&out, 6)
	z.Write(want)
	z.Close()
	b := apply(fixture(t, "base.qcow2"), []poke{{l2At, compressedEntry(dataAt, uint64(out.Len()+511)/512)}, {dataAt, out.Bytes()}})
	checkCluster(t, b[:dataAt+out.Len()], want, nil)
	im, err := qcow2.Open(bytes.NewReader(b[:dataAt+out.Len()-20]), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := block.ReadFull(im, make([]byte, 65536), 0); !errors.Is(err, block.ErrTruncated) {
		t.Errorf("a stream that is cut: %v, want ErrTruncated", err)
	}
}

// TestSmallReadsInflateOnce counts what is read of the file.
func TestSmallReadsInflateOnce(t *testing.T) {
	trace := &testimg.Trace{Reader: bytes.NewReader(fixture(t, "zlib.qcow2"))}
	im, err := qcow2.Open(trace, nil)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 512)
	im.ReadAt(buf, 0)
	before := trace.Bytes()
	for off := int64(0); off < 16<<10; off += 512 {
		if err := block.ReadFull(im, buf, off); err != nil {
			t.Fatal(err)
		}
	}
	if n := trace.Bytes() - before; n != 0 {
		t.Errorf("reading a compressed cluster in pieces read another %d bytes of the file", n)
	}
}
