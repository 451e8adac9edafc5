package volume

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/partition"
	"github.com/guestkit/guestkit/volume/probe"
)

// maxNested bounds the partitions in one volume that is no disk: a table there
// may cover itself, and so be found again in its own partitions.
const maxNested = 128

// disk adds a disk and what its table divides it into. A table counts for more
// here than what else the bytes look like.
func (s *scanner) disk(index int, d block.Device) {
	name, prefix := "disk", ""
	if index > 0 {
		name = fmt.Sprintf("disk%d", index+1)
		prefix = name + ":"
	}
	v := &Volume{Name: name, Kind: Disk, DiskIndex: index, Device: d, Size: d.Size()}
	s.add(v)
	if s.o.luksHeader(v) != nil { // encrypted bytes may look like a table
		return
	}
	table, err := partition.Read(d, &partition.Options{SectorSize: s.o.SectorSize})
	switch {
	case errors.Is(err, block.ErrFormat):
		return
	case err != nil:
		v.Err = err
		return
	}
	v.Kind = Table
	if iso := hybrid(v, table); iso != nil {
		iso.Name = prefix + iso.Name
		s.add(iso)
	}
	for _, c := range divide(v, table, prefix) {
		s.add(c)
	}
}

// hybrid returns the ISO 9660 on a disk that has a partition table for those
// who start from a stick, nil if there is none or a partition shows it. One that
// was there before the table is none: partitions lie in the ISO then, or behind it, and
// one of them, which keeps others from using its bytes, ends where it does.
func hybrid(disk *Volume, table *partition.Table) *Volume {
	const primary, near = 16 * 2048, 1 << 20
	b := make([]byte, 2048)
	if block.ReadFull(disk.Device, b, primary) != nil || string(b[:6]) != "\x01CD001" {
		return nil
	}
	end := int64(binary.LittleEndian.Uint32(b[80:])) * int64(binary.LittleEndian.Uint16(b[128:]))
	if end <= primary || end > disk.Size {
		return nil
	}
	fits := false
	for _, p := range table.Partitions {
		if p.Start == 0 || p.Start < end && p.Start+p.Size > end+near {
			return nil
		}
		fits = fits || p.Start < end && p.Start+p.Size > end-near
	}
	found, err := probe.Volume(block.Section(disk.Device, 0, end))
	if !fits || err != nil || found.Type != "iso9660" {
		return nil
	}
	return &Volume{Name: "iso", Kind: Whole, DiskIndex: disk.DiskIndex, Parents: []*Volume{disk}, Device: block.Section(disk.Device, 0, end), Size: end, Found: found, Shared: true}
}

// openTables looks for partition tables where nothing else was found: in
// logical volumes and partitions that are the disks of other guests.
func openTables(ctx context.Context, members []*Volume, o *Options) (made []*Volume, problems []error) {
	for _, v := range members {
		if v.Kind == Disk || v.Kind == Table || nested(v) {
			continue
		}
		table, err := partition.Read(v.Device, nil)
		if err != nil || len(table.Partitions) == 0 || len(table.Partitions) > maxNested {
			continue // boot code has the mark of a table as well
		}
		if table.Scheme != partition.MBR && table.Scheme != partition.GPT {
			continue // a slice may begin with the label of its disk, or an old one
		}
		made = append(made, divide(v, table, v.Name+":")...)
	}
	return made, problems
}

// nested reports whether v lies in the partition of a volume that is itself one
// with a table and no disk.
func nested(v *Volume) bool {
	for ; v != nil; v = v.parent() {
		if p := v.parent(); v.Partition != nil && p != nil && p.Table != nil && p.Kind != Table {
			return true
		}
	}
	return false
}

// divide makes the partitions of a table on v.
func divide(v *Volume, table *partition.Table, prefix string) []*Volume {
	v.Table, v.Problems = table, append(v.Problems, ownProblems(table)...)
	base := int64(0)
	if v.Partition != nil {
		base = v.Off
	}
	var made, extended []*Volume
	for i := range table.Partitions {
		p := &table.Partitions[i]
		c := &Volume{
			Name:      fmt.Sprintf("%s%s%d", prefix, table.Scheme, p.Number),
			Kind:      Partition,
			DiskIndex: v.DiskIndex,
			Parents:   []*Volume{v},
			Device:    block.Section(v.Device, p.Start, p.Size),
			Off:       base + p.Start,
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
			c.Parents[0] = within(extended, c, v)
		}
		made = append(made, c)
		if table.Scheme != partition.MBR && table.Scheme != partition.GPT {
			continue // a label in a label could be the same one
		}
		// A filesystem may begin where the label lies, and is one of its
		// partitions then.
		switch label, err := partition.ReadLabel(c.Device, p); {
		case err == nil && len(label.Partitions) > 0:
			made = append(made, divide(c, label, c.Name+":")...)
		case err != nil && !errors.Is(err, block.ErrFormat):
			c.Problems = append(c.Problems, err)
		}
	}
	markDynamic(v, made)
	return made
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
