package lz4

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"testing"
)

// block takes the one block out of the frame that lz4 has made; see
// ../lzo/testdata/make.sh.
func block(t testing.TB) (data []byte, size int) {
	t.Helper()
	b, err := os.ReadFile("testdata/mixed.lz4")
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	size = int(le.Uint64(b[6:]))
	for b = b[15:]; le.Uint32(b) != 0; b = b[4+le.Uint32(b)&^(1<<31):] {
		if le.Uint32(b)>>31 == 0 {
			return b[4 : 4+le.Uint32(b)], min(size, 64<<10)
		}
		size -= 64 << 10
	}
	t.Fatal("no compressed block")
	return nil, 0
}

// TestDecode knows the CRC32 of what lz4 -d makes of the block.
func TestDecode(t *testing.T) {
	data, size := block(t)
	want := make([]byte, size)
	n, used, err := Decode(want, data)
	if err != nil || n != size || used != len(data) {
		t.Fatalf("%d of %d bytes, %d of %d used, %v", n, size, used, len(data), err)
	}
	if sum := crc32.ChecksumIEEE(want); sum != 0xde35f8a0 {
		t.Errorf("CRC32 %#x", sum)
	}
	for _, n := range []int{0, 1, 15, 16, 17, 1000, size - 17, size - 1} { // as much as there is room for
		got := make([]byte, n+1)
		got[n] = 0xA5
		m, _, err := Decode(got[:n], data)
		if err != nil || m != n || !bytes.Equal(got[:n], want[:n]) || got[n] != 0xA5 {
			t.Errorf("%d bytes: %d, %v", n, m, err)
		}
	}
	for _, bad := range []string{"\x10", "\x10a\x00\x00", "\x10a\x02\x00", "\xf0\xff", "\x1fa\x01\x00", "\x10a\x01"} {
		if _, _, err := Decode(make([]byte, 100), []byte(bad)); err == nil {
			t.Errorf("%x gave no error", bad)
		}
	}
	got := make([]byte, 20)
	if n, _, err := Decode(got, []byte("\x1fa\x01\x00\x00\x00")); err != nil || n != 20 || string(got) != "aaaaaaaaaaaaaaaaaaaa" {
		t.Errorf("a run: %q, %v", got[:n], err)
	}
}

func FuzzDecode(f *testing.F) {
	data, size := block(f)
	f.Add(data, size)
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\x00"), 100)
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		size = min(max(size, 0), 1<<20)
		dst := make([]byte, size+1)
		dst[size] = 0xA5
		n, used, _ := Decode(dst[:size], in)
		if n < 0 || n > size || used > len(in) || dst[size] != 0xA5 {
			t.Errorf("%d of %d bytes, %d used", n, size, used)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	data, size := block(b)
	dst := make([]byte, size)
	b.SetBytes(int64(size))
	for b.Loop() {
		if _, _, err := Decode(dst, data); err != nil {
			b.Fatal(err)
		}
	}
}
