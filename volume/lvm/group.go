package lvm

import (
	"fmt"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
)

// MaxVolumes bounds the volumes of a group.
const MaxVolumes = 4096

// Further limits of one group.
const (
	maxSegments = 1 << 16
	maxStripes  = 128
)

// A Group is a volume group.
type Group struct {
	Name, UUID string
	Sequence   int64 // of the metadata that counts
	ExtentSize int64 // bytes
	Volumes    []*Volume
	// PhysicalVolumes are those that are there; Missing are the UUIDs of the
	// others.
	PhysicalVolumes []*PhysicalVolume
	Missing         []string
}

// A Volume is a logical volume that a user sees.
type Volume struct {
	Name, UUID string
	Size       int64 // bytes
	// Device is its content, nil if Err says why it cannot be read.
	Device block.Device
	Err    error
	// PhysicalVolumes are those that it lies on and that are there, in the
	// order of its content, each once.
	PhysicalVolumes []*PhysicalVolume
}

// Assemble puts physical volumes together. A group whose metadata cannot be
// used is left out with a problem, as is every copy of the metadata that is
// bad. Of two physical volumes with the same ID the first counts. Several groups
// may have one name.
func Assemble(pvs []*PhysicalVolume) (groups []*Group, problems []error) {
	byID := map[string]*PhysicalVolume{}
	newest := map[string]*parsed{} // by the UUID of the group
	var order []string
	for _, pv := range pvs {
		if byID[pv.id] != nil {
			problems = append(problems, block.Errorf(format, "physical volume", -1, block.ErrAmbiguous, "two have the ID %s, as copies do; the first counts", pv.UUID))
			continue
		}
		byID[pv.id] = pv
		for _, a := range pv.areas {
			text, err := pv.text(a)
			if err != nil {
				problems = append(problems, err)
				continue
			}
			if text == nil {
				continue
			}
			m, err := parseGroup(text)
			if err != nil {
				problems = append(problems, err)
				continue
			}
			old := newest[m.uuid]
			if old == nil {
				order = append(order, m.uuid)
			}
			if old == nil || m.sequence > old.sequence {
				newest[m.uuid] = m
			}
		}
	}
	for _, id := range order {
		groups = append(groups, newest[id].build(byID))
	}
	return groups, problems
}

// parsed is a group as a text describes it.
type parsed struct {
	name, uuid string
	sequence   int64
	extent     int64 // bytes
	s          *section
	pvs        map[string]pvText // by the name that segments use
	ids        []string          // of the physical volumes, in order
}

// pvText is a physical volume as a text describes it.
type pvText struct {
	id           string // without dashes
	start, count int64  // bytes; extents
}

func bad(what, detail string, args ...any) error {
	return block.Errorf(format, what, -1, block.ErrCorrupt, detail, args...)
}

// parseGroup reads the one section of a text that is a group.
func parseGroup(text []byte) (*parsed, error) {
	root, err := parseText(text)
	if err != nil {
		return nil, err
	}
	if len(root.sections) != 1 {
		return nil, bad("metadata text", "%d groups", len(root.sections))
	}
	s := root.sections[0]
	m := &parsed{name: s.name, uuid: s.values["id"].str, sequence: s.values["seqno"].num, s: s, pvs: map[string]pvText{}}
	what := fmt.Sprintf("volume group %.40q", s.name)
	sectors := s.values["extent_size"].num
	switch {
	case !validName(s.name):
		return nil, bad(what, "the name is not valid")
	case m.uuid == "":
		return nil, bad(what, "it has no ID")
	case sectors <= 0 || sectors > 1<<32:
		return nil, bad(what, "extents of %d sectors", sectors)
	}
	m.extent = sectors * sectorSize
	list := s.child("physical_volumes")
	if list == nil {
		return nil, bad(what, "it has no physical volumes")
	}
	for _, p := range list.sections {
		start, count := p.values["pe_start"].num, p.values["pe_count"].num
		id := strings.ReplaceAll(p.values["id"].str, "-", "")
		if start < 0 || start > 1<<52 || count < 0 || count > (1<<62)/m.extent || id == "" {
			return nil, bad(what, "the physical volume %.40q has %d extents from sector %d on", p.name, count, start)
		}
		m.pvs[p.name] = pvText{id, start * sectorSize, count}
		m.ids = append(m.ids, id)
	}
	return m, nil
}

// validName reports whether LVM itself would take a name.
func validName(s string) bool {
	if s == "" || s == "." || s == ".." || len(s) > 127 || s[0] == '-' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+.-") == ""
}

