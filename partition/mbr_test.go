package partition

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
)

// hasProblem reports whether a problem of that class mentions text.
func hasProblem(table *Table, class error, text string) bool {
	for _, err := range table.Problems {
		if errors.Is(err, class) && strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}

func places(table *Table) string {
	var s []string
	for _, p := range table.Partitions {
		s = append(s, fmt.Sprintf("%d:%d+%d", p.Number, p.Start/512, p.Size/512))
	}
	return strings.Join(s, " ")
}

func mustRead(t *testing.T, r block.Reader, opts *Options) *Table {
	t.Helper()
	table, err := Read(r, opts)
	if err != nil {
		t.Fatal(err)
	}
	checkTable(t, table, r.Size())
	return table
}

// TestEBR checks what is relative to what: the partition to its EBR, the link
// to the extended partition.
func TestEBR(t *testing.T) {
	d := newDisk(4096)
	d.mbr(0, entry{0x83, 100, 100}, entry{5, 1000, 3000})
	d.mbr(1000, entry{0x83, 10, 20}, entry{5, 500, 600})
	d.mbr(1500, entry{0x82, 11, 21}, entry{5, 200, 300}) // a link that goes back
	d.mbr(1200, entry{0x8e, 12, 22})
	table := mustRead(t, d, nil)
	if got, want := places(table), "1:100+100 2:1000+3000 5:1010+20 6:1511+21 7:1212+22"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if len(table.Problems) > 0 {
		t.Errorf("problems: %v", table.Problems)
	}
	if p := table.Partitions[1]; !p.Extended || p.Logical {
		t.Errorf("partition 2 is %+v", p)
	}
	if p := table.Partitions[3]; p.Extended || !p.Logical {
		t.Errorf("partition 6 is %+v", p)
	}
}

// TestEBRGarbage checks the third and fourth entries of an EBR: used if they
// lie inside, skipped if not.
func TestEBRGarbage(t *testing.T) {
	d := newDisk(4096)
	d.mbr(0, entry{5, 1000, 2000})
	d.mbr(1000, entry{0x83, 10, 20}, entry{5, 500, 600}, entry{0x83, 40, 20}, entry{0x83, 0x20202020, 0x20202020})
	d.mbr(1500, entry{0x83, 10, 20})
	if got, want := places(mustRead(t, d, nil)), "1:1000+2000 5:1010+20 6:1040+20 7:1510+20"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestRecipesP are the hostile disks P01 to P06 and others of their kind.
func TestRecipesP(t *testing.T) {
	make := func(build func(d testDisk)) testDisk {
		d := newDisk(16384)
		build(d)
		return d
	}
	for _, c := range []struct {
		name  string
		disk  testDisk
		class error
		text  string
	}{
		{"P01 EBR links to itself", make(func(d testDisk) {
			d.mbr(0, entry{5, 2048, 8192})
			d.mbr(2048, entry{0x83, 1, 64}, entry{5, 0, 8192})
		}), block.ErrLoop, "EBR at offset 0x100000"},
		{"P02 two EBRs link to each other", make(func(d testDisk) {
			d.mbr(0, entry{5, 2048, 8192})
			d.mbr(2048, entry{0x83, 1, 64}, entry{5, 64, 64})
			d.mbr(2112, entry{0x83, 1, 64}, entry{5, 0, 64})
		}), block.ErrLoop, "EBR at offset 0x100000"},
		{"P03 extended at LBA 0", make(func(d testDisk) { d.mbr(0, entry{5, 0, 8192}) }), block.ErrLoop, "LBA 0"},
		{"extended at LBA 0 beside another", make(func(d testDisk) {
			d.mbr(0, entry{0x83, 64, 64}, entry{0x0f, 0, 8192})
		}), block.ErrLoop, "LBA 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			table, err := Read(c.disk, nil)
			if !errors.Is(err, c.class) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v, %v", table, err)
			}
		})
	}
	for _, c := range []struct {
		name   string
		disk   testDisk
		class  error
		text   string
		places string
	}{
		{"P05 past the end", make(func(d testDisk) { d.mbr(0, entry{0x83, 2048, 0xffffffff}) }),
			block.ErrTruncated, "clipped", "1:2048+14336"},
		{"P06 overlaps", make(func(d testDisk) { d.mbr(0, entry{0x83, 2048, 4096}, entry{0x83, 2048, 4096}, entry{0x83, 3000, 10}) }),
			block.ErrCorrupt, "partition 3 at offset 0x177000: corrupt: overlaps partition 1", "1:2048+4096 2:2048+4096 3:3000+10"},
		{"starts past the end", make(func(d testDisk) { d.mbr(0, entry{0x83, 64, 64}, entry{0x83, 20000, 10}) }),
			block.ErrTruncated, "starts at sector 20000, and the disk has 16384", "1:64+64 2:16384+0"},
		{"EBR past the end", make(func(d testDisk) { d.mbr(0, entry{0x83, 64, 64}, entry{5, 20000, 10}) }),
			block.ErrTruncated, "EBR", "1:64+64 2:16384+0"},
		{"EBR without signature", make(func(d testDisk) {
			d.mbr(0, entry{5, 2048, 8192})
			d.mbr(2048, entry{0x83, 1, 64}, entry{5, 100, 64})
			d.put(2148*512, 1)
		}), block.ErrCorrupt, "no signature", "1:2048+8192 5:2049+64"},
		{"logical out of its extended", make(func(d testDisk) {
			d.mbr(0, entry{5, 2048, 100})
			d.mbr(2048, entry{0x83, 1, 200})
		}), block.ErrCorrupt, "reaches out of the extended partition", "1:2048+100 5:2049+200"},
		{"boot indicator of a logical", make(func(d testDisk) {
			d.mbr(0, entry{5, 2048, 1000})
			d.mbr(2048, entry{0x83, 1, 200})
			d.put(2048*512+0x1BE, 0x7F)
		}), block.ErrCorrupt, "boot indicator 0x7f", "1:2048+1000 5:2049+200"},
	} {
		t.Run(c.name, func(t *testing.T) {
			table := mustRead(t, c.disk, nil)
			if !hasProblem(table, c.class, c.text) {
				t.Errorf("problems: %v", table.Problems)
			}
			if got := places(table); got != c.places {
				t.Errorf("got %s, want %s", got, c.places)
			}
		})
	}
}

