package raid

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/problem"
)

// A Fault is what an array says of a member that does not read, where the
// others made up for it.
type Fault struct {
	Member string
	Err    error
}

func (f *Fault) Error() string {
	return fmt.Sprintf("%s does not read, its bytes come from the other members: %v", f.Member, f.Err)
}

func (f *Fault) Unwrap() error { return f.Err }

// An Array is several members as one device. It is safe for concurrent use.
type Array struct {
	size    int64
	members []Member
	geo     geometry
	plan    *plan // of levels with parity, nil for the rest
	period  int64 // bytes after which a level repeats which members it uses, 0 for all of it
	faults  problem.List
	buffers sync.Pool // of *[]byte
}

// A geometry maps the bytes of an array to copies of them.
type geometry interface {
	// at appends the copies of the byte at off to buf and says for how many
	// bytes they go on.
	at(off int64, buf []place) (copies []place, n int64)
}

// A place is where a copy of a byte lies.
type place struct {
	member int
	off    int64
}

// maxCopies is how many copies of a byte are found without an allocation.
const maxCopies = 4

// piece is how many bytes of each member of a row a reconstruction reads at a
// time.
const piece = 64 << 10

// Size implements [block.Reader].
func (a *Array) Size() int64 { return a.size }

// SectorSize implements [block.SectorSizer]: the largest of the members.
func (a *Array) SectorSize() int {
	n := 0
	for i := range a.members {
		if d := a.members[i].Dev; d != nil {
			n = max(n, block.SectorSize(d))
		}
	}
	return n
}

// Faults returns what was noticed of members while the array was read.
func (a *Array) Faults() []error { return a.faults.All() }

// ReadAt implements [io.ReaderAt].
func (a *Array) ReadAt(p []byte, off int64) (int, error) {
	q, eof := block.Clip(p, off, a.size)
	var buf [maxCopies]place
	for done := 0; done < len(q); {
		copies, n := a.geo.at(off+int64(done), buf[:0])
		part := q[done:min(int64(len(q)), int64(done)+n)]
		if m, err := a.read(part, copies); err != nil {
			return done + m, err
		}
		done += len(part)
	}
	return len(q), eof
}

// read fills p from copies of its bytes, or computes it.
func (a *Array) read(p []byte, copies []place) (int, error) {
	for done := 0; done < len(p); {
		n, err := a.readSome(p[done:], copies, int64(done))
		if err != nil {
			return done, err
		}
		done += n
	}
	return len(p), nil
}

// readSome fills the start of p, shift bytes into its copies.
func (a *Array) readSome(p []byte, copies []place, shift int64) (int, error) {
	n := int64(len(p)) // all copies stay as they are for so long
	var failed error
	for _, late := range [...]bool{false, true} {
		for _, c := range copies {
			m := &a.members[c.member]
			if m.Late != late {
				continue
			}
			ok, k := m.state(c.off+shift, int64(len(p)))
			if !ok {
				n = min(n, k)
				continue
			}
			err := block.ReadFull(m.Dev, p[:k], c.off+shift)
			if err == nil {
				if failed != nil {
					a.faults.Add(failed)
				}
				return int(k), nil
			}
			n = min(n, k)
			failed = &Fault{m.Name, err}
		}
	}
	if a.plan == nil {
		if failed != nil {
			return 0, errors.Unwrap(failed)
		}
		return 0, a.lost(copies[0], shift)
	}
	n = min(n, piece)
	n, err := a.rebuild(p[:n], copies[0].member, copies[0].off+shift)
	if err != nil {
		if failed != nil {
			return 0, errors.Unwrap(failed)
		}
		return 0, err
	}
	if failed != nil {
		a.faults.Add(failed)
	}
	return int(n), nil
}

// lost is the error of bytes that no member has.
func (a *Array) lost(c place, shift int64) error {
	m := &a.members[c.member]
	why := "the member is missing"
	switch {
	case m.Dev == nil:
	case m.Synced >= 0 && c.off+shift >= m.Synced:
		why = "the member was not rebuilt so far"
	case c.off+shift >= m.Dev.Size():
		return &block.Error{What: m.Name, Off: c.off + shift, Err: block.ErrTruncated}
	default:
		why = "the member lists these blocks as bad"
	}
	return block.Errorf("", m.Name, c.off+shift, block.ErrMissing, "%s, and nothing makes up for it", why)
}

