package volume

import (
	"errors"
	"fmt"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/volume/lvm"
)

// scanLVM looks for physical volumes among the leaves and adds the logical
// volumes of their groups.
func (t *Tree) scanLVM() {
	var pvs []*lvm.PhysicalVolume
	on := map[*lvm.PhysicalVolume]*Volume{}
	for _, v := range t.Leaves() {
		pv, err := lvm.Open(v.Device)
		if err != nil {
			if !errors.Is(err, block.ErrFormat) {
				v.Err = err
			}
			continue
		}
		v.Physical = pv
		pvs = append(pvs, pv)
		on[pv] = v
	}
	groups, problems := lvm.Assemble(pvs)
	t.Problems = append(t.Problems, problems...)
	used := map[*lvm.PhysicalVolume]bool{}
	for _, g := range groups {
		for _, pv := range g.PhysicalVolumes {
			used[pv] = true
		}
		if len(g.Missing) > 0 {
			t.Problems = append(t.Problems, block.Errorf("lvm2", "volume group "+g.Name, -1, block.ErrParent, "physical volumes are missing: %s", strings.Join(g.Missing, ", ")))
		}
		for _, lv := range g.Volumes {
			t.addLogical(g, lv, on)
		}
	}
	for _, pv := range pvs {
		if !used[pv] {
			on[pv].Err = block.Errorf("lvm2", "physical volume", -1, block.ErrUnsupported, "no volume group that can be read has it")
		}
	}
}

// addLogical adds a logical volume below the physical one on which it begins or,
// where that is missing, below the first of its group that is there.
func (t *Tree) addLogical(g *lvm.Group, lv *lvm.Volume, on map[*lvm.PhysicalVolume]*Volume) {
	first := lv.First
	if first == nil && len(g.PhysicalVolumes) > 0 {
		first = g.PhysicalVolumes[0]
	}
	parent := on[first]
	v := &Volume{Name: fmt.Sprintf("lvm:%s/%s", g.Name, lv.Name), Kind: Logical, Parent: parent, Device: lv.Device, Size: lv.Size, Err: lv.Err}
	if v.Device == nil {
		v.Device = block.Plain(strings.NewReader(""))
	}
	if parent != nil {
		v.DiskIndex = parent.DiskIndex
		parent.Children = append(parent.Children, v)
	}
	t.Volumes = append(t.Volumes, v)
}
