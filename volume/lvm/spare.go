package lvm

import (
	"fmt"
	"slices"

	"github.com/guestkit/guestkit/block"
)

// A Span is a run of bytes of a physical volume.
type Span struct{ Off, Len int64 }

// spare finds the extents of the physical volumes that no segment names, and the
// volumes whose bytes are theirs alone. Where anything in the text is not
// understood, more is taken for used, or nothing is spare.
func (m *parsed) spare(g *Group, byID map[string]*PhysicalVolume, lvs map[string]*lv) {
	used := map[string][]Span{} // by the name of the physical volume, in extents
	named := map[string]bool{}  // volumes that others are made of, or lie on
	plain := map[string]bool{}  // all of its segments lie on physical volumes as they are
	ok := len(g.Missing) == 0
	for _, kind := range m.s.sections {
		for _, s := range kind.sections {
			if kind.name != "logical_volumes" {
				continue
			}
			plain[s.name] = true
			n := s.values["segment_count"].num
			if n < 0 || n > int64(len(s.sections)) {
				ok = false
			}
			for _, seg := range s.sections {
				typ, count, stripes := segmentType(seg), seg.values["extent_count"].num, seg.values["stripe_count"].num
				striped := typ == "striped" || typ == "linear"
				plain[s.name] = plain[s.name] && striped
				each := count
				if striped && stripes > 1 && count%stripes == 0 {
					each = count / stripes
				}
				for _, v := range seg.values {
					if !v.isList {
						if _, is := lvs[v.str]; is && v.str != s.name {
							named[v.str] = true
						}
						continue
					}
					for i, x := range v.list {
						if _, is := lvs[x.str]; is && x.str != "" {
							named[x.str] = true
							plain[s.name] = false
						}
						if _, is := m.pvs[x.str]; !is || x.str == "" {
							continue
						}
						if i+1 == len(v.list) || !v.list[i+1].isNum || v.list[i+1].num < 0 || each < 1 {
							ok = false
							continue
						}
						used[x.str] = append(used[x.str], Span{v.list[i+1].num, each})
					}
				}
			}
		}
	}
	if !ok {
		return
	}
	g.spare = map[*PhysicalVolume][]Span{}
	twice := false // an extent that two segments name is nobody's alone
	for name, t := range m.pvs {
		pv := byID[t.id]
		if pv == nil {
			continue
		}
		spans := used[name]
		slices.SortFunc(spans, func(a, b Span) int {
			switch {
			case a.Off < b.Off:
				return -1
			case a.Off > b.Off:
				return 1
			}
			return 0
		})
		pos, whole := int64(0), true
		var out []Span
		for _, s := range append(spans, Span{t.count, 0}) {
			if s.Off > t.count || s.Len > t.count-s.Off {
				whole, twice = false, true // it names extents that are not there
				break
			}
			if s.Off > pos {
				out = append(out, Span{t.start + pos*m.extent, (s.Off - pos) * m.extent})
			}
			twice = twice || s.Off < pos && s.Len > 0
			pos = max(pos, s.Off+s.Len)
		}
		if whole && t.start+t.count*m.extent <= pv.Device.Size() {
			g.spare[pv] = out
		}
	}
	for name, v := range lvs {
		v.Direct = !twice && plain[name] && !named[name] && v.Type != "snapshot" && v.Err == nil
	}
}

// Spare lists what of a physical volume no volume of the group lies on, in rising
// order. An error says why that cannot be told.
func (g *Group) Spare(pv *PhysicalVolume) ([]Span, error) {
	if s, ok := g.spare[pv]; ok {
		return s, nil
	}
	what := fmt.Sprintf("volume group %s", g.Name)
	if len(g.Missing) > 0 {
		return nil, block.Errorf(format, what, -1, block.ErrMissing, "a missing physical volume may have newer metadata, so that its free extents cannot be told")
	}
	return nil, block.Errorf(format, what, -1, block.ErrCorrupt, "its metadata does not tell which extents are free")
}
