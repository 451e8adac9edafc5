package raid

import (
	"sort"

	"github.com/guestkit/guestkit/block"
)

// A Member is one device of an array, cut to the part that holds its data.
type Member struct {
	Name string       // in errors
	Dev  block.Device // nil if it is missing
	// Synced is how many bytes from its start on hold what they should, and
	// less than the rest where a rebuild was under way. -1 means all.
	Synced int64
	// Bad are ranges that cannot be read, in order and apart from each other.
	Bad []Range
	// Late says to read a member only where no other has the bytes.
	Late bool
}

// A Range is a run of bytes.
type Range struct{ Off, Len int64 }

// state reports whether the bytes at off can be used, and for how many of the
// next n that holds.
func (m *Member) state(off, n int64) (bool, int64) {
	if m.Dev == nil {
		return false, n
	}
	end := m.Dev.Size()
	if m.Synced >= 0 {
		end = min(end, m.Synced)
	}
	if off >= end {
		return false, n
	}
	n = min(n, end-off)
	if len(m.Bad) == 0 {
		return true, n
	}
	i := sort.Search(len(m.Bad), func(i int) bool { return m.Bad[i].Off+m.Bad[i].Len > off })
	switch {
	case i == len(m.Bad):
		return true, n
	case m.Bad[i].Off > off:
		return true, min(n, m.Bad[i].Off-off)
	}
	return false, min(n, m.Bad[i].Off+m.Bad[i].Len-off)
}
