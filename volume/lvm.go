package volume

import (
	"context"
	"fmt"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/volume/lvm"
)

// openLVM puts physical volumes together. A logical volume hangs below those
// that it lies on or, where none of them is there, below the first of its group.
func openLVM(_ context.Context, members []*Volume, _ *Options) (made []*Volume, problems []error) {
	var pvs []*lvm.PhysicalVolume
	on := map[*lvm.PhysicalVolume]*Volume{}
	for _, v := range members {
		pv, err := lvm.Open(v.Device)
		if v.Err = err; err != nil {
			continue
		}
		pv.Name = v.Name
		pvs = append(pvs, pv)
		on[pv] = v
	}
	groups, problems := lvm.Assemble(pvs)
	count := map[string]int{}
	for _, g := range groups {
		count[g.Name]++
	}
	used := map[*lvm.PhysicalVolume]bool{}
	for _, g := range groups {
		name := g.Name
		if count[name] > 1 { // which of them a guest means by it cannot be known
			name += "@" + g.UUID
			problems = append(problems, block.Errorf("lvm2", "volume group "+g.Name, -1, block.ErrAmbiguous, "%d have this name; this one is listed as %s", count[g.Name], name))
		}
		for _, pv := range g.PhysicalVolumes {
			used[pv] = true
			on[pv].Spare, on[pv].SpareErr = nil, nil
			spare, err := g.Spare(pv)
			if on[pv].SpareErr = err; err == nil && count[g.Name] == 1 {
				for _, s := range spare {
					on[pv].Spare = append(on[pv].Spare, Span(s))
				}
			}
		}
		for _, id := range g.Missing {
			problems = append(problems, block.Errorf("lvm2", "volume group "+name, -1, block.ErrMissing, "physical volume %s is missing; add its disk with -a", id))
		}
		for _, lv := range g.Volumes {
			made = append(made, logical(name, g, lv, on))
		}
		for _, lv := range g.Hidden {
			v := logical(name, g, lv, on)
			v.Hidden = true
			made = append(made, v)
		}
	}
	for _, pv := range pvs {
		if !used[pv] {
			on[pv].Err = block.Errorf("lvm2", "physical volume", -1, block.ErrUnsupported, "no volume group that can be read has it")
		}
	}
	return made, problems
}

// logical makes the volume of a logical one.
func logical(group string, g *lvm.Group, lv *lvm.Volume, on map[*lvm.PhysicalVolume]*Volume) *Volume {
	v := &Volume{Name: fmt.Sprintf("lvm:%s/%s", group, lv.Name), Kind: Logical, UUID: g.UUID + lv.UUID, Device: lv.Device, Size: lv.Size, Err: lv.Err, Problems: lv.Problems, Shared: !lv.Direct}
	for _, pv := range lv.PhysicalVolumes {
		v.Parents = append(v.Parents, on[pv])
	}
	if len(v.Parents) == 0 && len(g.PhysicalVolumes) > 0 {
		v.Parents = []*Volume{on[g.PhysicalVolumes[0]]}
	}
	return v
}
