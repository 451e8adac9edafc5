package raid

import "github.com/guestkit/guestkit/block"

// A Ten is the layout of level 10: near copies lie on neighbours at the same
// place, far ones further down, or in the next row where Offset is set. See
// md(4).
type Ten struct {
	Near, Far int
	Offset    bool
	// Set is how many members a far copy stays within, 0 for all of them.
	Set int
}

// DecodeTen reads the number that Linux keeps a layout of level 10 as
// (drivers/md/raid10.c, setup_geo).
func DecodeTen(layout uint32, members int) (Ten, error) {
	t := Ten{Near: int(layout & 0xff), Far: int(layout >> 8 & 0xff), Offset: layout&(1<<16) != 0}
	switch layout >> 17 {
	case 0:
	case 1:
		t.Set = members / max(t.Far, 1)
	case 2:
		t.Set = t.Far * t.Near
	default:
		return t, fault(block.ErrUnsupported, "the layout %#x of level 10", layout)
	}
	return t, t.validate(members)
}

func (t Ten) validate(members int) error {
	if t.Near < 1 || t.Far < 1 || t.Near*t.Far > members || t.Set < 0 || t.Set > members {
		return fault(block.ErrCorrupt, "%d near and %d far copies on %d members", t.Near, t.Far, members)
	}
	return nil
}

// ten is level 10.
type ten struct {
	Ten
	members       int
	chunk, stride int64
	lastSet       int // the first member of the last set
	lastSize      int // which takes the members that are left over
}

// NewTen makes an array of level 10 over members of which it may use each
// bytes, in chunks.
func NewTen(t Ten, chunk, each int64, members []Member) (*Array, error) {
	if err := checkChunks(members, chunk, each); err != nil {
		return nil, err
	}
	if err := t.validate(len(members)); err != nil {
		return nil, err
	}
	n := int64(len(members))
	if t.Set == 0 {
		t.Set = len(members)
	}
	g := &ten{Ten: t, members: len(members), chunk: chunk}
	chunks := each / chunk / int64(t.Far) * n / int64(t.Near) // of the array
	used := (chunks*int64(t.Near*t.Far) + n - 1) / n          // of a member
	g.stride = chunk
	if !t.Offset {
		g.stride = used / int64(t.Far) * chunk
	}
	g.lastSet = (len(members)/t.Set - 1) * t.Set
	g.lastSize = t.Set + len(members)%t.Set
	return &Array{size: chunks * chunk, members: members, geo: g, period: chunk * n}, nil
}

func (g *ten) at(off int64, buf []place) ([]place, int64) {
	chunk, in := off/g.chunk, off%g.chunk
	n := int64(g.members)
	at := chunk * int64(g.Near)
	row, member := at/n, int(at%n)
	if g.Offset {
		row *= int64(g.Far)
	}
	pos := row*g.chunk + in
	for range g.Near {
		m, s := member, pos
		buf = append(buf, place{m, s})
		for range g.Far - 1 {
			m = g.next(m)
			s += g.stride
			buf = append(buf, place{m, s})
		}
		if member++; member == g.members {
			member = 0
			pos += g.chunk
		}
	}
	return buf, g.chunk - in
}

// next returns the member with the next far copy.
func (g *ten) next(m int) int {
	set := m / g.Set
	m += g.Near
	if g.members%g.Set != 0 && m > g.lastSet {
		return (m-g.lastSet)%g.lastSize + g.lastSet
	}
	return m%g.Set + g.Set*set
}
