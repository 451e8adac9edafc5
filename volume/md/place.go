package md

import (
	"fmt"
	"strings"

	"github.com/guestkit/guestkit/block"
)

// lacking says which members are not there, or not whole.
func (a *Array) lacking(slots []*Member) string {
	var gone []string
	for i, m := range slots {
		switch {
		case m == nil && a.stale(i):
			gone = append(gone, fmt.Sprintf("%d is stale", i))
		case m == nil:
			gone = append(gone, fmt.Sprintf("%d is missing", i))
		case m.synced >= 0:
			gone = append(gone, fmt.Sprintf("%d was not rebuilt", i))
		}
	}
	return strings.Join(gone, ", ")
}

// stale reports whether a member that is there once had a role.
func (a *Array) stale(role int) bool {
	for _, m := range a.Members {
		if m.State == Stale && m.role(m.number) == role {
			return true
		}
	}
	return false
}

// freshest returns the member that saw the most changes.
func (a *Array) freshest() *Member {
	top := a.Members[0]
	for _, m := range a.Members[1:] {
		if m.Events > top.Events || m.Events == top.Events && m.utime > top.utime {
			top = m
		}
	}
	return top
}

// place decides what each member is to the array, as its freshest superblock
// says, and returns the members by their roles.
func (a *Array) place(top *Member) []*Member {
	slots := make([]*Member, top.shape.disks)
	seen := map[int]*Member{}
	for _, m := range a.Members {
		m.Role = -1
		if first := seen[m.number]; first != nil && first.devUUID == m.devUUID {
			// The one that saw more counts, whatever the order.
			if m.Events <= first.Events {
				m.State = Duplicate
				a.problem(block.ErrAmbiguous, "two members have the number %d, as copies do; the one with more events counts, or the first", m.number)
				continue
			}
			if first.Role >= 0 && slots[first.Role] == first {
				slots[first.Role] = nil
			}
			first.State, first.Role = Duplicate, -1
			a.problem(block.ErrAmbiguous, "two members have the number %d, as copies do; the one with more events counts, or the first", m.number)
		}
		seen[m.number] = m
		a.placeOne(top, m, slots)
	}
	return slots
}

func (a *Array) placeOne(top, m *Member, slots []*Member) {
	role := top.role(m.number)
	switch {
	case role == roleJournal:
		m.State = Journal
		return
	case role == roleFaulty:
		m.State = Faulty
		if m.role(m.number) < len(slots) {
			m.State = Stale
		}
		return
	case role >= len(slots):
		m.State = Spare
		if m.role(m.number) < len(slots) {
			m.State = Stale // it was removed
		}
		return
	case m.shape != top.shape:
		m.State = Stale
		a.problem(block.ErrCorrupt, "the superblock of member %d describes another array; the one with the most events counts", role)
		return
	// Linux takes a member that is one event behind.
	case top.Events-m.Events > 1:
		m.State = Stale
		return
	}
	m.Role, m.State = role, Active
	if m.synced >= 0 {
		m.State = Rebuilding
		if m.synced >= m.dataSize || top.shape.size > 0 && m.synced >= top.shape.size {
			m.synced, m.State = -1, Active
		}
	}
	old := slots[role]
	switch {
	case old == nil:
		slots[role] = m
	case old.replacement && old.synced >= 0 || old.synced >= 0 && m.synced < 0:
		old.State, slots[role] = Replacement, m
	default:
		m.State = Replacement
	}
}

// judge says what is wrong with an array that can be read.
func (a *Array) judge(top *Member, slots []*Member) {
	for _, m := range a.Members {
		switch m.State {
		case Stale:
			a.problem(block.ErrMissing, "member %d is stale: it saw %d events of %d%s, and is not used", m.role(m.number), m.Events, top.Events, a.outdated(m))
		case Rebuilding:
			a.problem(block.ErrMissing, "member %d was rebuilt up to byte %d of its data; the rest comes from the others", m.Role, m.synced)
		}
	}
	degraded := len(a.Missing) > 0
	for _, i := range a.Missing {
		if !a.stale(i) {
			a.problem(block.ErrMissing, "member %d is missing; the array is degraded", i)
		}
	}
	for _, m := range slots {
		degraded = degraded || m != nil && m.synced >= 0
	}
	if degraded && a.unclean && a.parity() {
		a.problem(block.ErrDirty, "it was not stopped in order: what is computed from parity may be wrong where it was being written")
	}
	a.checkJournal(top)
}
