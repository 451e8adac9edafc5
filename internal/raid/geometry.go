package raid

import (
	"github.com/guestkit/guestkit/block"
)

// MaxMembers bounds the members of an array: GF(2^8) has no more factors for
// the data of one row.
const MaxMembers = 255

const what = "array"

func fault(class error, detail string, args ...any) error {
	return block.Errorf("", what, -1, class, detail, args...)
}

// check holds the rules that all arrays share.
func check(members []Member, size int64) error {
	switch {
	case len(members) == 0 || size < 0 || size > 1<<62:
		return fault(block.ErrCorrupt, "%d members, %d bytes", len(members), size)
	case len(members) > MaxMembers:
		return fault(block.ErrLimit, "%d members, more than %d", len(members), MaxMembers)
	}
	return nil
}

// mirror is level 1: each member has all bytes.
type mirror struct {
	members int
	size    int64
}

// NewMirror makes an array of level 1.
func NewMirror(members []Member, size int64) (*Array, error) {
	if err := check(members, size); err != nil {
		return nil, err
	}
	return &Array{size: size, members: members, geo: &mirror{len(members), size}}, nil
}

func (g *mirror) at(off int64, buf []place) ([]place, int64) {
	for i := range g.members {
		buf = append(buf, place{i, off})
	}
	return buf, g.size - off
}

// parity is a level of 4, 5 and 6.
type parity struct {
	plan
	chunk int64
}

// NewParity makes an array of level 4, 5 or 6 over members of which it uses
// each bytes, in chunks.
func NewParity(level int, layout Layout, chunk, each int64, members []Member) (*Array, error) {
	g := &parity{plan{level, layout, len(members)}, chunk}
	if err := checkChunks(members, chunk, each); err != nil {
		return nil, err
	}
	switch {
	case level < 4 || level > 6 || !layout.valid(level):
		return nil, fault(block.ErrUnsupported, "the layout %d of level %d", int(layout), level)
	case g.data() < 1:
		return nil, fault(block.ErrCorrupt, "%d members", len(members))
	}
	return &Array{size: each / chunk * chunk * int64(g.data()), members: members, geo: g, plan: &g.plan}, nil
}

// checkChunks holds the rules of levels that deal chunks out.
func checkChunks(members []Member, chunk, each int64) error {
	if chunk < 1 || each < 0 || each > (1<<62)/MaxMembers {
		return fault(block.ErrCorrupt, "chunks of %d bytes, members of %d", chunk, each)
	}
	return check(members, each)
}

func (g *parity) at(off int64, buf []place) ([]place, int64) {
	chunk, in := off/g.chunk, off%g.chunk
	row, k := chunk/int64(g.data()), int(chunk%int64(g.data()))
	p, q := g.parity(row)
	return append(buf, place{g.member(k, p, q), row*g.chunk + in}), g.chunk - in
}

// Zones are level 0: members of different sizes make zones, each over those
// members that are large enough.
type zones struct {
	chunk int64
	zones []zone
}

type zone struct {
	start, end int64 // in the array
	dev        int64 // where it begins on each member
	members    []int
	turn       int64 // of the member that has the first chunk
}

// NewStriped makes an array of level 0 whose members have the given sizes.
// Original says that a zone goes on dealing where the array as a whole is, as
// Linux did before 3.14; else each begins anew. It matters only where sizes
// differ; see [Zones].
func NewStriped(chunk int64, sizes []int64, members []Member, original bool) (*Array, error) {
	if err := checkChunks(members, chunk, 0); err != nil {
		return nil, err
	}
	g := &zones{chunk: chunk}
	total, done := int64(0), int64(0)
	for {
		z := zone{start: total, dev: done}
		least := int64(-1)
		for i, size := range sizes {
			if size = size / chunk * chunk; size > done {
				z.members = append(z.members, i)
				if least < 0 || size < least {
					least = size
				}
			}
		}
		if least < 0 {
			break
		}
		n := int64(len(z.members))
		if least-done > (1<<62-total)/n {
			return nil, fault(block.ErrCorrupt, "members of %d bytes", least)
		}
		if original {
			z.turn = total / chunk % n
		}
		total += (least - done) * n
		z.end, done = total, least
		g.zones = append(g.zones, z)
	}
	if total == 0 {
		return nil, fault(block.ErrCorrupt, "no member has a chunk of %d bytes", chunk)
	}
	return &Array{size: total, members: members, geo: g}, nil
}

// Zones returns how many zones an array of level 0 has.
func (a *Array) Zones() int {
	if g, ok := a.geo.(*zones); ok {
		return len(g.zones)
	}
	return 1
}

func (g *zones) at(off int64, buf []place) ([]place, int64) {
	i := 0
	for off >= g.zones[i].end { // as many as members of different sizes
		i++
	}
	z := &g.zones[i]
	chunk, in := (off-z.start)/g.chunk, (off-z.start)%g.chunk
	n := int64(len(z.members))
	return append(buf, place{z.members[(chunk+z.turn)%n], z.dev + chunk/n*g.chunk + in}), g.chunk - in
}

// linear is one member behind the other.
type linear struct{ ends []int64 }

// NewLinear puts members of the given sizes one behind the other.
func NewLinear(sizes []int64, members []Member) (*Array, error) {
	g := &linear{}
	total := int64(0)
	for _, size := range sizes {
		if size < 0 || size > 1<<62-total {
			return nil, fault(block.ErrCorrupt, "a member of %d bytes", size)
		}
		total += size
		g.ends = append(g.ends, total)
	}
	if err := check(members, total); err != nil {
		return nil, err
	}
	return &Array{size: total, members: members, geo: g}, nil
}

func (g *linear) at(off int64, buf []place) ([]place, int64) {
	i, start := 0, int64(0)
	for off >= g.ends[i] {
		start = g.ends[i]
		i++
	}
	return append(buf, place{i, off - start}), g.ends[i] - off
}
