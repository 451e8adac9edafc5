package inspect

import (
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/internal/problem"
	"github.com/guestkit/guestkit/volume"
	"github.com/guestkit/guestkit/volume/probe"
)

// A Report is what the disks of one guest hold.
type Report struct {
	Volumes []*Volume `json:"volumes"` // parents before what they are divided into, disk by disk
	Systems []*System `json:"systems"`

	tree     *volume.Tree
	opened   []io.Closer // images in volumes, and their files
	scan     *scan
	mu       sync.Mutex // of hidden and of what scan opens later
	hidden   map[*volume.Volume]*Volume
	problems problem.List
	cut      error // there are more systems: where, and why they are not read
	size     int64 // of the first counted systems, as System.Cost counts it
	counted  int
	packages int   // of all systems, as Packages.Cost counts them
	steps    steps // while it is made
}

// problem records a fault of a volume or a system, if there is one.
func (r *Report) problem(where string, err error) {
	if err != nil {
		r.problems.Add(guest.Named(where, err))
	}
}

// Problems lists what was found wrong and what could not be read, each with
// its place. It grows while Volume.FS and System.FS are read.
func (r *Report) Problems() []error {
	out := r.problems.All()
	say := func(v *Volume) {
		if v.fsys == nil {
			return
		}
		for _, err := range v.fsys.Problems() {
			out = append(out, guest.Named(v.Name, err))
		}
	}
	r.each(say)
	for _, v := range r.revealed() {
		say(v)
	}
	if r.cut != nil { // however much else there is to say
		out = append(out, r.cut)
	}
	return out
}

// Close closes the filesystems and the volumes that were opened, the last first.
// Nothing that came from the Report may be used from then on but what it says;
// the disks stay open. It may be called again.
func (r *Report) Close() error {
	var errs []error
	for len(r.opened) > 0 {
		last := r.opened[len(r.opened)-1]
		r.opened = r.opened[:len(r.opened)-1]
		errs = append(errs, last.Close())
	}
	for _, v := range slices.Backward(append(slices.Clone(r.Volumes), r.revealed()...)) {
		for _, p := range append([]*Volume{v}, v.Parts...) {
			if p.fsys != nil {
				errs = append(errs, p.fsys.Close())
			}
		}
	}
	return errors.Join(append(errs, r.tree.Close())...)
}

// Complete reports whether every volume was read, or holds nothing to read, and
// no system lacks one that it is not whole without (System.Missing), nor are there more
// systems than are listed.
func (r *Report) Complete() bool {
	if r.cut != nil {
		return false
	}
	for _, s := range r.Systems {
		if len(s.Missing) > 0 {
			return false
		}
	}
	return len(r.Unread()) == 0
}

// Unread lists the volumes that were not read; each says why.
func (r *Report) Unread() []*Volume {
	var out []*Volume
	for _, v := range r.Volumes {
		if !v.Status.Done() {
			out = append(out, v)
		}
	}
	return out
}

// Volume returns the volume of that name, or what lies in one; it takes all names
// that [volume.Tree.Lookup] takes. What others are made of, and is in no list (a leg
// of a mirror), is looked into when it is asked for.
func (r *Report) Volume(name string) (found *Volume, ok bool) {
	vol, _ := r.tree.Lookup(name)
	if vol != nil && vol.Hidden {
		return r.reveal(vol), true
	}
	r.each(func(v *Volume) {
		if found == nil && (vol != nil && v.vol == vol && v.of == nil || v.Name == name) {
			found = v
		}
	})
	return found, found != nil
}

// revealed lists the hidden volumes that were looked into.
func (r *Report) revealed() []*Volume {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.SortedFunc(maps.Values(r.hidden), func(a, b *Volume) int { return strings.Compare(a.Name, b.Name) })
}

// reveal looks into a volume that is hidden, once.
func (r *Report) reveal(vol *volume.Volume) *Volume {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v := r.hidden[vol]; v != nil {
		return v
	}
	shown := *vol
	if shown.Hidden = false; shown.Err == nil {
		shown.Found, shown.Err = probe.Volume(shown.Device)
	}
	v := r.scan.look(&shown)
	if r.hidden == nil {
		r.hidden = map[*volume.Volume]*Volume{}
	}
	r.hidden[vol] = v
	return v
}
