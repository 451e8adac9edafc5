package partition

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
)

func le64(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }
func le32(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }

// TestHeaderLayout checks every field of a header that sfdisk wrote.
func TestHeaderLayout(t *testing.T) {
	var h gptHeader
	h.decode(fixture(t, "gpt")[512:])
	guid, _ := hex.DecodeString("11111111222233438444555555555555")
	want := gptHeader{
		signature: [8]byte([]byte("EFI PART")), revision: 0x10000, headerSize: 92, headerCRC: h.headerCRC,
		myLBA: 1, alternate: 32767, firstUsable: 2048, lastUsable: 32734, diskGUID: [16]byte(guid),
		entryLBA: 2, entryCount: 128, entrySize: 128, entriesCRC: h.entriesCRC,
	}
	if h != want {
		t.Errorf("got  %+v\nwant %+v", h, want)
	}
}

// TestRecipesG are the hostile disks G01 to G08, and others of their kind. The
// checksums of both copies are right again after each change.
func TestRecipesG(t *testing.T) {
	for _, c := range []struct {
		name   string
		change map[int][]byte
		class  error
		text   string
	}{
		{"G01 entries", map[int][]byte{512 + 0x50: le32(0xffffffff)}, block.ErrLimit, "4294967295 entries of 128 bytes"},
		{"G02 entry size 0", map[int][]byte{512 + 0x54: le32(0)}, block.ErrCorrupt, "entries of 0 bytes"},
		{"G03 entry size 1", map[int][]byte{512 + 0x54: le32(1)}, block.ErrCorrupt, "entries of 1 bytes"},
		{"entry size 192", map[int][]byte{512 + 0x54: le32(192)}, block.ErrCorrupt, "entries of 192 bytes"},
		{"entries one too many", map[int][]byte{512 + 0x50: le32(8193)}, block.ErrLimit, "8193 entries"},
		{"G04 entry LBA", map[int][]byte{512 + 0x48: le64(1<<64 - 1)}, block.ErrCorrupt, "entries at LBA"},
		{"entries past the end", map[int][]byte{512 + 0x48: le64(32767)}, block.ErrCorrupt, "entries at LBA 32767 of 32768"},
		{"entries at the MBR", map[int][]byte{512 + 0x48: le64(0)}, block.ErrCorrupt, "entries at LBA 0"},
		{"usable backwards", map[int][]byte{512 + 0x28: le64(4096), 512 + 0x30: le64(2048)}, block.ErrCorrupt, "usable from LBA 4096 to 2048"},
		{"revision", map[int][]byte{512 + 0x08: le32(0x20000)}, block.ErrUnsupported, "revision 0x00020000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := sealed(fixture(t, "gpt"), 512, c.change)
			table, err := Read(d, nil)
			var e *block.Error
			if !errors.Is(err, c.class) || !errors.As(err, &e) || e.Off != 512 || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v, %v", table, err)
			}
		})
	}
	const first = 1024 // entry 1
	for _, c := range []struct {
		name   string
		change map[int][]byte
		class  error
		text   string
		places string
	}{
		{"G05 backwards", map[int][]byte{first + 0x20: le64(4096), first + 0x28: le64(2048)},
			block.ErrCorrupt, "partition 1 at offset 0x400: corrupt: from LBA 4096 to 2048", "1:0+0 2:4096+4096 3:8192+6144"},
		{"G06 past the end", map[int][]byte{first + 2*128 + 0x28: le64(1 << 62)},
			block.ErrTruncated, "clipped", "1:2048+2048 2:4096+4096 3:8192+24576"},
		{"all of 64 bits", map[int][]byte{first + 0x20: le64(0), first + 0x28: le64(1<<64 - 1)},
			block.ErrCorrupt, "as long as", "1:0+0 2:4096+4096 3:8192+6144"},
		{"up to 64 bits", map[int][]byte{first + 2*128 + 0x28: le64(1<<64 - 1)},
			block.ErrTruncated, "clipped", "1:2048+2048 2:4096+4096 3:8192+24576"},
		{"overlap", map[int][]byte{first + 0x28: le64(4096)},
			block.ErrCorrupt, "partition 2 at offset 0x200000: corrupt: overlaps partition 1", "1:2048+2049 2:4096+4096 3:8192+6144"},
		{"below what is usable", map[int][]byte{first + 0x20: le64(100)},
			block.ErrCorrupt, "lies outside of what is usable, 2048 to 32734", "1:100+3996 2:4096+4096 3:8192+6144"},
		{"usable past the end", map[int][]byte{512 + 0x30: le64(1 << 40)},
			block.ErrTruncated, "usable up to LBA 1099511627776", "1:2048+2048 2:4096+4096 3:8192+6144"},
	} {
		t.Run(c.name, func(t *testing.T) {
			table := mustRead(t, sealed(fixture(t, "gpt"), 512, c.change), nil)
			if !hasProblem(table, c.class, c.text) {
				t.Errorf("problems: %v", table.Problems)
			}
			if got := places(table); got != c.places {
				t.Errorf("got %s, want %s", got, c.places)
			}
		})
	}
}

