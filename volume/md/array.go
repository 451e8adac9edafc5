package md

import (
	"fmt"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/raid"
)

// MaxMembers bounds the members of an array.
const MaxMembers = raid.MaxMembers

// An Array is what members with the same ID make.
type Array struct {
	// Name is the name of the array without its host, or "" if it has none.
	Name   string
	UUID   string
	Level  string // "raid1", "linear"
	Layout string // "left-symmetric", "near=2"; "" for levels without
	Chunk  int64  // bytes, 0 for levels without
	Size   int64  // bytes
	Disks  int    // members that it wants
	// Members are those that were given, in their order, whatever they are
	// to the array. Missing are the places that none of them fills.
	Members []*Member
	Missing []int
	// Device is the content, nil if Err says why it cannot be read.
	Device block.Device
	Err    error
	// Problems say what is wrong with an array that can be read all the same:
	// that it is degraded, and by which members.
	Problems []error

	unclean bool // it was not stopped in order
	array   *raid.Array
}

// Faults returns what was noticed of members while the array was read.
func (a *Array) Faults() []error {
	if a.array == nil {
		return nil
	}
	return a.array.Faults()
}

// Assemble puts members together. An array of which too much is missing has an
// Err and no Device.
func Assemble(members []*Member) []*Array {
	byID := map[string]*Array{}
	var out []*Array
	for _, m := range members {
		a := byID[m.UUID]
		if a == nil {
			a = &Array{UUID: m.UUID}
			byID[m.UUID] = a
			out = append(out, a)
		}
		a.Members = append(a.Members, m)
	}
	for _, a := range out {
		a.assemble()
		if a.Err != nil {
			a.Device, a.array = nil, nil
		}
	}
	return out
}

func (a *Array) what() string {
	if a.Name != "" {
		return fmt.Sprintf("array %.40q", a.Name)
	}
	return "array " + a.UUID
}

func (a *Array) fault(class error, detail string, args ...any) error {
	return block.Errorf(format, a.what(), -1, class, detail, args...)
}

func (a *Array) problem(class error, detail string, args ...any) {
	a.Problems = append(a.Problems, a.fault(class, detail, args...))
}

// assemble finds out what each member is, and makes the device.
func (a *Array) assemble() {
	top := a.freshest()
	s := &top.shape
	a.Name = top.Name
	if _, name, ok := strings.Cut(top.Name, ":"); ok {
		a.Name = name
	}
	// mdadm makes no other names; a volume is looked up by it.
	if strings.ContainsFunc(a.Name, func(r rune) bool { return r <= ' ' || r > '~' || r == '/' || r == ':' }) {
		a.Name = ""
	}
	a.Level, a.Disks, a.unclean = levelName(s.level), s.disks, !top.clean
	if s.level == 0 || s.level >= 4 {
		a.Chunk = s.chunk
	}
	a.Layout = s.layoutName()
	switch {
	case s.reshape:
		a.Err = a.fault(block.ErrUnsupported, "a reshape is under way: let it end on the machine that has the array")
		return
	case s.disks < 1:
		a.Err = a.fault(block.ErrCorrupt, "it has %d members", s.disks)
		return
	case s.disks > MaxMembers:
		a.Err = a.fault(block.ErrLimit, "%d members, more than %d", s.disks, MaxMembers)
		return
	}
	slots := a.place(top)
	parts := make([]raid.Member, s.disks)
	for i, m := range slots {
		parts[i].Name = fmt.Sprintf("member %d", i)
		parts[i].Synced = -1
		if m == nil {
			a.Missing = append(a.Missing, i)
			continue
		}
		part, err := m.data()
		if err != nil {
			a.Problems = append(a.Problems, err)
		}
		if part.Dev.Size() < m.dataSize {
			a.problem(block.ErrTruncated, "member %d has %d bytes of data, it was cut to %d", i, m.dataSize, part.Dev.Size())
		}
		parts[i] = part
	}
	a.array, a.Err = a.build(s, slots, parts)
	if a.Err != nil {
		return
	}
	a.Size, a.Device = a.array.Size(), a.array
	if err := a.array.Complete(); err != nil {
		a.Err = a.fault(block.ErrMissing, "of %d members %s, which %s does not make up for", s.disks, a.lacking(slots), a.Level)
		return
	}
	a.judge(top, slots)
}

func (a *Array) parity() bool { return a.Level == "raid4" || a.Level == "raid5" || a.Level == "raid6" }

// build makes the array of its parts.
func (a *Array) build(s *shape, slots []*Member, parts []raid.Member) (*raid.Array, error) {
	sizes := make([]int64, len(parts))
	for i, m := range slots {
		if m != nil {
			sizes[i] = m.dataSize
		}
	}
	if (s.level == 0 || s.level == -1) && len(a.Missing) > 0 {
		return nil, a.fault(block.ErrMissing, "of %d members %s, and %s keeps nothing twice", s.disks, a.lacking(slots), a.Level)
	}
	array, err := a.level(s, sizes, parts)
	if err != nil {
		return nil, block.Locate(format, a.what(), -1, err)
	}
	return array, nil
}

func (a *Array) level(s *shape, sizes []int64, parts []raid.Member) (*raid.Array, error) {
	switch s.level {
	case -1:
		if s.chunk > 0 {
			for i := range sizes {
				sizes[i] -= sizes[i] % s.chunk
			}
		}
		return raid.NewLinear(sizes, parts)
	case 0:
		array, err := raid.NewStriped(s.chunk, sizes, parts, s.layout == 1)
		if err != nil {
			return nil, err
		}
		if array.Zones() > 1 && (!s.laidOut || s.layout != 1 && s.layout != 2) {
			return nil, a.fault(block.ErrAmbiguous, "its members differ in size and the superblock does not say how the rest of the larger ones is dealt out, as Linux before 3.14 or after: mdadm --update=layout-original or layout-alternate says it")
		}
		return array, nil
	case 1, -4:
		return raid.NewMirror(parts, s.size)
	case 4, 5, 6:
		return raid.NewParity(s.level, raid.Layout(s.layout), s.chunk, s.size, parts)
	case 10:
		t, err := raid.DecodeTen(s.layout, len(parts))
		if err != nil {
			return nil, err
		}
		return raid.NewTen(t, s.chunk, s.size, parts)
	}
	return nil, a.fault(block.ErrUnsupported, "the level %s", a.Level)
}

// levelName is the name that mdadm has for a level.
func levelName(level int) string {
	switch level {
	case -1:
		return "linear"
	case -4:
		return "multipath"
	case -5:
		return "faulty"
	case -100:
		return "container"
	}
	return fmt.Sprintf("raid%d", level)
}

// layoutName is the name that mdadm has for a layout.
func (s *shape) layoutName() string {
	switch s.level {
	case 0:
		switch {
		case s.laidOut && s.layout == 1:
			return "original"
		case s.laidOut && s.layout == 2:
			return "alternate"
		}
	case 5, 6:
		return raid.Layout(s.layout).String()
	case 10:
		var copies []string
		near, far := s.layout&0xff, s.layout>>8&0xff
		if near > 1 {
			copies = append(copies, fmt.Sprintf("near=%d", near))
		}
		switch {
		case far > 1 && s.layout&(1<<16) != 0:
			copies = append(copies, fmt.Sprintf("offset=%d", far))
		case far > 1:
			copies = append(copies, fmt.Sprintf("far=%d", far))
		}
		return strings.Join(copies, ", ")
	}
	return ""
}
