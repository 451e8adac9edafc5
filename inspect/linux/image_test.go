package linux

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/guestkit/guestkit/internal/peers"
)

// TestImageVersion reads the version of the kernels that Debian installed here.
func TestImageVersion(t *testing.T) {
	images, _ := filepath.Glob("/boot/vmlinuz-*")
	if len(images) == 0 {
		peers.Need(t, "/boot/vmlinuz-*")
	}
	for _, name := range images {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Skip(err)
		}
		if want := strings.TrimPrefix(name, "/boot/vmlinuz-"); imageVersion(b) != want {
			t.Errorf("%s: %q", name, imageVersion(b))
		}
	}
	for _, b := range [][]byte{nil, make([]byte, 0x20f), make([]byte, 0x210)} {
		if v := imageVersion(b); v != "" {
			t.Errorf("%q of nothing", v)
		}
	}
}

// TestBannerVersion finds the text that a kernel prints first, in the forms that
// images of arm64 and others have.
func TestBannerVersion(t *testing.T) {
	const text = "Linux version 6.8.5-301.fc40.aarch64 (mockbuild@x) (gcc) #1 SMP\n"
	plain := append(bytes.Repeat([]byte("Linux version %s\x00......."), 5000), text...)
	plain = append(plain, make([]byte, 1000)...)
	var gz bytes.Buffer
	w := gzip.NewWriter(&gz)
	w.Write(plain)
	w.Close()
	enc, _ := zstd.NewWriter(nil)
	zimg := func(kind string, payload []byte) []byte {
		b := make([]byte, 512, 512+len(payload))
		copy(b, "MZ\x00\x00zimg")
		binary.LittleEndian.PutUint32(b[8:], 512)
		binary.LittleEndian.PutUint32(b[12:], uint32(len(payload)))
		copy(b[24:], kind)
		return append(b, payload...)
	}
	for name, b := range map[string][]byte{"plain": plain, "gzip": gz.Bytes(), "zboot gzip": zimg("gzip", gz.Bytes()), "zboot zstd": zimg("zstd22", enc.EncodeAll(plain, nil))} {
		if v := bannerVersion(bytes.NewReader(b), int64(len(b))); v != "6.8.5-301.fc40.aarch64" {
			t.Errorf("%s: %q", name, v)
		}
		for n := 0; n < len(b) && n < 600; n += 7 {
			bannerVersion(bytes.NewReader(b[:n]), int64(n))
		}
	}
	for _, b := range [][]byte{zimg("lzma", gz.Bytes()), zimg("gzip", []byte("no")), bytes.Repeat([]byte("Linux version "), 20000)} {
		if v := bannerVersion(bytes.NewReader(b), int64(len(b))); v != "" {
			t.Errorf("%q", v)
		}
	}
}

func TestCompareVersions(t *testing.T) {
	sorted := []string{"", "1", "2", "2.9", "2.10", "2.10.1", "9-rc", "10", "0010.1", "a"}
	for i, a := range sorted {
		for j, b := range sorted {
			got := compareVersions(a, b)
			if (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("%q, %q: %d", a, b, got)
			}
		}
	}
}