// TestLogicalLimit is recipe P04, a chain of 15,000 EBRs, and the limit from
// both sides.
func TestLogicalLimit(t *testing.T) {
	chain := func(n int) testDisk {
		d := newDisk(64 + 2*n)
		d.mbr(0, entry{5, 64, uint32(2 * n)})
		for k := range n {
			e := []entry{{0x83, 1, 1}, {5, uint32(2 * (k + 1)), 2}}
			if k == n-1 {
				e = e[:1]
			}
			d.mbr(64+2*k, e...)
		}
		return d
	}
	for _, c := range []struct{ n, max, want int }{{255, 0, 255}, {256, 0, 256}, {257, 0, 256}, {15000, 0, 256}, {15000, 1000, 1000}, {10, 3, 3}} {
		table := mustRead(t, chain(c.n), &Options{MaxLogical: c.max})
		if got := len(table.Partitions) - 1; got != c.want {
			t.Errorf("%d EBRs: %d logical partitions, want %d", c.n, got, c.want)
		}
		if over := c.n > c.want; hasProblem(table, block.ErrLimit, "EBR") != over {
			t.Errorf("%d EBRs: problems %v", c.n, table.Problems)
		}
	}
	empty := newDisk(64 + 3000)
	empty.mbr(0, entry{5, 64, 3000})
	for k := range 2999 {
		empty.mbr(64+k, entry{}, entry{5, uint32(k + 1), 2})
	}
	if table := mustRead(t, empty, nil); !hasProblem(table, block.ErrLimit, "more than 1024 in a chain") {
		t.Errorf("empty EBRs: problems %v", table.Problems)
	}
}

// TestNoTable lists what carries the mark of an MBR and is none.
func TestNoTable(t *testing.T) {
	fat := newDisk(64)
	fat.mbr(0)
	fat.put(0, 0xEB, 0x3C, 0x90)
	fat.put(3, []byte("mkfs.fat")...)
	fat.put(11, 0, 2, 4, 1, 0, 2, 0, 2, 64, 0, 0xF8)
	code := append(testDisk(nil), fat...)
	code.put(0x1BE, []byte("Non-system disk or disk error, replace and press")...)
	plausible := append(testDisk(nil), fat...)
	plausible.mbr(0, entry{0x20, 0x10000, 0x20000}) // past the end: text that looks like an entry
	ntfs := newDisk(64)
	ntfs.put(3, []byte("NTFS    ")...)
	ntfs.mbr(0, entry{0x6f, 0x20646165, 0x6f727265})
	garbage := newDisk(64)
	garbage.mbr(0, entry{0x83, 1, 8})
	garbage.put(0x1BE, 0x42)
	bootCode := newDisk(64)
	bootCode.put(0, 0xEB, 0x63)
	bootCode.mbr(0)
	for name, d := range map[string]testDisk{
		"zeros": newDisk(64), "FAT": fat, "FAT with text": code, "FAT with an impossible entry": plausible,
		"NTFS": ntfs, "a bad boot indicator": garbage, "boot code and no entries": bootCode,
		"nothing at all": {}, "half a sector": newDisk(1)[:256],
	} {
		if table, err := Read(d, nil); !errors.Is(err, block.ErrFormat) {
			t.Errorf("%s: %v, %v", name, table, err)
		}
	}
}

