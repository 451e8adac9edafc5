package lvm

import (
	"fmt"
	"strings"

	"github.com/guestkit/guestkit/block"
)

// maxNesting bounds how deep volumes are made of volumes.
const maxNesting = 16

// A builder makes the volumes of a group, each once: a volume may be made of
// others.
type builder struct {
	m     *parsed
	byID  map[string]*PhysicalVolume
	lvs   map[string]*lv
	order []*lv
	pools map[string]*pool
	depth int
}

// An lv is a volume while it is built. Its raw content is what its segments
// say; a snapshot of the old style, and an origin into which one is merged,
// show something else.
type lv struct {
	*Volume
	s    *section
	done bool
	busy bool
	raw  block.Device
}

func newBuilder(m *parsed, byID map[string]*PhysicalVolume) *builder {
	b := &builder{m: m, byID: byID, lvs: map[string]*lv{}, pools: map[string]*pool{}}
	if list := m.s.child("logical_volumes"); list != nil {
		for _, s := range list.sections {
			v := &lv{Volume: &Volume{Name: s.name, UUID: s.values["id"].str}, s: s}
			if first := s.child("segment1"); first != nil {
				v.Type = segmentType(first)
			}
			b.lvs[s.name] = v
			b.order = append(b.order, v)
		}
	}
	return b
}

// volumes builds all volumes and adds them to the group.
func (b *builder) volumes(g *Group) {
	for _, v := range b.order {
		shown := visible(v.s) && !isPool(v.Type) && v.Type != "snapshot"
		if shown && len(g.Volumes) == MaxVolumes || !shown && len(g.Hidden) == MaxVolumes {
			continue
		}
		if !validName(v.Name) {
			v.Name = strings.ToValidUTF8(fmt.Sprintf("%.40q", v.Name), "")
			v.Err = bad("logical volume", "the name %s is not valid", v.Name)
			v.done = true
		} else {
			b.finish(v)
		}
		if shown {
			g.Volumes = append(g.Volumes, v.Volume)
		} else if v.Type != "snapshot" {
			g.Hidden = append(g.Hidden, v.Volume)
		}
	}
	for _, v := range b.order {
		if v.Type == "snapshot" {
			b.snapshot(v.s.child("segment1"))
		}
	}
}

// isPool reports whether a type of segment holds other volumes and nothing
// itself.
func isPool(typ string) bool {
	return typ == "thin-pool" || typ == "cache-pool" || typ == "vdo-pool"
}

func (b *builder) what(v *lv) string { return fmt.Sprintf("logical volume %s/%s", b.m.name, v.s.name) }

// finish builds a volume if that was not done yet.
func (b *builder) finish(v *lv) {
	switch {
	case v.done:
		return
	case v.busy:
		v.Err = block.Errorf(format, b.what(v), -1, block.ErrLoop, "it is made of itself")
		return
	case b.depth == maxNesting:
		v.Err = block.Errorf(format, b.what(v), -1, block.ErrLimit, "volumes made of volumes, more than %d deep", maxNesting)
		v.done = true
		return
	}
	b.depth++
	v.busy = true
	err := b.segments(v)
	v.busy, v.done = false, true
	b.depth--
	if err != nil {
		v.Err, v.raw = err, nil
	}
	v.Device = v.raw
}

// open returns the raw content of the volume of a name, for another.
func (b *builder) open(name, what string) (*lv, error) {
	v := b.lvs[name]
	if v == nil {
		return nil, bad(what, "it is made of %.40q, which is neither a volume nor a physical one", name)
	}
	if v.busy {
		return nil, block.Errorf(format, what, -1, block.ErrLoop, "it is made of itself, by way of %.40q", name)
	}
	b.finish(v)
	if v.Err != nil {
		return nil, v.Err
	}
	return v, nil
}

// segments puts the segments of a volume together.
func (b *builder) segments(v *lv) error {
	what := b.what(v)
	n := v.s.values["segment_count"].num
	if n < 1 || n > maxSegments {
		return bad(what, "%d segments", n)
	}
	var parts []block.Device
	var firstErr error
	for i := range n {
		s := v.s.child(fmt.Sprintf("segment%d", i+1))
		if s == nil {
			return bad(what, "segment %d is missing", i+1)
		}
		start, count := s.values["start_extent"].num, s.values["extent_count"].num
		if start < 0 || start > (1<<62)/b.m.extent || start*b.m.extent != v.Size || count < 1 || count > (1<<62)/b.m.extent || v.Size > 1<<62-count*b.m.extent {
			return bad(what, "segment %d has %d extents from %d on", i+1, count, start)
		}
		d, err := b.segment(v, &segment{s: s, typ: segmentType(s), what: what, start: v.Size, count: count, size: count * b.m.extent})
		if err != nil && firstErr == nil {
			firstErr = err
		}
		parts = append(parts, d)
		v.Size += count * b.m.extent
	}
	switch {
	case firstErr != nil:
		return firstErr
	case len(parts) == 1:
		v.raw = parts[0]
	default:
		v.raw = sectored{block.Concat(parts...), block.SectorSize(parts[0])}
	}
	return nil
}

// sectored is a device in pieces that states the size of sectors of the first.
type sectored struct {
	block.Device
	sector int
}

func (s sectored) SectorSize() int { return s.sector }

// snapshot lets a volume show a snapshot of the old style: the store shows what
// it is a snapshot of, or the origin what is merged into it.
func (b *builder) snapshot(s *section) {
	if s == nil {
		return
	}
	origin, cow, merging := s.values["origin"].str, s.values["cow_store"].str, s.values["merging_store"].str
	shown := b.lvs[cow]
	if merging != "" {
		cow, shown = merging, b.lvs[origin]
	}
	if shown == nil {
		return
	}
	shown.Type = "snapshot"
	what := "logical volume " + b.m.name + "/" + shown.Name
	d, err := b.openSnapshot(what, origin, cow)
	if err != nil {
		shown.Err, shown.Device = err, nil
		return
	}
	shown.Device, shown.Size = d, d.Size()
	if merging != "" {
		shown.Problems = append(shown.Problems, block.Errorf(format, what, -1, block.ErrDirty, "the snapshot %s is being merged into it: what is shown is the end of that", merging))
	}
}

func (b *builder) openSnapshot(what, origin, cow string) (block.Device, error) {
	o, err := b.open(origin, what)
	if err != nil {
		return nil, err
	}
	c, err := b.open(cow, what)
	if err != nil {
		return nil, err
	}
	return openSnapshot(b.m.name+"/"+cow, o.raw, c.raw)
}
