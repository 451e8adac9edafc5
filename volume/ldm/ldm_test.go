package ldm

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/partition"
)

// disks unpacks what libldm tests itself with: disks that Windows Server 2003 R2
// and 2008 R2 made.
func disks(t testing.TB) string {
	t.Helper()
	peers.Need(t, "tar", "xz")
	dir := t.TempDir()
	peers.Run(t, "tar", "-C", dir, "-xJSf", filepath.Join(peers.Suite(t, "libldm"), "test/data/ldm-data.tar.xz"))
	return dir
}

// ends returns where the metadata partitions of a disk end.
func ends(t testing.TB, d block.Reader) (out []int64) {
	t.Helper()
	table, err := partition.Read(d, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range table.Partitions {
		if p.Type == "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3" {
			out = append(out, p.Start+p.Size)
		}
	}
	return out
}

func openAll(t testing.TB, files []string) (out []*Disk) {
	t.Helper()
	for _, f := range files {
		r := testimg.File(t, f)
		d, err := Open(block.Plain(r), ends(t, r)...)
		if err != nil {
			t.Fatal(f, err)
		}
		d.Name = filepath.Base(f)
		out = append(out, d)
	}
	return out
}

// TestLdmtool compares all volumes of both groups with what ldmtool says of them.
func TestLdmtool(t *testing.T) {
	peers.Need(t, "ldmtool")
	dir := disks(t)
	for _, system := range []string{"2003r2", "2008r2"} {
		t.Run(system, func(t *testing.T) {
			files, _ := filepath.Glob(filepath.Join(dir, "ldm-"+system+"-*.img"))
			groups := Assemble(openAll(t, files))
			if len(groups) != 1 {
				t.Fatalf("%d groups", len(groups))
			}
			g := groups[0]
			for _, err := range g.Problems {
				t.Error(err)
			}
			tool := func(out any, args ...string) {
				var all []string
				for _, f := range files {
					all = append(all, "-d", f)
				}
				if err := json.Unmarshal([]byte(peers.Run(t, "ldmtool", append(all, args...)...)), out); err != nil {
					t.Fatal(err)
				}
			}
			var group struct {
				Name    string
				Volumes []string
			}
			tool(&group, "show", "diskgroup", g.GUID)
			slices.Sort(group.Volumes)
			var names []string
			for _, v := range g.Volumes {
				names = append(names, v.Name)
				var want struct {
					GUID, Type, Hint string
					Size             int64
				}
				tool(&want, "show", "volume", g.GUID, v.Name)
				if v.Err != nil || v.GUID != want.GUID || v.Type != strings.ToLower(want.Type) || v.Size != want.Size*sectorSize || v.Drive != want.Hint || v.Device.Size() != v.Size {
					t.Errorf("%+v, not %+v", v, want)
				}
			}
			if group.Name != g.Name || !slices.Equal(names, group.Volumes) {
				t.Errorf("%s %v, not %s %v", g.Name, names, group.Name, group.Volumes)
			}
		})
	}
}

// TestMutations damages the database of a disk.
func TestMutations(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(disks(t), "ldm-2008r2-raid5-*.img"))
	disk, err := os.ReadFile(files[1])
	if err != nil {
		t.Fatal(err)
	}
	head, at, err := findPrivhead(mem(disk), places(int64(len(disk)), ends(t, mem(disk))))
	if err != nil {
		t.Fatal(err)
	}
	where := ends(t, mem(disk))
	base := int64(head.databaseAt) * sectorSize
	rng := rand.New(rand.NewPCG(7, 7))
	for range 10000 {
		off := base + rng.Int64N(64<<10)
		if rng.IntN(8) == 0 {
			off = at + rng.Int64N(sectorSize)
		}
		old := disk[off]
		disk[off] = byte(rng.Uint32())
		use(disk, where...)
		disk[off] = old
	}
}

// use opens a disk and reads a little of each volume.
func use(disk []byte, ends ...int64) {
	d, err := Open(mem(disk), ends...)
	if err != nil {
		return
	}
	for _, g := range Assemble([]*Disk{d, d}) {
		for _, v := range g.Volumes {
			if v.Err == nil {
				_ = block.ReadFull(v.Device, make([]byte, min(4096, v.Size)), 0)
			}
		}
	}
}

func mem(b []byte) block.Device { return block.Plain(bytes.NewReader(b)) }

