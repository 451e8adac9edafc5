package btrfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/qcow2"
	"github.com/guestkit/guestkit/volume/probe"
)

// zonedDevice is what a host-managed device held: six GiB, of which testdata has what is
// not empty, as qcow2.
func zonedDevice(t *testing.T) block.Device {
	t.Helper()
	img, err := qcow2.Open(bytes.NewReader(testimg.Unpack(t, "testdata/zoned.qcow2.bz2")), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { img.Close() })
	return img
}

// TestHostManaged: of the superblocks that lie one behind the other on a zoned device the
// newest counts, and not the one that happens to lie where others have theirs. What the
// kernel showed of it is in testdata.
func TestHostManaged(t *testing.T) {
	dev := zonedDevice(t)
	for _, off := range []int64{0, 64 << 10} { // both are older
		if s := loggedAt(dev, off); s == nil || s.generation >= 52 {
			t.Fatalf("at %#x: %+v", off, s)
		}
	}
	fsys, err := openFS(dev)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := testimg.ReadTree(fsys, testimg.TreeOptions{})
	if err != nil || len(fsys.Problems()) > 0 {
		t.Fatal(err, fsys.Problems())
	}
	testimg.CompareListings(t, testimg.Listing(tree), string(testimg.Unpack(t, "testdata/zoned.tree.gz")))
	if s, err := readSuperblock(dev); err != nil || s.generation != 52 {
		t.Errorf("generation %d, %v", s.generation, err)
	}
	found, err := probe.Volume(dev)
	if i := fsys.Info(); err != nil || found.Type != "btrfs" || found.UUID != i.UUID || found.Label != i.Label || i.Label != "zoned" {
		t.Errorf("%+v, %v", found, err)
	}
	f, err := open([]block.Reader{dev}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Free(func(off, n int64) error { return nil }); !errors.Is(err, block.ErrUnsupported) {
		t.Errorf("free: %v", err)
	}
}

// Zones of the logs that tests make, and how many superblocks fill one.
const zone, full = 4 << 20, 4 << 20 / superblockSize

// logs makes logs in zones: from a generation on, so many superblocks.
func logs(t *testing.T, zones ...[2]uint64) []byte {
	t.Helper()
	first, err := block.ReadBytes(zonedDevice(t), 0, superblockSize, superblockSize)
	if err != nil {
		t.Fatal(err)
	}
	binary.LittleEndian.PutUint64(first[0x32B+keySize:], zone)
	image := make([]byte, 3*zone)
	for i, z := range zones {
		for n := range z[1] {
			b := bytes.Clone(first)
			binary.LittleEndian.PutUint64(b[0x48:], z[0]+n)
			seal(b)
			copy(image[uint64(i)*zone+n*superblockSize:], b)
		}
	}
	return image
}

// TestLogMutations damages the superblocks of two logs.
func TestLogMutations(t *testing.T) {
	image := logs(t, [2]uint64{7, full}, [2]uint64{7 + full, 3})
	testimg.Mutate(t, testimg.Mutations{Image: image, Seed: 4,
		Where: []testimg.Range{{Off: 0, N: superblockSize}, {Off: zone - superblockSize, N: superblockSize}, {Off: zone, N: 3 * superblockSize}},
		Run: func(r block.Reader) error {
			_, err := readSuperblock(r)
			return err
		},
		Seal: func(p *testimg.Patch, changed []int64) {
			for _, off := range changed {
				b := bytes.Clone(image[off/superblockSize*superblockSize:][:superblockSize])
				seal(b)
				p.Write(off/superblockSize*superblockSize, b)
			}
		},
	})
}

// TestLogOfSuperblocks has logs in two zones of 4 MiB.
func TestLogOfSuperblocks(t *testing.T) {
	logs := func(zones ...[2]uint64) []byte { return logs(t, zones...) }
	for name, c := range map[string]struct {
		image []byte
		want  uint64
	}{
		"one":              {logs([2]uint64{7, 1}), 7},
		"some":             {logs([2]uint64{7, 30}), 36},
		"a zone":           {logs([2]uint64{7, full}), 6 + full},
		"two zones":        {logs([2]uint64{7, full}, [2]uint64{7 + full, 3}), 9 + full},
		"the first again":  {logs([2]uint64{7 + 2*full, 5}, [2]uint64{7 + full, full}), 11 + 2*full},
		"less than a zone": {logs([2]uint64{7, full - 100}, [2]uint64{7 + full, 1}), 7 + full},
	} {
		if s, err := readSuperblock(bytes.NewReader(c.image)); err != nil || s.generation != c.want {
			t.Errorf("%s: %+v, %v, want generation %d", name, s, err, c.want)
		}
	}
	damaged := logs([2]uint64{7, 30})
	damaged[29*superblockSize+0x50] ^= 1
	if s, err := readSuperblock(bytes.NewReader(damaged)); s == nil || s.generation != 35 || !errors.Is(err, block.ErrCorrupt) {
		t.Errorf("with the last one damaged: %+v, %v", s, err)
	}
	sizeless := logs([2]uint64{7, 2})
	binary.LittleEndian.PutUint64(sizeless[0x32B+keySize:], 5<<20)
	if s, err := readSuperblock(bytes.NewReader(sizeless)); s != nil || !errors.Is(err, block.ErrUnsupported) {
		t.Errorf("without the size of zones: %+v, %v", s, err)
	}
}

// TestLogInBootArea has something like such a log where boot loaders are kept: a
// filesystem in the usual place counts, to the driver and to the probe.
func TestLogInBootArea(t *testing.T) {
	for name, change := range map[string]func(b []byte){
		"not zoned":          func(b []byte) { b[0xBC+1] &^= 1 << 4 },
		"another filesystem": func(b []byte) {},
	} {
		image := logs(t, [2]uint64{7, 1})
		b := bytes.Clone(image[:superblockSize])
		b[0x20] ^= 1 // of its UUID
		binary.LittleEndian.PutUint64(b[0x48:], 3)
		change(b)
		seal(b)
		copy(image[64<<10:], b)
		if s, err := readSuperblock(bytes.NewReader(image)); err != nil || s.generation != 3 {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
		found, err := probe.Volume(bytes.NewReader(image))
		if want := fmt.Sprintf("%x", b[0x20:0x24]); err != nil || found.Type != "btrfs" || !strings.HasPrefix(found.UUID, want) {
			t.Errorf("%s: %+v, %v; want the UUID %s…", name, found, err, want)
		}
	}
}

// seal gives a superblock its checksum.
func seal(b []byte) {
	var s superblock
	s.decode(b)
	copy(b, s.sum[:s.csumType.size()])
}
