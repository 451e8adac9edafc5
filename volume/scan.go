package volume

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/volume/probe"
)

// Limits of one scan.
const (
	maxDisks  = 256
	maxRounds = 16      // in which a layer is asked
	maxMade   = 1 << 14 // volumes that layers make
)

// Scan finds the volumes of the disks of one guest: it reads their partition
// tables, probes what is not divided, and hands the members of layers to these
// until nothing new comes. An error of one volume is in its Err and does not
// end the scan; Scan itself fails if there are too many disks or none, or if
// ctx ends.
func Scan(ctx context.Context, disks []block.Device, opts *Options) (*Tree, error) {
	if opts == nil {
		opts = &Options{}
	}
	if len(disks) == 0 {
		return nil, errors.New("volume: no disks")
	}
	if len(disks) > maxDisks {
		return nil, block.Errorf("", "disks", -1, block.ErrLimit, "%d, more than %d", len(disks), maxDisks)
	}
	s := newScanner(opts)
	for i, d := range disks {
		s.disk(i, d)
	}
	if err := s.run(ctx); err != nil {
		return nil, errors.Join(err, s.tree.Close())
	}
	return s.tree, nil
}

// A scanner is a queue of volumes to be probed, and one of members for each
// layer.
type scanner struct {
	tree   *Tree
	o      *Options
	names  map[string]*Volume
	probed int // of tree.Volumes
	rows   []row
}

// A row is a layer at work.
type row struct {
	Layer
	members  []*Volume // not handed out yet, or all of a layer that gathers
	fresh    bool      // there are some that were not handed out
	problems []error
}

func newScanner(o *Options) *scanner {
	s := &scanner{tree: new(Tree), o: o, names: map[string]*Volume{}}
	for _, l := range append(slices.Clone(o.Layers), layers[:]...) {
		s.rows = append(s.rows, row{Layer: l})
	}
	return s
}

func (s *scanner) run(ctx context.Context) error {
	for round := 0; ; round++ {
		if err := s.probe(ctx); err != nil {
			return err
		}
		i := s.next()
		if i < 0 {
			break
		}
		if round == maxRounds {
			s.tooDeep()
			break
		}
		s.ask(ctx, i)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	for i := range s.rows {
		s.tree.Problems = append(s.tree.Problems, s.rows[i].problems...)
	}
	s.tree.Problems = append(s.tree.Problems, s.tree.unusedHeaders(s.o)...)
	return nil
}

// add puts a volume into the tree.
func (s *scanner) add(v *Volume) {
	s.names[v.Name] = v
	s.tree.Volumes = append(s.tree.Volumes, v)
	for _, p := range v.Parents {
		p.Children = append(p.Children, v)
	}
}

// probe says what the leaves hold that are new.
func (s *scanner) probe(ctx context.Context) error {
	for ; s.probed < len(s.tree.Volumes); s.probed++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		v := s.tree.Volumes[s.probed]
		if !v.Leaf() {
			continue
		}
		if found, err := s.o.probeHeader(v); found != nil {
			if v.Found, v.Err = *found, err; err != nil {
				continue
			}
		}
		if v.Found.Type == "" { // nothing that its table knows
			var err error
			if v.Found, err = probe.Volume(v.Device); err != nil {
				v.Err = err
				continue
			}
		}
		s.offer(v, 0)
	}
	return nil
}

// offer makes v a member of the first layer from the i-th on that takes its
// type.
func (s *scanner) offer(v *Volume, i int) {
	if v.Found.Type == "" && v.Found.Kind != probe.Unknown {
		return
	}
	for ; i < len(s.rows); i++ {
		if r := &s.rows[i]; slices.Contains(r.Types, v.Found.Type) {
			r.members, r.fresh = append(r.members, v), true
			return
		}
	}
}

// next returns the layer to ask, -1 if there is nothing to do: those that gather
// members wait for the others.
func (s *scanner) next() int {
	for _, gather := range []bool{false, true} {
		if i := slices.IndexFunc(s.rows, func(r row) bool { return r.fresh && r.Gather == gather }); i >= 0 {
			return i
		}
	}
	return -1
}

// ask has a layer open its members.
func (s *scanner) ask(ctx context.Context, i int) {
	r := &s.rows[i]
	members := slices.Clone(r.members)
	r.fresh = false
	if r.Gather {
		r.problems = nil
	} else {
		r.members = nil
	}
	made, problems := r.Open(ctx, members, s.o)
	r.problems = append(r.problems, problems...)
	before := len(s.tree.made)
	for _, v := range made {
		before = s.make(r, v, before)
	}
	for _, m := range members {
		m.taken = m.Found.Type != "" || len(m.Children) > 0
		if m.Leaf() {
			s.offer(m, i+1)
		}
	}
}

// make adds what a layer made, unless it was there before: among the first
// volumes that layers made. What was, and lacked a member, is replaced. It returns
// how many are left of the first.
func (s *scanner) make(r *row, v *Volume, first int) int {
	if v.Device == nil {
		v.Device = block.Plain(strings.NewReader(""))
	}
	if v.Hidden {
		s.hide(v)
		return first
	}
	if old := s.names[v.Name]; old != nil && r.Gather && old.Kind == v.Kind && slices.Contains(s.tree.made[:first], old) {
		if !errors.Is(old.Err, block.ErrMissing) {
			block.Close(v.Device)
			return first
		}
		s.drop(old)
		first--
	}
	if len(s.tree.made) == maxMade {
		block.Close(v.Device)
		r.problems = append(r.problems, block.Errorf("", "volume "+v.Name, -1, block.ErrLimit, "there are %d in other volumes already", maxMade))
		return first
	}
	for n, name := 2, v.Name; s.names[v.Name] != nil; n++ {
		v.Name = fmt.Sprintf("%s#%d", name, n)
	}
	if p := v.parent(); p != nil {
		v.DiskIndex = p.DiskIndex
	}
	s.tree.made = append(s.tree.made, v)
	s.add(v)
	return first
}

// hide keeps a volume that is in no list. What a layer made when it had fewer
// members gives way.
func (s *scanner) hide(v *Volume) {
	if s.names[v.Name] != nil || len(s.tree.hidden) == maxMade {
		return
	}
	if s.tree.hidden == nil {
		s.tree.hidden = map[string]*Volume{}
	}
	if p := v.parent(); p != nil {
		v.DiskIndex = p.DiskIndex
	}
	s.tree.hidden[v.Name] = v
}

// drop takes a volume that was probed and has no children out of the tree.
func (s *scanner) drop(v *Volume) {
	is := func(w *Volume) bool { return w == v }
	for _, p := range v.Parents {
		p.Children = slices.DeleteFunc(p.Children, is)
	}
	s.tree.Volumes = slices.DeleteFunc(s.tree.Volumes, is)
	s.tree.made = slices.DeleteFunc(s.tree.made, is)
	s.probed--
	delete(s.names, v.Name)
}

// tooDeep says of the members that are left that nobody looks into them.
func (s *scanner) tooDeep() {
	for i := range s.rows {
		if !s.rows[i].fresh {
			continue
		}
		for _, m := range s.rows[i].members {
			if m.Leaf() && m.Found.Type != "" {
				m.Err = block.Errorf(m.Found.Type, "volume", -1, block.ErrLimit, "it lies in more than %d layers", maxRounds)
			}
		}
	}
}
