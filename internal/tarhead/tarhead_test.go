package tarhead

import (
	"archive/tar"
	"bytes"
	"testing"
	"time"
)

// TestHeaders: what archive/tar reads is what was meant, on both sides of the
// largest size that ustar has.
func TestHeaders(t *testing.T) {
	stamp := time.Unix(1700000000, 0)
	for _, size := range []int64{0, 1<<33 - 1, 1 << 33, 100 << 40} {
		for kind, h := range map[tar.Format][BlockSize]byte{tar.FormatUSTAR: Ustar("disk.raw", size, stamp), tar.FormatGNU: OldGNU("disk.raw", size, stamp)} {
			if size >= 1<<33 {
				kind = tar.FormatGNU
			}
			got, err := tar.NewReader(bytes.NewReader(h[:])).Next()
			if err != nil {
				t.Fatal(err)
			}
			if got.Name != "disk.raw" || got.Size != size || got.Format != kind || got.Typeflag != tar.TypeReg || got.Mode != 0o644 || !got.ModTime.Equal(stamp) {
				t.Errorf("%d: %+v", size, got)
			}
		}
	}
}

func TestEnd(t *testing.T) {
	for n, want := range map[int64]int64{0: 10240, 9215: 10240, 9216: 10240, 9217: 20480} {
		if got := End(n); got != want {
			t.Errorf("End(%d) = %d, want %d", n, got, want)
		}
	}
}
