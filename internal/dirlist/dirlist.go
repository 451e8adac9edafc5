// Package dirlist keeps what a directory holds whose filesystem has no index of
// it: the entries in their order, and each by its name.
package dirlist

import (
	"io/fs"

	"github.com/guestkit/guestkit/fs/vfs"
)

// A List is what was read of a directory, and what stopped that. It does not
// change once it is read.
type List[E any] struct {
	Entries []E
	index   map[string]int
	err     error
}

// Read has each add the entries to a List. Its error is kept: what comes before it
// can be used.
func Read[E any](each func(l *List[E]) error) *List[E] {
	l := &List[E]{index: map[string]int{}}
	l.err = each(l)
	return l
}

// Add adds an entry under the name that it is looked up by, and reports whether
// no other has that.
func (l *List[E]) Add(name string, e E) bool {
	if _, ok := l.index[name]; ok {
		return false
	}
	l.index[name] = len(l.Entries)
	l.Entries = append(l.Entries, e)
	return true
}

// Err returns what stopped the reading.
func (l *List[E]) Err() error { return l.err }

// Find returns the entry of that name. Where there is none it is what stopped the
// reading, if anything did: it may lie behind that.
func (l *List[E]) Find(name string) (e E, err error) {
	i, ok := l.index[name]
	switch {
	case ok:
		return l.Entries[i], nil
	case l.err != nil:
		return e, l.err
	}
	return e, fs.ErrNotExist
}

// ReadDir is that of a vfs.Inode: entry says how one is listed, but for Aux, by
// which Child finds it again.
func (l *List[E]) ReadDir(entry func(E) vfs.Entry) ([]vfs.Entry, error) {
	out := make([]vfs.Entry, len(l.Entries))
	for i, e := range l.Entries {
		out[i] = entry(e)
		out[i].Aux = uint64(i)
	}
	return out, l.err
}

// Lookup opens the entry that Find returns.
func (l *List[E]) Lookup(name string, open func(E) (vfs.Inode, error)) (vfs.Inode, error) {
	e, err := l.Find(name)
	if err != nil {
		return nil, err
	}
	return open(e)
}

// Child opens an entry that ReadDir listed.
func (l *List[E]) Child(e vfs.Entry, open func(E) (vfs.Inode, error)) (vfs.Inode, error) {
	if e.Aux >= uint64(len(l.Entries)) {
		return nil, fs.ErrNotExist
	}
	return open(l.Entries[e.Aux])
}
