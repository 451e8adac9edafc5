package volume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
)

// scanCase scans the disks of a case of fixtures but those of the given
// numbers.
func scanCase(t *testing.T, archive, want string, without ...int) *Tree {
	t.Helper()
	var disks []block.Device
	files := testimg.Case(t, archive, want)
	for i := 0; files[fmt.Sprintf("m%d", i)] != nil; i++ {
		if !slices.Contains(without, i) {
			disks = append(disks, block.Plain(bytes.NewReader(files[fmt.Sprintf("m%d", i)])))
		}
	}
	tree, err := Scan(context.Background(), disks, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	return tree
}

const (
	mdArrays  = "md/testdata/arrays.tar.zst"
	lvmGroups = "lvm/testdata/groups.tar.zst"
)

// TestArrays finds a filesystem on LVM on a mirror.
func TestArrays(t *testing.T) {
	for _, without := range [][]int{nil, {0}, {1}} {
		tree := scanCase(t, mdArrays, "guest", without...)
		array, ok := tree.Lookup("md:test")
		if !ok || array.Kind != Array || array.Found.Type != "LVM2_member" || len(array.Parents) != 2-len(without) || strings.Count(array.UUID, ":") != 3 {
			t.Fatalf("without %v: %+v", without, array)
		}
		if degraded := len(array.Problems) > 0; degraded != (len(without) > 0) {
			t.Errorf("without %v: %v", without, array.Problems)
		}
		root, ok := tree.Lookup("lvm:vgr/root")
		if !ok || root.Found.Type != "ext4" || !slices.Contains(root.Parents, array) || !slices.Equal(tree.Leaves(), []*Volume{root}) {
			t.Errorf("without %v: %+v, leaves %v", without, root, tree.Leaves())
		}
	}
	tree := scanCase(t, mdArrays, "raid5-left-symmetric", 0, 1)
	if v, ok := tree.Lookup("md:test"); !ok || v.Status() != Incomplete || !strings.Contains(fmt.Sprint(v.Err), "0 is missing, 1 is missing") {
		t.Errorf("with half of its members: %+v", v)
	}
	for name, want := range map[string]string{"imsm": "RAID of Intel's firmware: \"0\", raid5 of 3 members", "ddf": "raid5 of 3 members"} {
		for _, v := range scanCase(t, mdArrays, name).Volumes {
			if v.Status() != Unsupported || !strings.Contains(fmt.Sprint(v.Err), want) {
				t.Errorf("%s: %s, %v", name, v.Status(), v.Err)
			}
		}
	}
}

// TestHidden looks up what is in no list.
func TestHidden(t *testing.T) {
	tree := scanCase(t, lvmGroups, "thinraid")
	var names []string
	for _, v := range tree.Leaves() {
		names = append(names, v.Name)
	}
	if !slices.Equal(names, []string{"lvm:thinraid/t"}) {
		t.Errorf("leaves: %v", names)
	}
	for _, name := range []string{"tdata_tdata", "tdata_tmeta_rimage_1", "tdata_tdata_rmeta_0"} {
		v, ok := tree.Lookup("lvm:thinraid/" + name)
		if !ok || !v.Hidden || v.Err != nil || v.Size == 0 || v.Leaf() || slices.Contains(tree.Volumes, v) {
			t.Errorf("%s: %+v", name, v)
		}
	}
	if pool, ok := tree.Lookup("lvm:thinraid/tdata"); !ok || !errors.Is(pool.Err, block.ErrUnsupported) {
		t.Errorf("the pool: %+v", pool)
	}
}