// build makes the group of the physical volumes that are there.
func (m *parsed) build(byID map[string]*PhysicalVolume) *Group {
	g := &Group{Name: m.name, UUID: m.uuid, Sequence: m.sequence, ExtentSize: m.extent}
	for _, id := range m.ids {
		if pv := byID[id]; pv != nil {
			g.PhysicalVolumes = append(g.PhysicalVolumes, pv)
		} else {
			g.Missing = append(g.Missing, dashed(id))
		}
	}
	list := m.s.child("logical_volumes")
	if list == nil {
		return g
	}
	for _, s := range list.sections {
		if !visible(s) {
			continue
		}
		if len(g.Volumes) == MaxVolumes {
			break
		}
		v := &Volume{Name: s.name, UUID: s.values["id"].str}
		if !validName(s.name) {
			v.Name = strings.ToValidUTF8(fmt.Sprintf("%.40q", s.name), "")
			v.Err = bad("logical volume", "the name %.40q is not valid", s.name)
		} else {
			v.Err = m.volume(v, s, byID)
		}
		g.Volumes = append(g.Volumes, v)
	}
	return g
}

// visible reports whether a user sees a volume: the parts of raids and pools
// are volumes too.
func visible(s *section) bool {
	for _, w := range s.values["status"].list {
		if w.str == "VISIBLE" {
			return true
		}
	}
	return false
}

// volume puts the segments of a volume together.
func (m *parsed) volume(v *Volume, s *section, byID map[string]*PhysicalVolume) error {
	what := fmt.Sprintf("logical volume %s/%s", m.name, s.name)
	n := s.values["segment_count"].num
	if n < 1 || n > maxSegments {
		return bad(what, "%d segments", n)
	}
	dev := &mapped{}
	var firstErr error
	for i := range n {
		seg := s.child(fmt.Sprintf("segment%d", i+1))
		if seg == nil {
			return bad(what, "segment %d is missing", i+1)
		}
		start, count := seg.values["start_extent"].num, seg.values["extent_count"].num
		if start*m.extent != dev.size || start < 0 || count < 1 || count > (1<<62)/m.extent || dev.size > 1<<62-count*m.extent {
			return bad(what, "segment %d has %d extents from %d on", i+1, count, start)
		}
		piece := piece{off: dev.size, size: count * m.extent}
		err := m.segment(&piece, s, seg, count, byID, what)
		if err != nil && firstErr == nil {
			firstErr = err
		}
		for _, st := range piece.stripes {
			if !slices.Contains(v.PhysicalVolumes, st.pv) {
				v.PhysicalVolumes = append(v.PhysicalVolumes, st.pv)
			}
		}
		dev.pieces = append(dev.pieces, piece)
		dev.size += piece.size
	}
	v.Size = dev.size
	if firstErr == nil {
		v.Device = dev
	}
	return firstErr
}

// segment finds the stripes of one segment; a linear one has one stripe.
func (m *parsed) segment(p *piece, of, seg *section, count int64, byID map[string]*PhysicalVolume, what string) error {
	if t := seg.values["type"].str; t != "striped" {
		return block.Errorf(format, what, -1, block.ErrUnsupported, "segments of the type %.40q", t)
	}
	n := seg.values["stripe_count"].num
	list := seg.values["stripes"].list
	if n < 1 || n > maxStripes || int64(len(list)) != 2*n || count%n != 0 {
		return bad(what, "%d stripes in a list of %d, over %d extents", n, len(list), count)
	}
	p.stripe = p.size
	if n > 1 {
		sectors := seg.values["stripe_size"].num
		if sectors < 1 || sectors > m.extent/sectorSize || m.extent%(sectors*sectorSize) != 0 {
			return bad(what, "stripes of %d sectors", sectors)
		}
		p.stripe = sectors * sectorSize
	}
	var missing error
	for i := range n {
		name, first := list[2*i].str, list[2*i+1].num
		t, ok := m.pvs[name]
		if lv := m.s.child("logical_volumes").child(name); !ok && lv != nil && lv != of {
			return block.Errorf(format, what, -1, block.ErrUnsupported, "it lies on the logical volume %.40q (pvmove, mirror or pool)", name)
		}
		if !ok {
			return bad(what, "stripe %d lies on %.40q, which is no physical volume", i, name)
		}
		if first < 0 || first > t.count || count/n > t.count-first {
			return bad(what, "stripe %d has %d extents from %d on, %.40q has %d", i, count/n, first, name, t.count)
		}
		pv := byID[t.id]
		if pv == nil {
			missing = block.Errorf(format, what, -1, block.ErrMissing, "physical volume %s is missing; add its disk with -a", dashed(t.id))
			continue
		}
		off := t.start + first*m.extent
		if end := off + count/n*m.extent; off < t.start || end < off || end > pv.Device.Size() {
			return block.Errorf(format, what, -1, block.ErrTruncated, "it ends at %d of the physical volume %s, which has %d bytes", end, pv.UUID, pv.Device.Size())
		}
		p.stripes = append(p.stripes, stripe{pv, off})
	}
	return missing
}
