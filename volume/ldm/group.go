package ldm

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/raid"
)

// A Group is disks with one database.
type Group struct {
	Name, GUID string
	Disks      []*Disk
	Volumes    []*Volume
	Problems   []error
}

// A Volume is one of a group.
type Volume struct {
	Name  string // "Volume1"
	GUID  string
	Type  string // "simple", "spanned", "striped", "mirrored", "raid5"
	Drive string // the letter that it had, "E:"; "" if there is none
	Size  int64  // bytes
	Disks []*Disk
	// Device is the content; nil where Err says why there is none.
	Device block.Device
	// Problems are what is missing and made up for; Err wraps block.ErrMissing
	// where nothing makes up for it.
	Problems []error
	Err      error
}

// Assemble makes groups of disks, and the volumes of each by the database that was
// committed last. Two copies of one disk count once, the first.
func Assemble(disks []*Disk) []*Group {
	var groups []*Group
	for _, d := range disks {
		i := slices.IndexFunc(groups, func(g *Group) bool { return g.GUID == d.Group })
		if i < 0 {
			i = len(groups)
			groups = append(groups, &Group{Name: d.GroupName, GUID: d.Group})
		}
		g := groups[i]
		if slices.ContainsFunc(g.Disks, func(x *Disk) bool { return x.GUID == d.GUID }) {
			g.Problems = append(g.Problems, block.Errorf(format, "disk "+d.Name, -1, block.ErrAmbiguous, "it is a copy of another one of this group, and not used"))
			continue
		}
		g.Disks = append(g.Disks, d)
	}
	for _, g := range groups {
		newest := slices.MaxFunc(g.Disks, func(a, b *Disk) int { return cmp.Compare(a.db.committed, b.db.committed) })
		for _, d := range g.Disks {
			if d.db.committed != newest.db.committed {
				g.Problems = append(g.Problems, block.Errorf(format, "disk "+d.Name, -1, block.ErrCorrupt, "its database is older than that of the others, which counts"))
			}
		}
		b := &builder{g: g, db: newest.db, on: map[string]*Disk{}}
		g.Problems = append(g.Problems, newest.db.problems...)
		for _, d := range g.Disks {
			b.on[d.GUID] = d
		}
		for i := range newest.db.volumes {
			g.Volumes = append(g.Volumes, b.volume(&newest.db.volumes[i]))
		}
	}
	return groups
}

// A builder puts the volumes of one group together.
type builder struct {
	g  *Group
	db *database
	on map[string]*Disk // by GUID
}

func (b *builder) volume(r *volumeRecord) *Volume {
	v := &Volume{Name: r.name, GUID: r.guid, Drive: r.drive}
	fault := func(class error, detail string, args ...any) *Volume {
		v.Device, v.Err = nil, block.Errorf(format, "volume "+v.Name, -1, class, detail, args...)
		return v
	}
	if r.size > 1<<53 {
		return fault(block.ErrCorrupt, "%d sectors", r.size)
	}
	v.Size = int64(r.size) * sectorSize
	var halves []raid.Member
	for i := range b.db.components {
		c := &b.db.components[i]
		if c.volume != r.id {
			continue
		}
		d, typ, missing, err := b.component(c, v)
		v.Type = typ
		switch {
		case err != nil:
			return fault(block.ErrCorrupt, "%v", err)
		case d != nil && d.Size() < v.Size:
			return fault(block.ErrCorrupt, "%d bytes, and %s has %d", v.Size, c.name, d.Size())
		}
		m := raid.Member{Name: c.name, Synced: -1}
		if len(missing) == 0 || typ == "raid5" && len(missing) == 1 {
			m.Dev = block.Section(d, 0, v.Size)
		}
		if len(missing) > 0 {
			v.Problems = append(v.Problems, block.Errorf(format, "volume "+v.Name, -1, block.ErrMissing, "%s", lacks(missing)))
		}
		halves = append(halves, m)
	}
	switch {
	case uint64(len(halves)) != r.components || len(halves) == 0:
		return fault(block.ErrCorrupt, "%d components, and %d are there", r.components, len(halves))
	case !slices.ContainsFunc(halves, func(m raid.Member) bool { return m.Dev != nil }):
		v.Err, v.Problems = v.Problems[0], nil
	case len(halves) == 1:
		v.Device = halves[0].Dev
	default:
		v.Type = "mirrored"
		a, err := raid.NewMirror(halves, v.Size)
		if err != nil {
			return fault(block.ErrCorrupt, "%v", err)
		}
		v.Device = a
	}
	return v
}

