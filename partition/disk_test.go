package partition

import (
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
)

// testDisk is a disk in memory whose tables are written by hand.
type testDisk []byte

func newDisk(sectors int) testDisk { return make(testDisk, sectors*512) }

func (d testDisk) Size() int64 { return int64(len(d)) }

func (d testDisk) ReadAt(p []byte, off int64) (int, error) {
	q, eof := block.Clip(p, off, d.Size())
	copy(q, d[min(max(off, 0), d.Size()):])
	return len(q), eof
}

func (d testDisk) put(off int, b ...byte) { copy(d[off:], b) }

type entry struct {
	kind         byte
	first, count uint32
}

// mbr writes an MBR or EBR at a sector.
func (d testDisk) mbr(lba int, entries ...entry) {
	s := d[lba*512:]
	for i, e := range entries {
		b := s[0x1BE+16*i:]
		b[4] = e.kind
		binary.LittleEndian.PutUint32(b[8:], e.first)
		binary.LittleEndian.PutUint32(b[12:], e.count)
	}
	s[510], s[511] = 0x55, 0xAA
}

// seal writes the checksums of the GPT whose header is at a byte offset, if it
// can have any.
func seal(d []byte, off, ss int, write func(off int64, b []byte)) {
	if off < 0 || off+ss > len(d) || string(d[off:off+8]) != gptMagic {
		return
	}
	var h gptHeader
	h.decode(d[off:])
	n, at := uint64(h.entryCount)*uint64(h.entrySize), h.entryLBA*uint64(ss)
	if n <= MaxGPT && at < uint64(len(d)) && n <= uint64(len(d))-at {
		write(int64(off+0x58), binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(d[at:at+n])))
	}
	if h.headerSize < gptHeaderLen || int(h.headerSize) > ss {
		return
	}
	b := append([]byte(nil), d[off:off+int(h.headerSize)]...)
	clear(b[0x10:0x14])
	write(int64(off+0x10), binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(b)))
}

// sealed changes a GPT disk and repairs the checksums of both copies.
func sealed(d testDisk, ss int, changes map[int][]byte) testDisk {
	for off, b := range changes {
		d.put(off, b...)
	}
	for _, off := range []int{ss, len(d) - ss} {
		seal(d, off, ss, func(off int64, b []byte) { copy(d[off:], b) })
	}
	return d
}

// TestMutations damages disks of every kind, half of them with the checksums
// of the GPT right again.
func TestMutations(t *testing.T) {
	logical := newDisk(4096)
	logical.mbr(0, entry{0x83, 64, 64}, entry{5, 128, 3900})
	for i := range 20 {
		logical.mbr(128+100*i, entry{0x83, 8, 50}, entry{5, uint32(100 * (i + 1)), 100})
	}
	logical.mbr(128+2000, entry{0x83, 8, 50})
	for _, c := range []struct {
		name string
		disk testDisk
		ss   int
	}{
		{"gpt", fixture(t, "gpt"), 512},
		{"gpt4k", fixture(t, "gpt4k"), 4096},
		{"hybrid", fixture(t, "hybrid"), 512},
		{"mbr", logical, 512},
	} {
		t.Run(c.name, func(t *testing.T) {
			trace := &testimg.Trace{Reader: c.disk}
			if _, err := Read(trace, nil); err != nil {
				t.Fatal(err)
			}
			testimg.Mutate(t, testimg.Mutations{
				Image: c.disk,
				Where: trace.Ranges(),
				Run: func(r block.Reader) error {
					table, err := Read(r, nil)
					if err != nil {
						return err
					}
					checkTable(t, table, r.Size())
					return nil
				},
				Seal: func(p *testimg.Patch, changed []int64) {
					for _, off := range []int{c.ss, len(p.Image) - c.ss} {
						seal(p.Image, off, c.ss, p.Write)
					}
				},
			})
		})
	}
}

// checkTable checks what holds for every table that Read returns.
func checkTable(t testing.TB, table *Table, size int64) {
	t.Helper()
	seen := map[int]bool{}
	last := 0
	for _, p := range table.Partitions {
		if p.Start < 0 || p.Size < 0 || p.Start > size || p.Size > size-p.Start {
			t.Errorf("partition %d lies at %d+%d of %d", p.Number, p.Start, p.Size, size)
		}
		if seen[p.Number] || p.Number < 1 || p.Number <= last {
			t.Errorf("number %d after %d", p.Number, last)
		}
		seen[p.Number], last = true, p.Number
	}
	if len(table.Partitions) > 8192 {
		t.Errorf("%d partitions", len(table.Partitions))
	}
	for _, err := range table.Problems {
		if err.Error() == "" {
			t.Error("an empty problem")
		}
	}
}
