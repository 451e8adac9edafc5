package volume

import (
	"errors"
	"fmt"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/partition"
	"github.com/guestkit/guestkit/volume/lvm"
)

// A Kind says what makes a volume.
type Kind string

const (
	Disk      Kind = "disk"      // a whole disk without a partition table
	Table     Kind = "table"     // a whole disk with a partition table
	Partition Kind = "partition" // a primary or logical partition
	Extended  Kind = "extended"  // holds the logical partitions of an MBR
	Logical   Kind = "lv"        // a logical volume of LVM
)

// maxDisks bounds the disks of one guest.
const maxDisks = 256

// Options says how disks are scanned. The zero value, or nil, is safe.
type Options struct {
	// SectorSize is the size in bytes of the sectors of all disks, 0 to take
	// what each disk states, or to find it out; see package partition.
	SectorSize int
}

// A Volume is a run of bytes that may hold a filesystem or other volumes.
type Volume struct {
	Name      string // "disk", "gpt2", "disk2:mbr5", "lvm:vg/lv"; unique in its tree
	Kind      Kind
	DiskIndex int // of its disk in the arguments of Scan
	Parent    *Volume
	Children  []*Volume
	// Device is the content. It is never nil, and may be empty where the
	// table is damaged.
	Device    block.Device
	Off, Size int64                // bytes; Off on the disk
	Table     *partition.Table     // of a Kind of Table
	Partition *partition.Partition // of a partition
	// Physical is set where the volume is a physical volume of LVM. The
	// logical volumes that begin on it are its children.
	Physical *lvm.PhysicalVolume
	// Problems are the faults of this volume: those of its table that belong
	// to no single partition, or those of its entry in one.
	Problems []error
	// Err says why the volume cannot be looked into: its partition table is
	// one and cannot be trusted, or nothing of the partition is on the disk.
	Err error
}

// Leaf reports whether the volume holds content of its own: it is not divided
// further, and nothing is known to be wrong with it.
func (v *Volume) Leaf() bool {
	if v.Err != nil || v.Physical != nil {
		return false
	}
	switch v.Kind {
	case Disk, Partition, Logical:
		return true
	case Table:
		return len(v.Children) == 0
	}
	return false
}

// A Tree is all volumes of the disks of a guest.
type Tree struct {
	Volumes []*Volume // parents before children, disk by disk; logical volumes last
	// Problems are the faults of layers above the disks: of volume groups.
	Problems []error
}

// Scan reads the partition tables of the disks of one guest. An error of one
// disk is in the Err of its volume and does not end the scan; Scan itself
// fails if there are too many disks or none.
func Scan(disks []block.Device, opts *Options) (*Tree, error) {
	if opts == nil {
		opts = &Options{}
	}
	if len(disks) == 0 {
		return nil, errors.New("volume: no disks")
	}
	if len(disks) > maxDisks {
		return nil, block.Errorf("", "disks", -1, block.ErrLimit, "%d, more than %d", len(disks), maxDisks)
	}
	t := new(Tree)
	for i, d := range disks {
		t.scanDisk(i, d, opts)
	}
	t.scanLVM()
	return t, nil
}

func (t *Tree) scanDisk(index int, d block.Device, opts *Options) {
	name, prefix := "disk", ""
	if index > 0 {
		name = fmt.Sprintf("disk%d", index+1)
		prefix = name + ":"
	}
	v := &Volume{Name: name, Kind: Disk, DiskIndex: index, Device: d, Size: d.Size()}
	t.Volumes = append(t.Volumes, v)
	table, err := partition.Read(d, &partition.Options{SectorSize: opts.SectorSize})
	switch {
	case errors.Is(err, block.ErrFormat):
		return
	case err != nil:
		v.Err = err
		return
	}
	v.Kind, v.Table, v.Problems = Table, table, ownProblems(table)
	var extended []*Volume
	for i := range table.Partitions {
		p := &table.Partitions[i]
		c := &Volume{
			Name:      fmt.Sprintf("%s%s%d", prefix, table.Scheme, p.Number),
			Kind:      Partition,
			DiskIndex: index,
			Parent:    v,
			Device:    block.Section(d, p.Start, p.Size),
			Off:       p.Start,
			Size:      p.Size,
			Partition: p,
			Problems:  p.Problems,
		}
		if p.Size == 0 && len(p.Problems) > 0 {
			c.Err = p.Problems[len(p.Problems)-1]
		}
		if p.Extended {
			c.Kind = Extended
			extended = append(extended, c)
		}
		if p.Logical {
			c.Parent = within(extended, c, v)
		}
		c.Parent.Children = append(c.Parent.Children, c)
		t.Volumes = append(t.Volumes, c)
	}
}

// ownProblems returns the problems of a table that are not of one partition.
func ownProblems(table *partition.Table) []error {
	of := map[error]bool{}
	for i := range table.Partitions {
		for _, err := range table.Partitions[i].Problems {
			of[err] = true
		}
	}
	var own []error
	for _, err := range table.Problems {
		if !of[err] {
			own = append(own, err)
		}
	}
	return own
}

// within returns the extended partition that c lies in, or the disk.
func within(extended []*Volume, c, disk *Volume) *Volume {
	for _, e := range extended {
		if c.Off >= e.Off && c.Off-e.Off < e.Size {
			return e
		}
	}
	return disk
}

// Lookup returns the volume of that name. "disk1:" may stand before the names
// of the first disk.
func (t *Tree) Lookup(name string) (*Volume, bool) {
	if name == "disk1" {
		name = "disk"
	}
	if rest, ok := strings.CutPrefix(name, "disk1:"); ok && !strings.HasPrefix(rest, "disk") {
		name = rest
	}
	for _, v := range t.Volumes {
		if v.Name == name {
			return v, true
		}
	}
	return nil, false
}

// ByPartUUID returns the partitions whose UUID is id, in any case of letters:
// what PARTUUID= in a guest's fstab names. More than one means a copied disk.
func (t *Tree) ByPartUUID(id string) []*Volume {
	return t.partitions(func(p *partition.Partition) bool { return id != "" && strings.EqualFold(p.UUID, id) })
}

// ByPartLabel returns the partitions of that name in a GPT: PARTLABEL=.
func (t *Tree) ByPartLabel(label string) []*Volume {
	return t.partitions(func(p *partition.Partition) bool { return label != "" && p.Name == label })
}

func (t *Tree) partitions(match func(*partition.Partition) bool) []*Volume {
	var out []*Volume
	for _, v := range t.Volumes {
		if v.Partition != nil && match(v.Partition) {
			out = append(out, v)
		}
	}
	return out
}

// Leaves returns the volumes that may hold a filesystem, in the order of the
// tree.
func (t *Tree) Leaves() []*Volume {
	var out []*Volume
	for _, v := range t.Volumes {
		if v.Leaf() {
			out = append(out, v)
		}
	}
	return out
}
