package wrapped

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
)

// TestLzop reads what lzop packs, at any offset, and finds what is damaged.
func TestLzop(t *testing.T) {
	peers.Need(t, "lzop")
	data := disk(3 << 20)
	clear(data[1<<20 : 2<<20])
	dir := t.TempDir()
	plain := filepath.Join(dir, "disk.raw")
	if err := os.WriteFile(plain, data, 0o600); err != nil {
		t.Fatal(err)
	}
	var two []byte
	for name, args := range map[string][]string{"plain": nil, "no sums": {"-F"}, "best": {"-9"}, "crc": {"--crc32"}} {
		packed := filepath.Join(dir, "x.lzo")
		peers.Run(t, "lzop", append(args, "-q", "-f", "-o", packed, plain)...)
		b, err := os.ReadFile(packed)
		if err != nil {
			t.Fatal(err)
		}
		two = append(two, b...)
		f, err := Open("lzo", bytes.NewReader(b), Limits{})
		if err != nil {
			t.Fatal(name, err)
		}
		if f.Size() != int64(len(data)) || len(f.points) != 12 {
			t.Errorf("%s: %d bytes, %d points", name, f.Size(), len(f.points))
		}
		for _, off := range []int64{2<<20 - 7, 5, 3<<20 - 100, 256<<10 - 1} {
			got := make([]byte, min(100, f.Size()-off))
			if _, err := f.ReadAt(got, off); err != nil || !bytes.Equal(got, data[off:][:len(got)]) {
				t.Errorf("%s: at %d: %v", name, off, err)
			}
		}
		if _, err := Open("lzo", bytes.NewReader(b[:len(b)-1000]), Limits{}); !errors.Is(err, block.ErrTruncated) {
			t.Errorf("%s, cut: %v", name, err)
		}
		if b[len(b)/2] ^= 1; name != "no sums" {
			if err := readWhole(b, data); !errors.Is(err, block.ErrCorrupt) {
				t.Errorf("%s, damaged: %v", name, err)
			}
		}
	}
	if err := readWhole(two, bytes.Repeat(data, 4)); err != nil {
		t.Errorf("four members: %v", err)
	}
}

func readWhole(packed, want []byte) error {
	f, err := Open("lzo", bytes.NewReader(packed), Limits{})
	if err != nil {
		return err
	}
	got := make([]byte, f.Size())
	if err := block.ReadFull(f, got, 0); err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return errors.New("the bytes differ")
	}
	return nil
}