// component makes a device of the partitions of one. missing are the disks that
// are not there; without one of them RAID-5 has a device all the same.
func (b *builder) component(c *componentRecord, v *Volume) (d block.Device, typ string, missing []string, err error) {
	var members []raid.Member
	var sizes []int64
	offset := uint64(0)
	for i := range b.db.partitions {
		p := &b.db.partitions[i]
		if p.component != c.id {
			continue
		}
		switch {
		case p.size > 1<<53 || p.start > 1<<53:
			return nil, "", nil, fmt.Errorf("%s has %d sectors from %d on", p.name, p.size, p.start)
		case c.layout == layoutSpanned && p.offset != offset:
			return nil, "", nil, fmt.Errorf("%s begins at sector %d of it, not at %d", p.name, p.offset, offset)
		case c.layout != layoutSpanned && p.index != uint64(len(members)):
			return nil, "", nil, fmt.Errorf("%s is column %d, not %d", p.name, p.index, len(members))
		}
		offset += p.size
		m := raid.Member{Name: p.name, Synced: -1}
		rec, known := b.db.disks[p.disk]
		disk := b.on[rec.guid]
		start, size := int64(p.start)*sectorSize, int64(p.size)*sectorSize
		switch {
		case !known:
			return nil, "", nil, fmt.Errorf("%s is on disk %d, which is in no record", p.name, p.disk)
		case disk == nil:
			missing = append(missing, fmt.Sprintf("%s (%s)", rec.name, rec.guid))
		case start > disk.data.Size() || size > disk.data.Size()-start:
			return nil, "", nil, fmt.Errorf("%s reaches past the end of %s", p.name, rec.name)
		default:
			m.Dev = block.Section(disk.data, start, size)
			if !slices.Contains(v.Disks, disk) {
				v.Disks = append(v.Disks, disk)
			}
		}
		members, sizes = append(members, m), append(sizes, size)
	}
	if len(members) == 0 || uint64(len(members)) != c.partitions {
		return nil, "", nil, fmt.Errorf("%s has %d partitions, and %d are there", c.name, c.partitions, len(members))
	}
	if c.layout != layoutSpanned && (c.chunk == 0 || c.chunk > 1<<20) {
		return nil, "", nil, fmt.Errorf("%s has chunks of %d sectors", c.name, c.chunk)
	}
	chunk := int64(c.chunk) * sectorSize
	switch c.layout {
	case layoutSpanned:
		typ = "simple"
		if len(members) > 1 {
			typ = "spanned"
		}
		if len(missing) == 0 {
			d, err = raid.NewLinear(sizes, members)
		}
	case layoutStriped:
		typ = "striped"
		if len(missing) == 0 {
			d, err = raid.NewStriped(chunk, sizes, members, false)
		}
	case layoutRAID5:
		typ = "raid5"
		if len(missing) < 2 {
			d, err = raid.NewParity(5, raid.LeftSymmetric, chunk, slices.Min(sizes), members)
		}
	default:
		err = fmt.Errorf("%s has layout %d", c.name, c.layout)
	}
	return d, typ, missing, err
}

// lacks says which disks are to be added.
func lacks(missing []string) string {
	if len(missing) == 1 {
		return missing[0] + " is missing; add its disk with -a"
	}
	last := len(missing) - 1
	return strings.Join(missing[:last], ", ") + " and " + missing[last] + " are missing; add their disks with -a"
}