// TestTableOnFAT is a stick that boots both ways: the boot sector of a FAT
// with entries that make sense.
func TestTableOnFAT(t *testing.T) {
	d := newDisk(64)
	d.put(0, 0xEB, 0x3C, 0x90)
	d.put(11, 0, 2, 4, 1, 0, 2, 0, 2, 64, 0, 0xF8)
	d.mbr(0, entry{0x0c, 8, 40})
	if got := places(mustRead(t, d, nil)); got != "1:8+40" {
		t.Error(got)
	}
}

// TestISOHybrid is a disc image for sticks: its first partition is the whole
// image, its second lies inside.
func TestISOHybrid(t *testing.T) {
	d := newDisk(4096)
	d.mbr(0, entry{0x00, 0, 4096}, entry{0xEF, 100, 64})
	table := mustRead(t, d, nil)
	if got := places(table); got != "1:0+4096 2:100+64" {
		t.Error(got)
	}
}

func TestMBRSectorSize(t *testing.T) {
	d := newDisk(4096)
	d.mbr(0, entry{0x83, 8, 16})
	for _, c := range []struct {
		r    block.Reader
		opts *Options
		want string
	}{
		{d, nil, "1:8+16"},
		{d, &Options{SectorSize: 4096}, "1:64+128"},
		{statesSector{d, 4096}, nil, "1:64+128"},
		{statesSector{d, 4096}, &Options{SectorSize: 512}, "1:8+16"},
		{statesSector{d, 7}, nil, "1:8+16"},
	} {
		if got := places(mustRead(t, c.r, c.opts)); got != c.want {
			t.Errorf("%+v: got %s, want %s", c.opts, got, c.want)
		}
	}
	for _, s := range []int{-1, 1, 256, 513, 131072} {
		if _, err := Read(d, &Options{SectorSize: s}); err == nil {
			t.Errorf("sectors of %d bytes were taken", s)
		}
	}
}

func TestMBRNames(t *testing.T) {
	d := newDisk(64)
	d.mbr(0, entry{0x83, 8, 8}, entry{0x77, 16, 8})
	binary.LittleEndian.PutUint32(d[0x1B8:], 0x0badcafe)
	d.put(0x1BE, 0x80)
	table := mustRead(t, d, nil)
	want := []Partition{
		{Number: 1, Start: 4096, Size: 4096, Type: "0x83", TypeName: "Linux", UUID: "0badcafe-01", Bootable: true},
		{Number: 2, Start: 8192, Size: 4096, Type: "0x77", UUID: "0badcafe-02"},
	}
	if table.UUID != "0badcafe" || fmt.Sprint(table.Partitions) != fmt.Sprint(want) {
		t.Errorf("got %+v", table)
	}
	clear(d[0x1B8:0x1BC])
	if table := mustRead(t, d, nil); table.UUID != "" || table.Partitions[0].UUID != "" {
		t.Errorf("without a disk signature: %+v", table)
	}
}

// failing fails to read where it is told to.
type failing struct {
	block.Reader
	from, to int64
}

var errBroken = errors.New("broken")

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off < f.to && off+int64(len(p)) > f.from {
		return 0, errBroken
	}
	return f.Reader.ReadAt(p, off)
}

func TestReadErrors(t *testing.T) {
	d := newDisk(4096)
	d.mbr(0, entry{5, 1000, 2000})
	d.mbr(1000, entry{0x83, 10, 20})
	for _, off := range []int64{0, 1000 * 512} {
		if _, err := Read(failing{d, off, off + 1}, nil); !errors.Is(err, errBroken) {
			t.Errorf("broken at %d: %v", off, err)
		}
	}
	gpt := bytes.NewReader(fixture(t, "gpt"))
	table := mustRead(t, failing{gpt, 512, 1024}, nil)
	if !table.Backup || !hasProblem(table, errBroken, "backup") {
		t.Errorf("a broken sector in the primary: %+v", table)
	}
	if _, err := Read(failing{gpt, 512, gpt.Size()}, nil); !errors.Is(err, errBroken) {
		t.Errorf("all broken: %v", err)
	}
}
