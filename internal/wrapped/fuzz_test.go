package wrapped

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"errors"
	"io"
	"testing"

	"github.com/guestkit/guestkit/block"
)

// The text "guestkit\n" eight times, as xz -0, zstd, lzop and bzip2 pack it.
var seeds = map[string]string{
	"xz":  "fd377a585a000004e6d6b446020021010c0000008f98419ce0004700105d00339d48cef58c6f12c0eb81fa05e00000007052083fea4e09b200012c482717b0611fb6f37d010000000004595a",
	"zst": "28b52ffd24487d00004867756573746b69740a0100a4548e6bf6d0c2",
	"lzo": "894c5a4f000d0a1a0a104020a0094001050300000d000000006b0b5778000000000028a802b5000000480000002603641bd10667756573746b69740a200b200000010a67756573746b69740a67756573746b69740a11000000000000",
	"bz2": "425a68393141592653596c01bf9800000bc180001002a80e002000310c080aa81b29051c10747841451f1772453850906c01bf98",
}

// FuzzRead decodes damaged files forward and at any offset: no panic, errors
// have a class, and both ways give the same bytes.
func FuzzRead(f *testing.F) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	for range 8 {
		io.WriteString(z, "guestkit\n")
	}
	z.Close()
	f.Add(byte(0), b.Bytes())
	for i, x := range Formats() {
		if s, err := hex.DecodeString(seeds[x]); err == nil {
			f.Add(byte(i), s)
			f.Add(byte(i), append(s, s...))
		}
	}
	limits := Limits{ZstdWindow: 1 << 20, XzDict: 1 << 20, Size: 8 << 20}
	f.Fuzz(func(t *testing.T, kind byte, data []byte) {
		format := Formats()[int(kind)%len(Formats())]
		r, err := NewReader(format, bytes.NewReader(data), limits)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		var e *block.Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("%s: %v has no class", format, err)
		}
		file, ferr := Open(format, bytes.NewReader(data), limits)
		if ferr != nil {
			return
		}
		if err == nil && file.Size() != int64(len(got)) {
			t.Fatalf("%s: %d bytes forward, and a size of %d", format, len(got), file.Size())
		}
		if file.Size() == 0 {
			return
		}
		last := make([]byte, min(100, file.Size()))
		lerr := block.ReadFull(file, last, file.Size()-int64(len(last)))
		if err == nil && (lerr != nil || !bytes.Equal(last, got[len(got)-len(last):])) {
			t.Errorf("%s: the end is not the same: %v", format, lerr)
		}
	})
}

// TestSeeds holds the seeds to what they are.
func TestSeeds(t *testing.T) {
	for format, s := range seeds {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		z, err := NewReader(format, bytes.NewReader(b), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(z)
		if want := bytes.Repeat([]byte("guestkit\n"), 8); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %q, %v", format, got, err)
		}
	}
}

// TestBomb: what asks for too much memory is refused before any of it is taken.
func TestBomb(t *testing.T) {
	xz, _ := hex.DecodeString(seeds["xz"])
	zst, _ := hex.DecodeString(seeds["zst"])
	for format, b := range map[string][]byte{"xz": xz, "zst": zst} {
		for what, l := range map[string]Limits{"71 bytes": {Size: 71}, "little memory": {XzDict: 4096, ZstdWindow: 1 << 10}} {
			if format == "zst" && what == "little memory" {
				b = bytes.Clone(b)
				b[4] = b[4] &^ 0xe0 // no single segment, no size: a window
				b[5] = 0xff         // of 2 TiB and more
			}
			z, err := NewReader(format, bytes.NewReader(b), l)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(z); !errors.Is(err, block.ErrLimit) {
				t.Errorf("%s, %s: %v", format, what, err)
			}
		}
	}
}
