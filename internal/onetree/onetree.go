// Package onetree holds directories to being a tree. In a filesystem whose
// entries point anywhere, a directory can contain itself, and twenty that
// contain each other twice make a million paths: one that has a place is not
// let into another.
package onetree

import (
	"slices"
	"sync"

	"github.com/guestkit/guestkit/fs/vfs"
)

// most bounds what is remembered: some MiB.
const most = 1 << 18

// A Place is where a directory is named: its parent, and which entry of it.
type Place struct{ Parent, Entry uint64 }

// Dirs remembers the places of directories. The zero value is ready, and it is
// safe for concurrent use.
type Dirs struct {
	mu     sync.Mutex
	places map[uint64]Place
}

// Claim says that the directory dir is at p, and reports whether that can be:
// whether it has no other place. What no room is left for is not remembered,
// and let in.
func (d *Dirs) Claim(dir uint64, p Place) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if old, ok := d.places[dir]; ok {
		return old == p
	}
	if d.places == nil {
		d.places = map[uint64]Place{}
	}
	if len(d.places) < most {
		d.places[dir] = p
	}
	return true
}

// Name makes a name the Entry of a Place, where entries have no number.
func Name(name string) uint64 {
	h := uint64(14695981039346656037) // FNV-1a
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return h
}

// Unique looks at the entries of a directory whose format has them in the order
// of their names. It reports whether they are, and whether no name comes twice;
// the second of two is left out, for a directory with two entries has two
// places.
func Unique(es []vfs.Entry) (out []vfs.Entry, sorted, unique bool) {
	sorted = true
	for i := 1; i < len(es) && sorted; i++ {
		sorted = es[i-1].Name < es[i].Name
	}
	if sorted {
		return es, true, true
	}
	seen := make(map[string]bool, len(es))
	out = slices.DeleteFunc(es, func(e vfs.Entry) bool {
		twice := seen[e.Name]
		seen[e.Name] = true
		return twice
	})
	return out, false, len(out) == len(es)
}