// TestBackup damages the primary without sealing it: recipe G07 and others.
func TestBackup(t *testing.T) {
	whole := mustRead(t, bytes.NewReader(fixture(t, "gpt")), nil)
	for name, change := range map[string]func(d testDisk) testDisk{
		"G07 header checksum": func(d testDisk) testDisk { d.put(512+0x10, 0, 0, 0, 0); return d },
		"no signature":        func(d testDisk) testDisk { clear(d[512:1024]); return d },
		"entries":             func(d testDisk) testDisk { d[1024+0x38] ^= 1; return d },
		"header size":         func(d testDisk) testDisk { d.put(512+0x0C, le32(1<<31)...); return d },
		"moved by a sector":   func(d testDisk) testDisk { return sealedPrimary(d, map[int][]byte{512 + 0x18: le64(2)}) },
		"grown":               func(d testDisk) testDisk { d[512+0x38] ^= 1; return append(d, make([]byte, 1<<20)...) },
	} {
		table := mustRead(t, change(fixture(t, "gpt")), nil)
		if !table.Backup || !hasProblem(table, block.ErrCorrupt, "the backup at LBA 32767 is used") || len(table.Problems) != 1 {
			t.Errorf("%s: %v", name, table.Problems)
		}
		sameLines(t, table.lines(), whole.lines())
	}
	d := testDisk(fixture(t, "gpt"))
	clear(d[512:1024])
	clear(d[len(d)-512:])
	_, err := Read(d, nil)
	if !errors.Is(err, block.ErrCorrupt) || !strings.Contains(err.Error(), "no copy of it is good") {
		t.Errorf("both gone: %v", err)
	}
}

// sealedPrimary changes the primary alone.
func sealedPrimary(d testDisk, changes map[int][]byte) testDisk {
	for off, b := range changes {
		d.put(off, b...)
	}
	seal(d, 512, 512, func(off int64, b []byte) { copy(d[off:], b) })
	return d
}

// TestBadBackup checks that a good primary does not hide a bad backup.
func TestBadBackup(t *testing.T) {
	for name, c := range map[string]struct {
		change func(d testDisk) testDisk
		class  error
	}{
		"gone":      {func(d testDisk) testDisk { clear(d[len(d)-512:]); return d }, block.ErrCorrupt},
		"entries":   {func(d testDisk) testDisk { d[len(d)-33*512] ^= 1; return d }, block.ErrCorrupt},
		"different": {func(d testDisk) testDisk { return sealedPrimary(d, map[int][]byte{1024 + 0x38: {'x'}}) }, block.ErrCorrupt},
		"cut off":   {func(d testDisk) testDisk { return d[:len(d)-4096] }, block.ErrTruncated},
	} {
		table := mustRead(t, c.change(fixture(t, "gpt")), nil)
		if table.Backup || !hasProblem(table, c.class, "backup header") {
			t.Errorf("%s: %v", name, table.Problems)
		}
	}
}

// TestWhichTable covers all that an MBR and a GPT can say of each other.
func TestWhichTable(t *testing.T) {
	with := func(build func(d testDisk)) testDisk {
		d := testDisk(fixture(t, "gpt"))
		clear(d[:512])
		build(d)
		return d
	}
	for _, c := range []struct {
		name    string
		disk    testDisk
		scheme  Scheme
		hybrid  bool
		problem string
	}{
		{"protective", with(func(d testDisk) { d.mbr(0, entry{0xEE, 1, 32767}) }), GPT, false, ""},
		{"protective of another size", with(func(d testDisk) { d.mbr(0, entry{0xEE, 1, 0xffffffff}) }), GPT, false, ""},
		{"protective in the last entry", with(func(d testDisk) { d.mbr(0, entry{}, entry{}, entry{}, entry{0xEE, 1, 99}) }), GPT, false, ""},
		{"protective that starts elsewhere", with(func(d testDisk) { d.mbr(0, entry{0xEE, 2, 32766}) }), GPT, false, ""},
		{"hybrid", with(func(d testDisk) { d.mbr(0, entry{0x83, 4096, 4096}, entry{0xEE, 1, 2047}) }), GPT, true, ""},
		{"hybrid with an entry of its own", with(func(d testDisk) { d.mbr(0, entry{0xEE, 1, 2047}, entry{0x83, 30000, 100}) }), GPT, true, "hybrid MBR entry 2"},
		{"stale GPT", with(func(d testDisk) { d.mbr(0, entry{0x83, 64, 1000}) }), MBR, false, "left over from an earlier use"},
		{"stale GPT, 0xEE is no protection", with(func(d testDisk) { d.mbr(0, entry{0x83, 64, 1000}, entry{0xEE, 5000, 10}) }), MBR, false, "left over"},
		{"no MBR", with(func(d testDisk) {}), GPT, false, "protective MBR"},
		{"MBR without entries", with(func(d testDisk) { d.mbr(0) }), GPT, false, "protective MBR"},
	} {
		t.Run(c.name, func(t *testing.T) {
			table := mustRead(t, c.disk, nil)
			if table.Scheme != c.scheme || table.Hybrid != c.hybrid {
				t.Errorf("%s, hybrid %v", table.Scheme, table.Hybrid)
			}
			switch {
			case c.problem == "" && len(table.Problems) > 0, c.problem != "" && !anyProblem(table, c.problem):
				t.Errorf("problems: %v", table.Problems)
			}
		})
	}
	fat := with(func(d testDisk) {
		d.put(0, 0xEB, 0x3C, 0x90)
		d.put(11, 0, 2, 4, 1, 0, 2, 0, 2, 64, 0, 0xF8)
		d.mbr(0)
	})
	if _, err := Read(fat, nil); !errors.Is(err, block.ErrFormat) {
		t.Errorf("a FAT over an old GPT: %v", err)
	}
	gone := with(func(d testDisk) { clear(d[:1<<20]) })
	if _, err := Read(gone, nil); !errors.Is(err, block.ErrFormat) {
		t.Errorf("a wiped disk whose backup is left: %v", err)
	}
	noGPT := newDisk(4096)
	noGPT.mbr(0, entry{0xEE, 1, 4095})
	if _, err := Read(noGPT, nil); !errors.Is(err, block.ErrCorrupt) {
		t.Errorf("a protective MBR and no GPT: %v", err)
	}
}