// rebuild computes the start of p, which lies at off of a member, from the
// other members of its row.
func (a *Array) rebuild(p []byte, member int, off int64) (int64, error) {
	n := int64(len(p))
	for i := range a.members {
		if i != member {
			if ok, k := a.members[i].state(off, n); ok || k < n {
				n = k
			}
		}
	}
	row := a.row(off)
	space := a.space(len(a.members) * int(n))
	defer a.buffers.Put(space)
	for i := range a.members {
		m := &a.members[i]
		if ok, _ := m.state(off, n); i == member || !ok {
			continue
		}
		b := (*space)[int64(i)*n : int64(i+1)*n]
		if err := block.ReadFull(m.Dev, b, off); err != nil {
			a.faults.Add(&Fault{m.Name, err})
			continue
		}
		row.Blocks[i] = b
	}
	if err := row.Rebuild(p[:n], member); err != nil {
		return 0, a.lost(place{member, off}, 0)
	}
	return n, nil
}

// row prepares the row at an offset of the members, which is the same for all
// of them.
func (a *Array) row(off int64) *Row {
	r := &Row{Blocks: make([][]byte, len(a.members))}
	g := a.geo.(*parity)
	r.P, r.Q = g.parity(off / g.chunk)
	if r.Q >= 0 {
		r.Factor = func(i int) byte { return g.factor(i, r.P, r.Q) }
	}
	return r
}

func (a *Array) space(n int) *[]byte {
	if b, ok := a.buffers.Get().(*[]byte); ok && cap(*b) >= n {
		*b = (*b)[:n]
		return b
	}
	b := make([]byte, n)
	return &b
}

// Extent implements [block.Device].
func (a *Array) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= a.size {
		return block.Extent{}, io.EOF
	}
	var buf [maxCopies]place
	copies, n := a.geo.at(off, buf[:0])
	n = min(n, a.size-off)
	for _, late := range [...]bool{false, true} {
		for _, c := range copies {
			m := &a.members[c.member]
			if m.Late != late {
				continue
			}
			ok, k := m.state(c.off, n)
			n = min(n, k)
			if ok {
				e, err := m.Dev.Extent(c.off)
				if err != nil {
					return block.Extent{}, err
				}
				e.Off, e.Len = off, min(e.Len, n)
				return e, nil
			}
		}
	}
	e := block.Extent{Off: off, Len: n}
	if a.plan == nil {
		return e, nil // which reads as an error
	}
	return a.computed(e, copies[0])
}

// computed is the extent of bytes that are computed: zeros where all that they
// are computed from are.
func (a *Array) computed(e block.Extent, c place) (block.Extent, error) {
	e.Zero = true
	for i := range a.members {
		m := &a.members[i]
		if i == c.member {
			continue
		}
		ok, k := m.state(c.off, e.Len)
		e.Len = k
		if !ok {
			continue
		}
		x, err := m.Dev.Extent(c.off)
		if err != nil {
			return block.Extent{}, err
		}
		e.Len = min(e.Len, x.Len)
		if !x.Zero {
			e.Zero = false
			break
		}
	}
	return e, nil
}

// Complete returns an error that wraps [ErrMissing] if there are bytes that no
// member has and parity does not make up for. A member that was not rebuilt to
// its end counts as missing; bad blocks do not.
func (a *Array) Complete() error {
	missing := func(i int) bool {
		m := &a.members[i]
		return m.Dev == nil || m.Synced >= 0 && m.Synced < m.Dev.Size()
	}
	n := 0
	for i := range a.members {
		if missing(i) {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	if a.plan != nil {
		if n > len(a.members)-a.plan.data() {
			return ErrMissing
		}
		return nil
	}
	if _, ok := a.geo.(*zones); ok {
		return ErrMissing // each member has a chunk
	}
	// The rest has a pattern that begins anew after as many chunks as there
	// are members, at most, in each zone; level 1 and linear have one run each.
	var buf [maxCopies]place
	for off := int64(0); off < a.size; {
		copies, run := a.geo.at(off, buf[:0])
		whole := false
		for _, c := range copies {
			whole = whole || !missing(c.member)
		}
		if !whole {
			return ErrMissing
		}
		if off += run; a.period > 0 && off >= a.period {
			break
		}
	}
	return nil
}