// small makes a disk of 64 KiB with one simple volume of eight sectors. TestLdmtool
// shows that the layout is right.
func small() []byte {
	be := binary.BigEndian
	disk := make([]byte, 64<<10)
	h := disk[6*sectorSize:]
	copy(h, "PRIVHEAD")
	be.PutUint16(h[0x0C:], 2)
	be.PutUint16(h[0x0E:], 12)
	copy(h[0x30:], "6495a85d-fbfd-11e1-8cf9-52540061f5db")
	copy(h[0xB0:], "06495a84-fbfd-11e1-8cf9-52540061f5db")
	copy(h[0xF0:], "group")
	for at, v := range map[int]uint64{0x11B: 8, 0x123: 8, 0x12B: 16, 0x133: 112} {
		be.PutUint64(h[at:], v)
	}
	toc := disk[17*sectorSize:]
	copy(toc, "TOCBLOCK")
	copy(toc[0x24:], "config")
	be.PutUint64(toc[0x2E:], 17)
	be.PutUint64(toc[0x36:], 64)
	db := disk[33*sectorSize:]
	copy(db, "VMDB")
	be.PutUint32(db[0x08:], 128)
	be.PutUint32(db[0x0C:], 512)
	be.PutUint16(db[0x10:], 1)
	be.PutUint16(db[0x12:], 4)
	zeros := func(n int) string { return strings.Repeat("\x00", n) }
	for i, r := range []string{
		"\x00\x00\x02\x51" + zeros(4) + "\x01\x01\x07Volume1\x03gen\x00ACTIVE" + zeros(15) + "\x01\x01" + zeros(16) + "\x01\x08" + zeros(4) + "\x07" + strings.Repeat("g", 16) + "\x02E:",
		"\x00\x00\x00\x32" + zeros(4) + "\x01\x02\x0AVolume1-01\x06ACTIVE\x02" + zeros(4) + "\x01\x01" + zeros(16) + "\x01\x01" + zeros(1),
		"\x00\x00\x00\x33" + zeros(4) + "\x01\x03\x08Disk1-01" + zeros(28) + "\x01\x08\x01\x02\x01\x04",
		"\x00\x00\x00\x44" + zeros(4) + "\x01\x04\x05Disk1" + "\x64\x95\xa8\x5d\xfb\xfd\x11\xe1\x8c\xf9\x52\x54\x00\x61\xf5\xdb",
	} {
		b := db[512+128*i:]
		copy(b, "VBLK")
		be.PutUint32(b[0x8:], uint32(i+1))
		be.PutUint16(b[0xE:], 1)
		copy(b[16:], r)
	}
	return disk
}

// TestSmall reads the disk that the fuzzing begins with.
func TestSmall(t *testing.T) {
	d, err := Open(mem(small()))
	if err != nil {
		t.Fatal(err)
	}
	g := Assemble([]*Disk{d})
	if len(g) != 1 || g[0].Name != "group" || len(g[0].Volumes) != 1 {
		t.Fatalf("%+v", g)
	}
	if v := g[0].Volumes[0]; v.Err != nil || v.Name != "Volume1" || v.Drive != "E:" || v.Size != 8*sectorSize || v.Device.Size() != v.Size {
		t.Errorf("%+v", v)
	}
	if _, err := Open(mem(make([]byte, 64<<10))); !errors.Is(err, block.ErrFormat) {
		t.Error(err)
	}
}

// FuzzDisk reads a disk of 64 KiB, all of which is metadata: the PRIVHEAD in
// sector 6 and the database.
func FuzzDisk(f *testing.F) {
	f.Add(small())
	f.Fuzz(func(t *testing.T, b []byte) {
		use(b[:min(len(b), 1<<20)])
	})
}

// TestManyParts opens a database each of whose blocks says that it is the first of
// 65535 parts of a record: what is kept of them is not more than the database has.
func TestManyParts(t *testing.T) {
	be := binary.BigEndian
	disk := append(small(), make([]byte, 2<<20)...)
	size := uint64(len(disk)/sectorSize - 16)
	be.PutUint64(disk[6*sectorSize+0x133:], size)
	be.PutUint64(disk[17*sectorSize+0x36:], size-17)
	db := disk[33*sectorSize:]
	const least = 32
	be.PutUint32(db[0x08:], least)
	n := 0
	for at := sectorSize; at+least <= len(db); at += least {
		copy(db[at:], "VBLK")
		n++
		be.PutUint32(db[at+0x8:], uint32(n))
		be.PutUint16(db[at+0xC:], 0)
		be.PutUint16(db[at+0xE:], 65535)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := Open(mem(disk)); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 256<<20 {
		t.Errorf("%d MiB for %d blocks", used>>20, n)
	}
}
