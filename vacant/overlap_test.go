package vacant_test

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestOverlap: nothing of a volume that lies over another one is vacant, nor of
// what lies in it. Each disk has a partition of a BSD, in whose label "a" is an
// ext2 of which something is free.
func TestOverlap(t *testing.T) {
	type part struct{ first, count uint32 }
	le := binary.LittleEndian
	ext2 := testimg.Unpack(t, "../fs/ext4/testdata/ext2.img.gz")
	const slice, a = 64, 128
	n := uint32(len(ext2) / 512)
	total := a + 3*n
	disk := func(second part, labels ...part) []byte {
		b := make([]byte, total*512)
		for i, p := range []part{{slice, total - slice}, second} {
			if p.count > 0 {
				e := b[446+16*i:]
				e[4] = []byte{0xA5, 0x83}[i]
				le.PutUint32(e[8:], p.first)
				le.PutUint32(e[12:], p.count)
			}
		}
		b[510], b[511] = 0x55, 0xAA
		l := b[(slice+1)*512:]
		le.PutUint32(l[0x00:], 0x82564557)
		le.PutUint32(l[0x28:], 512)
		le.PutUint32(l[0x84:], 0x82564557)
		le.PutUint16(l[0x8A:], uint16(len(labels)))
		for i, p := range labels {
			e := l[0x94+16*i:]
			le.PutUint32(e[0:], p.count)
			le.PutUint32(e[4:], p.first)
			e[12] = 7
		}
		copy(b[a*512:], ext2)
		return b
	}
	for _, c := range []struct {
		name  string
		image []byte
		want  error
	}{
		{"apart", disk(part{}, part{a, n}, part{a + n, n}), nil},
		{"slices", disk(part{}, part{a, n}, part{a + n/2, n}), block.ErrCorrupt},
		{"partitions", disk(part{a + n/2, n}, part{a, n}), block.ErrCorrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, v := range find(t, c.image).Volumes {
				if v.Name != "mbr1:bsd1" {
					continue
				}
				if !errors.Is(v.Err, c.want) || (v.Err == nil) != (v.Free() > 0) {
					t.Errorf("%d bytes, %v", v.Free(), v.Err)
				}
				return
			}
			t.Error("no mbr1:bsd1")
		})
	}
}
