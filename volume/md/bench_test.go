package md_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/volume/md"
)

// BenchmarkRead reads 512 MiB of a partition and of arrays, a MiB at a time:
// what the layer costs. The arrays are fixtures whose superblocks say that they
// are larger, over files with holes, which cost the least to read.
func BenchmarkRead(b *testing.B) {
	const size = 512 << 20
	read := func(d block.Device) func(b *testing.B) {
		return func(b *testing.B) {
			buf := make([]byte, 1<<20)
			b.SetBytes(size)
			for b.Loop() {
				for off := int64(0); off < size; off += int64(len(buf)) {
					if err := block.ReadFull(d, buf, off); err != nil {
						b.Fatal(err)
					}
				}
			}
		}
	}
	holes := func(n int64) block.Reader {
		path := filepath.Join(b.TempDir(), "disk")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			b.Fatal(err)
		}
		if err := os.Truncate(path, n); err != nil {
			b.Fatal(err)
		}
		return testimg.File(b, path)
	}
	b.Run("partition", read(block.Section(block.Plain(holes(size+1<<20)), 1<<20, size)))
	for name, each := range map[string]int64{"v12-raid1": size, "raid5-left-symmetric": size/3 + 1<<20, "raid10-n2-4": size / 2} {
		files := testimg.Case(b, arrays, name)
		var ms []*md.Member
		for i := range len(files) - 2 {
			s := bytes.Clone(files[fmt.Sprintf("m%d", i)][4096:8192])
			le.PutUint64(s[0x50:], uint64(each/512))
			le.PutUint64(s[0x88:], uint64(each/512))
			le.PutUint32(s[0x58:], 1024)
			seal1(s)
			o := block.NewOverlay(holes(each+4<<20), each+4<<20, 1)
			if err := o.Set(4096, 4096, bytes.NewReader(s), 0); err != nil {
				b.Fatal(err)
			}
			m, err := md.Open(o.Device())
			if err != nil {
				b.Fatal(err)
			}
			ms = append(ms, m)
		}
		a := md.Assemble(ms)[0]
		if a.Err != nil {
			b.Fatal(a.Err)
		}
		b.Run(name, read(a.Device))
		if name == "raid5-left-symmetric" {
			b.Run(name+", degraded", read(md.Assemble(ms[1:])[0].Device))
		}
	}
}
