package volume

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
)

// fixture unpacks a disk of package partition.
func fixture(t testing.TB, name string) []byte {
	t.Helper()
	return testimg.Unpack(t, "../partition/testdata/"+name+".img.gz")
}

func device(b []byte) block.Device { return block.Plain(bytes.NewReader(b)) }

func scan(t *testing.T, disks ...[]byte) *Tree {
	t.Helper()
	var ds []block.Device
	for _, b := range disks {
		ds = append(ds, device(b))
	}
	tree, err := Scan(t.Context(), ds, nil)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func names(vs []*Volume) string {
	var s []string
	for _, v := range vs {
		s = append(s, v.Name)
	}
	return strings.Join(s, " ")
}

func outline(vs []*Volume) string {
	var b strings.Builder
	for _, v := range vs {
		parent := "-"
		if v.parent() != nil {
			parent = v.parent().Name
		}
		fmt.Fprintf(&b, "%s %s %d %s %d+%d %v\n", v.Name, v.Kind, v.DiskIndex, parent, v.Off, v.Size, v.Leaf())
	}
	return b.String()
}

func TestScan(t *testing.T) {
	bare := make([]byte, 4096)
	tree := scan(t, fixture(t, "gpt"), fixture(t, "mbr"), bare)
	const want = `disk table 0 - 0+16777216 false
gpt1 partition 0 disk 1048576+1048576 true
gpt2 partition 0 disk 2097152+2097152 true
gpt3 partition 0 disk 4194304+3145728 true
disk2 table 1 - 0+16777216 false
disk2:mbr1 partition 1 disk2 1048576+1048576 true
disk2:mbr2 partition 1 disk2 2097152+2097152 true
disk2:mbr3 extended 1 disk2 4194304+12582912 false
disk2:mbr5 partition 1 disk2:mbr3 5242880+1048576 true
disk2:mbr6 partition 1 disk2:mbr3 7340032+2097152 true
disk2:mbr7 partition 1 disk2:mbr3 10485760+1048576 true
disk3 disk 2 - 0+4096 true
`
	if got := outline(tree.Volumes); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := names(tree.Leaves()); got != "gpt1 gpt2 gpt3 disk2:mbr1 disk2:mbr2 disk2:mbr5 disk2:mbr6 disk2:mbr7 disk3" {
		t.Error(got)
	}
	if got := names(tree.Volumes[7].Children); got != "disk2:mbr5 disk2:mbr6 disk2:mbr7" {
		t.Error(got)
	}
}

func TestLookup(t *testing.T) {
	tree := scan(t, fixture(t, "gpt"), fixture(t, "mbr"))
	for name, want := range map[string]string{
		"disk": "disk", "disk1": "disk", "gpt2": "gpt2", "disk1:gpt2": "gpt2", "disk2": "disk2", "disk2:mbr5": "disk2:mbr5",
		"mbr5": "", "disk2:gpt1": "", "gpt4": "", "": "", "disk3": "", "disk1:disk2": "",
	} {
		v, ok := tree.Lookup(name)
		if ok != (want != "") || ok && v.Name != want {
			t.Errorf("%s: %v", name, v)
		}
	}
	if got := names(tree.ByPartUUID("AAAAAAAA-0000-4000-8000-000000000002")); got != "gpt2" {
		t.Error(got)
	}
	if got := names(tree.ByPartUUID("1badb002-05")); got != "disk2:mbr5" {
		t.Error(got)
	}
	if got := names(tree.ByPartLabel("Größe 日本 😀")); got != "gpt2" {
		t.Error(got)
	}
	if got := names(tree.ByPartUUID("")) + names(tree.ByPartLabel("")); got != "" {
		t.Errorf("nothing names %s", got)
	}
	twice := scan(t, fixture(t, "gpt"), fixture(t, "gpt"))
	if got := names(twice.ByPartLabel("EFI System Partition")); got != "gpt1 disk2:gpt1" {
		t.Error(got)
	}
}

// TestDevice checks that a volume is its partition and not a byte more.
func TestDevice(t *testing.T) {
	disk := fixture(t, "mbr")
	for i := range disk[1<<20:] {
		disk[1<<20+i] ^= byte(i / 511)
	}
	copy(disk[4<<20:], fixture(t, "mbr")[4<<20:])
	for _, v := range scan(t, disk).Leaves() {
		testimg.TestDevice(t, v.Device, bytes.NewReader(disk[v.Off:v.Off+v.Size]), 512)
	}
}

// TestDamaged checks that one bad disk does not hide the others.
func TestDamaged(t *testing.T) {
	loop := make([]byte, 1<<20)
	loop[510], loop[511], loop[0x1BE+4] = 0x55, 0xAA, 5
	binary.LittleEndian.PutUint32(loop[0x1BE+12:], 100)
	tree := scan(t, loop, fixture(t, "gpt"))
	v := tree.Volumes[0]
	if v.Name != "disk" || !errors.Is(v.Err, block.ErrLoop) || v.Leaf() || len(v.Children) > 0 {
		t.Errorf("%+v", v)
	}
	if got := names(tree.Leaves()); got != "disk2:gpt1 disk2:gpt2 disk2:gpt3" {
		t.Error(got)
	}
	cut := fixture(t, "gpt")[:3<<20]
	tree = scan(t, cut)
	v, _ = tree.Lookup("gpt2")
	if v.Size != 1<<20 || len(v.Problems) != 1 || !errors.Is(v.Problems[0], block.ErrTruncated) || v.Device.Size() != v.Size {
		t.Errorf("%+v", v)
	}
	v, _ = tree.Lookup("gpt3")
	if v.Size != 0 || len(v.Problems) != 1 || v.Leaf() || !errors.Is(v.Err, block.ErrTruncated) {
		t.Errorf("%+v", v)
	}
	if p := tree.Volumes[0].Problems; len(p) != 2 { // the backup, and what is usable
		t.Errorf("problems of the table: %v", p)
	}
}

func TestLimits(t *testing.T) {
	if _, err := Scan(t.Context(), nil, nil); err == nil {
		t.Error("no disks were scanned")
	}
	many := make([]block.Device, maxDisks+1)
	for i := range many {
		many[i] = device(make([]byte, 512))
	}
	if _, err := Scan(t.Context(), many, nil); !errors.Is(err, block.ErrLimit) {
		t.Error(err)
	}
	if tree, err := Scan(t.Context(), many[:maxDisks], nil); err != nil || len(tree.Volumes) != maxDisks {
		t.Error(err)
	}
}

// TestEmptyTable checks that a disk whose table has no partitions is still
// looked into.
func TestEmptyTable(t *testing.T) {
	d := make([]byte, 1<<20)
	d[510], d[511], d[0x1B8] = 0x55, 0xAA, 1
	v := scan(t, d).Volumes[0]
	if v.Kind != Table || !v.Leaf() {
		t.Errorf("%+v", v)
	}
}
