package volume

import (
	"context"
	"errors"
	"slices"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/partition"
	"github.com/guestkit/guestkit/volume/ldm"
	"github.com/guestkit/guestkit/volume/probe"
)

// Types of the partitions of dynamic disks.
const (
	ldmMBR      = "0x42"
	ldmMetadata = "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3"
	ldmData     = "af9b60a0-1431-4f62-bc68-3311714a69ad"
)

const ldmMember = "LDM_member"

// markDynamic says of the partitions of a dynamic disk what they are: their first
// sectors are those of a volume, if they are of anything.
func markDynamic(v *Volume, parts []*Volume) {
	var of []*Volume
	for _, p := range parts {
		if t := p.Partition.Type; p.parent() == v && (t == ldmMBR || t == ldmMetadata || t == ldmData) {
			of = append(of, p)
		}
	}
	if len(of) == 0 {
		return
	}
	if _, err := ldm.Open(v.Device, metadataEnds(v.Table)...); errors.Is(err, block.ErrFormat) {
		return // another use of the type
	}
	for _, p := range of {
		p.Found = probe.Found{Type: ldmMember, Kind: probe.Member, Reason: "by the type of its partition and the PRIVHEAD of the disk"}
	}
}

func metadataEnds(t *partition.Table) []int64 {
	var ends []int64
	for _, p := range t.Partitions {
		if p.Type == ldmMetadata {
			ends = append(ends, p.Start+p.Size)
		}
	}
	return ends
}

// openLDM puts the volumes of Windows' dynamic disks together. They hang below the
// partitions that stand for the disks in their tables.
func openLDM(_ context.Context, members []*Volume, _ *Options) (made []*Volume, problems []error) {
	var disks []*ldm.Disk
	on := map[*ldm.Disk]*Volume{}
	seen := map[*Volume]bool{}
	for _, m := range members {
		p := m.parent()
		if seen[p] || m.Partition.Type == ldmMetadata {
			continue
		}
		seen[p] = true
		d, err := ldm.Open(p.Device, metadataEnds(p.Table)...)
		if m.Err = err; err != nil {
			continue
		}
		d.Name = p.Name
		disks = append(disks, d)
		on[d] = m
	}
	groups := ldm.Assemble(disks)
	for _, g := range groups {
		name := g.Name
		if slices.ContainsFunc(groups, func(x *ldm.Group) bool { return x != g && x.Name == g.Name }) {
			name += "@" + g.GUID
			problems = append(problems, block.Errorf("ldm", "disk group "+g.Name, -1, block.ErrAmbiguous, "several have this name; this one is listed as %s", name))
		}
		problems = append(problems, g.Problems...)
		for _, x := range g.Volumes {
			v := &Volume{Name: "ldm:" + name + "/" + x.Name, Kind: Array, UUID: x.GUID, Device: x.Device, Size: x.Size, Err: x.Err, Problems: x.Problems}
			v.Facts = []Fact{{"type", x.Type}}
			if x.Drive != "" {
				v.Facts = append(v.Facts, Fact{"drive", x.Drive})
			}
			for _, d := range x.Disks {
				v.Parents = append(v.Parents, on[d])
			}
			if len(v.Parents) == 0 {
				v.Parents = []*Volume{on[g.Disks[0]]}
			}
			made = append(made, v)
		}
	}
	return made, problems
}
