package lvm

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/raid"
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
	// Hidden are the volumes that others are made of: legs of raids, pools
	// and what those consist of.
	Hidden []*Volume
	// PhysicalVolumes are those that are there; Missing are the UUIDs of the
	// others.
	PhysicalVolumes []*PhysicalVolume
	Missing         []string

	spare map[*PhysicalVolume][]Span
}

// A Volume is a logical volume.
type Volume struct {
	Name, UUID string
	Type       string // of its first segment as LVM names it: "striped", "raid5_ls", "thin"; "snapshot" for one of the old style
	Size       int64  // bytes
	// Device is its content, nil if Err says why it cannot be read.
	Device block.Device
	Err    error
	// Problems say what is wrong with a volume that can be read all the same:
	// that a leg is missing, or stale.
	Problems []error
	// Direct says that each of its bytes lies once, as it is, on a physical
	// volume, and that no other volume or snapshot reads it.
	Direct bool
	// PhysicalVolumes are those that it lies on and that are there, in the
	// order of its content, each once.
	PhysicalVolumes []*PhysicalVolume

	arrays []*raid.Array
}

// on notes physical volumes that a volume lies on.
func (v *Volume) on(pvs ...*PhysicalVolume) {
	for _, pv := range pvs {
		if !slices.Contains(v.PhysicalVolumes, pv) {
			v.PhysicalVolumes = append(v.PhysicalVolumes, pv)
		}
	}
}

// Faults returns what was noticed of the legs of a volume while it was read.
func (v *Volume) Faults() []error {
	var out []error
	for _, a := range v.arrays {
		out = append(out, a.Faults()...)
	}
	return out
}

// Assemble puts physical volumes together. A group whose metadata cannot be
// used is left out with a problem, as is every copy of the metadata that is
// bad. Of two physical volumes with the same ID the one with the newer metadata
// counts, or the first. Several groups
// may have one name.
func Assemble(pvs []*PhysicalVolume) (groups []*Group, problems []error) {
	byID := map[string]*PhysicalVolume{}
	newest := map[string]*parsed{} // by the UUID of the group
	own := map[*PhysicalVolume]int64{}
	var order []string
	texts := map[[sha256.Size]byte]*parsed{} // the copies are mostly the same
	for _, pv := range pvs {
		var found []*parsed
		for _, a := range pv.areas {
			text, err := pv.text(a)
			if err != nil {
				problems = append(problems, err)
				continue
			}
			if text == nil {
				continue
			}
			sum := sha256.Sum256(text)
			m := texts[sum]
			if m == nil {
				if m, err = parseGroup(text); err != nil {
					problems = append(problems, err)
					continue
				}
				texts[sum] = m
			}
			found = append(found, m)
			own[pv] = max(own[pv], m.sequence)
		}
		if first := byID[pv.id]; first != nil {
			kept, left := first, pv
			if own[pv] > own[first] {
				kept, left = pv, first
			}
			problems = append(problems, block.Errorf(format, "physical volume", -1, block.ErrAmbiguous, "%s and %s both have the ID %s, as copies do; %s counts, %s is left out",
				first.label(), pv.label(), pv.UUID, kept.label(), left.label()))
			if kept == first {
				continue
			}
		}
		byID[pv.id] = pv
		for _, m := range found {
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
	device       string // where it was last, as the machine named it
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
		m.pvs[p.name] = pvText{id, p.values["device"].str, start * sectorSize, count}
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
	b := newBuilder(m, byID)
	b.volumes(g)
	m.spare(g, byID, b.lvs)
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
