package ext4

import (
	"bytes"
	"encoding/binary"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/guestkit/guestkit/internal/testimg"
)

// TestChecksums checks the variants of CRC against the published check values of
// "123456789".
func TestChecksums(t *testing.T) {
	p := []byte("123456789")
	if got := ^crc32c(^uint32(0), p); got != 0xE3069283 {
		t.Errorf("CRC-32C %#x", got)
	}
	if got := crc16(0xFFFF, p); got != 0x4B37 { // CRC-16/MODBUS
		t.Errorf("CRC-16 %#x", got)
	}
	if got := crc32BE(^uint32(0), p); got != 0x0376E6E7 { // CRC-32/MPEG-2
		t.Errorf("CRC-32/MPEG-2 %#x", got)
	}
	q := bytes.Clone(p)
	copy(q[3:], []byte{0, 0})
	if crc32cHole(7, p, 3, 2) != crc32c(7, q) {
		t.Error("a hole is not zeros")
	}
	if crc32cLE(7, 0x34333231) != crc32c(7, p[:4]) {
		t.Error("a number is not its bytes")
	}
}

// nameHashes are what debugfs printed: dx_hash -h VERSION -s SEED NAME.
var nameHashes = []struct {
	version     uint8
	name        string
	hash, minor uint32
}{
	{hashLegacy, "a", 0xe74b53e2, 0},
	{hashLegacy, "name-000001-x", 0xaf61e9e4, 0},
	{hashLegacy, strings.Repeat("n", 100), 0x8731a156, 0},
	{hashLegacy, "latin1-\xe9\xe8\xff", 0x47bf7754, 0},
	{hashHalfMD4, "a", 0x07fa2026, 0xca0970ab},
	{hashHalfMD4, "name-000001-x", 0x3702df04, 0xeb75da39},
	{hashHalfMD4, strings.Repeat("n", 100), 0x9150cbac, 0xf655c8da},
	{hashHalfMD4, "latin1-\xe9\xe8\xff", 0x1f610f28, 0xda18fd46},
	{hashTea, "a", 0x20d858ce, 0xc67b49ee},
	{hashTea, "name-000001-x", 0xe0e466c2, 0x629bffbf},
	{hashTea, strings.Repeat("n", 100), 0xed4cfc4e, 0x9f4bfbc6},
	{hashTea, "latin1-\xe9\xe8\xff", 0x3d1e9c4a, 0xcb545d5a},
}

// TestNameHash checks hashes against those that debugfs's dx_hash prints.
func TestNameHash(t *testing.T) {
	seed := [16]byte{0x6f, 0x6b, 0x65, 0x79, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 1}
	for _, c := range nameHashes {
		hash, minor := nameHash(c.version, seed, []byte(c.name))
		if hash != c.hash || minor != c.minor {
			t.Errorf("hash %d of %.20q is %#x (minor %#x), want %#x (%#x)", c.version, c.name, hash, minor, c.hash, c.minor)
		}
	}
}

func TestTimestamp(t *testing.T) {
	for _, c := range []struct {
		sec, extra uint32
		want       string
	}{
		{0x80000000, 0, "1901-12-13T20:45:52Z"},
		{0xFFFFFFFF, 999999999 << 2, "1969-12-31T23:59:59.999999999Z"},
		{0x7FFFFFFF, 0, "2038-01-19T03:14:07Z"},
		{0x80000000, 1, "2038-01-19T03:14:08Z"},
		{0x7FFFFFFF, 3, "2446-05-10T22:38:55Z"},
	} {
		if got := timestamp(c.sec, c.extra).UTC().Format(time.RFC3339Nano); got != c.want {
			t.Errorf("timestamp(%#x, %#x) = %s, want %s", c.sec, c.extra, got, c.want)
		}
	}
}

func TestRecLen(t *testing.T) {
	for _, c := range []struct {
		v     uint16
		block int
		want  int
	}{{12, 1024, 12}, {0, 4096, 0}, {0xFFFC, 65536, 0xFFFC}, {0xFFFF, 65536, 65536}, {0, 65536, 65536}, {13, 65536, 65536 + 12}} {
		if got := recLen(c.v, c.block); got != c.want {
			t.Errorf("recLen(%#x, %d) = %#x, want %#x", c.v, c.block, got, c.want)
		}
	}
}

// TestLayout writes each field of the superblock and the inode with bytes of its
// own, at the offsets of the specification, and decodes them.
func TestLayout(t *testing.T) {
	b := make([]byte, superblockSize)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	le := binary.LittleEndian
	le.PutUint32(b[0x60:], incompat64bit)
	var s superblock
	s.decode(b)
	for what, pair := range map[string][2]uint64{
		"inodes_count": {uint64(s.inodesCount), uint64(le.Uint32(b))}, "blocks_count": {s.blocksCount, uint64(le.Uint32(b[4:])) | uint64(le.Uint32(b[0x150:]))<<32},
		"free_blocks": {s.freeBlocks, uint64(le.Uint32(b[12:])) | uint64(le.Uint32(b[0x158:]))<<32}, "first_data_block": {uint64(s.firstDataBlock), uint64(le.Uint32(b[20:]))},
		"log_block_size": {uint64(s.logBlockSize), uint64(le.Uint32(b[24:]))}, "blocks_per_group": {uint64(s.blocksPerGroup), uint64(le.Uint32(b[32:]))},
		"inodes_per_group": {uint64(s.inodesPerGroup), uint64(le.Uint32(b[40:]))}, "inode_size": {uint64(s.inodeSize), uint64(le.Uint16(b[88:]))},
		"desc_size": {uint64(s.descSize), uint64(le.Uint16(b[254:]))}, "journal_inum": {uint64(s.journalInum), uint64(le.Uint32(b[224:]))},
		"first_meta_bg": {uint64(s.firstMetaBG), uint64(le.Uint32(b[260:]))}, "checksum_seed": {uint64(s.checksumSeed), uint64(le.Uint32(b[0x270:]))},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s = %#x, want %#x", what, pair[0], pair[1])
		}
	}
}

// TestBackups checks which groups have a copy of the superblock.
func TestBackups(t *testing.T) {
	s := superblock{featureRoCompat: roSparseSuper}
	var got []uint32
	for g := range uint32(130) {
		if s.hasSuper(g) {
			got = append(got, g)
		}
	}
	want := []uint32{0, 1, 3, 5, 7, 9, 25, 27, 49, 81, 125}
	if len(got) != len(want) {
		t.Fatalf("groups %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("groups %v, want %v", got, want)
		}
	}
}

// TestConcurrentLookups reads one filesystem from many goroutines with a cache
// that holds next to nothing.
func TestConcurrentLookups(t *testing.T) {
	image := testimg.Unpack(t, "testdata/ext4.img.gz")
	f, err := open(bytes.NewReader(image), &Options{CacheBytes: 4096})
	if err != nil {
		t.Fatal(err)
	}
	root, err := f.inode(rootIno)
	if err != nil {
		t.Fatal(err)
	}
	ino, err := root.find("many")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			n, err := f.inode(ino)
			if err != nil {
				t.Error(err)
				return
			}
			es, err := n.ReadDir()
			if err != nil || len(es) != 333 {
				t.Errorf("%d entries, %v", len(es), err)
			}
			for _, e := range es {
				got, err := n.Lookup(e.Name)
				if err != nil || got.Stat().Ino != e.Ino {
					t.Errorf("%s: %v, %v", e.Name, got, err)
					return
				}
			}
			if _, err := n.Lookup(strings.Repeat("z", 40)); err == nil {
				t.Error("found a name that is not there")
			}
		})
	}
	wg.Wait()
}