func anyProblem(table *Table, text string) bool {
	for _, err := range table.Problems {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}

func TestGPTSectorSize(t *testing.T) {
	d := testDisk(fixture(t, "gpt4k"))
	for _, r := range []block.Reader{d, statesSector{d, 4096}, statesSector{d, 512}} {
		table := mustRead(t, r, nil)
		if table.SectorSize != 4096 || table.Partitions[0].Start != 256*4096 {
			t.Errorf("%+v", table)
		}
		if stated := block.SectorSize(r); (stated == 512) != hasProblem(table, block.ErrCorrupt, "counts sectors of 4096 bytes") {
			t.Errorf("stated %d: %v", stated, table.Problems)
		}
	}
	if table, err := Read(d, &Options{SectorSize: 512}); !errors.Is(err, block.ErrCorrupt) {
		t.Errorf("read with sectors of 512 bytes: %v, %v", table, err)
	}
	clear(d[4096:8192])
	if table := mustRead(t, d, nil); !table.Backup || table.SectorSize != 4096 {
		t.Errorf("backup: %+v", table)
	}
}

// TestNames covers names that are not good UTF-16, and recipe G08.
func TestNames(t *testing.T) {
	for _, c := range []struct {
		units []uint16
		want  string
	}{
		{[]uint16{0x1b, ']', '0', ';', 'x', 7, 0x202e, 'g', 'n', 'p'}, "\x1b]0;x\a\u202egnp"},
		{[]uint16{'a', 0xD83D, 0xDE00, 'b'}, "a😀b"},
		{[]uint16{'a', 0xD83D, 'b'}, "a\uFFFDb"},
		{[]uint16{0xDE00, 0xD83D}, "\uFFFD\uFFFD"},
		{[]uint16{'a', 0, 'b'}, "a"},
		{bytes16(strings.Repeat("x", 36)), strings.Repeat("x", 36)},
	} {
		b := make([]byte, 72)
		for i, u := range c.units {
			binary.LittleEndian.PutUint16(b[2*i:], u)
		}
		table := mustRead(t, sealed(fixture(t, "gpt"), 512, map[int][]byte{1024 + 0x38: b}), nil)
		if got := table.Partitions[0].Name; got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func bytes16(s string) []uint16 {
	var u []uint16
	for _, c := range s {
		u = append(u, uint16(c))
	}
	return u
}

// TestEntrySizes reads entries that are longer than those of today.
func TestEntrySizes(t *testing.T) {
	d := testDisk(fixture(t, "gpt"))
	entries := append([]byte(nil), d[1024:1024+3*128]...)
	for i := range 3 {
		clear(d[1024+512*i:][:512])
		d.put(1024+512*i, entries[128*i:128*(i+1)]...)
	}
	sealed(d, 512, map[int][]byte{512 + 0x50: le32(16), 512 + 0x54: le32(512)})
	if got := places(mustRead(t, d, nil)); got != "1:2048+2048 2:4096+4096 3:8192+6144" {
		t.Error(got)
	}
}

func TestAttributeNames(t *testing.T) {
	const basicData, linux = "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7", "0fc63daf-8483-4772-8e79-3d69d8477de4"
	for _, c := range []struct {
		typ  string
		bits uint64
		want string
	}{
		{linux, 0, ""},
		{linux, 7, "required no-block-io legacy-boot"},
		{linux, 1<<59 | 1<<60 | 1<<63, "grow-file-system read-only no-automount"},
		{basicData, 1 | 1<<60 | 1<<61 | 1<<62 | 1<<63, "required read-only shadow-copy hidden no-automount"},
		{chromeKernel, 1 << 56, "successful"},
	} {
		p := Partition{Type: c.typ, Attributes: c.bits}
		if got := strings.Join(p.AttributeNames(), " "); got != c.want {
			t.Errorf("%#x of %s: got %q, want %q", c.bits, c.typ, got, c.want)
		}
	}
}
