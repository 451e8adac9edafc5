package diff

import (
	"bytes"
	"context"
	"io/fs"
	"strings"

	"github.com/guestkit/guestkit/fs/vfs"
)

// Options says what of two trees is compared. Nil means contents and metadata but
// times, over all mounts.
type Options struct {
	// Times compares times of change as well, but those of directories.
	Times bool
	// MetadataOnly compares no contents: files of the same size are taken to hold
	// the same.
	MetadataOnly bool
	// OneFilesystem leaves out what is below a mount.
	OneFilesystem bool
	// Count counts along, if it is not nil.
	Count *Count
}

// A Change is a file that is not the same in two trees.
type Change struct {
	Path string    // as io/fs names it
	A, B *vfs.Node // nil where there is none
	// Content says that a file holds other bytes, or a link another target.
	Content bool
	// Metadata names what else differs: "type", "mode", "owner", "device",
	// "xattrs", "mtime".
	Metadata []string
	// Err says that the file could not be compared, or what is below it; then
	// nothing else is set.
	Err error
}

// Added reports whether the file is in the second tree only.
func (c *Change) Added() bool { return c.A == nil && c.B != nil }

// Removed reports whether the file is in the first tree only.
func (c *Change) Removed() bool { return c.A != nil && c.B == nil }

// Trees compares what is below two nodes, and calls fn for each file that differs, in
// the order of the guest's bytes of the names, a directory before what is in it. Links
// are not followed. An error of fn ends the walk and is returned.
func Trees(ctx context.Context, a, b *vfs.Node, o *Options, fn func(Change) error) error {
	t := trees{ctx: ctx, fn: fn}
	if o != nil {
		t.o = *o
	}
	t.compare.count = t.o.Count
	return t.both(a, b)
}

type trees struct {
	ctx     context.Context
	o       Options
	fn      func(Change) error
	compare comparer
	a, b    vfs.Visited
	links   map[[2]vfs.FileID]bool // of files of several names: whether they hold the same
}

// both compares two nodes of one path.
func (t *trees) both(a, b *vfs.Node) error {
	if err := t.ctx.Err(); err != nil {
		return err
	}
	c := Change{Path: a.Path(), A: a, B: b}
	err := t.node(&c)
	if t.ctx.Err() != nil {
		return t.ctx.Err()
	}
	if err != nil {
		c = Change{Path: c.Path, A: a, B: b, Err: err}
	}
	if c.Content || c.Metadata != nil || c.Err != nil {
		if err := t.fn(c); err != nil {
			return err
		}
	}
	da, db := a.Stat().Mode.IsDir(), b.Stat().Mode.IsDir()
	switch {
	case da && db:
		return t.dirs(a, b)
	case da:
		return t.below(a, true)
	case db:
		return t.below(b, false)
	}
	return nil
}

// node compares two files themselves.
func (t *trees) node(c *Change) error {
	a, b := c.A.Stat(), c.B.Stat()
	differs := func(what string, yes bool) {
		if yes {
			c.Metadata = append(c.Metadata, what)
		}
	}
	if a.Mode.Type() != b.Mode.Type() {
		c.Metadata, c.Content = []string{"type"}, a.Mode.IsRegular() || b.Mode.IsRegular()
		return nil
	}
	const bits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky
	link := a.Mode&fs.ModeSymlink != 0
	differs("mode", !link && a.Mode&bits != b.Mode&bits)
	differs("owner", a.UID != b.UID || a.GID != b.GID)
	differs("device", a.Mode&fs.ModeDevice != 0 && (a.Major != b.Major || a.Minor != b.Minor))
	xa, err := c.A.Xattrs()
	if err != nil {
		return err
	}
	xb, err := c.B.Xattrs()
	if err != nil {
		return err
	}
	differs("xattrs", !sameXattrs(xa, xb))
	differs("mtime", t.o.Times && !a.Mode.IsDir() && !a.Mtime.Equal(b.Mtime))
	switch {
	case link:
		x, err := c.A.ReadLink()
		if err != nil {
			return err
		}
		y, err := c.B.ReadLink()
		if err != nil {
			return err
		}
		c.Content = x != y
	case a.Mode.IsRegular() && a.Size != b.Size:
		c.Content = true
	case a.Mode.IsRegular() && !t.o.MetadataOnly:
		same, err := t.content(c.A, c.B)
		if err != nil {
			return err
		}
		c.Content = !same
	}
	return nil
}

func sameXattrs(a, b []vfs.Xattr) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Name != b[i].Name || !bytes.Equal(a[i].Value, b[i].Value) {
			return false
		}
	}
	return true
}

// content compares two regular files of one size.
func (t *trees) content(a, b *vfs.Node) (bool, error) {
	var key [2]vfs.FileID
	linked := false
	if a.Stat().Nlink > 1 && b.Stat().Nlink > 1 {
		x, ok1 := a.ID()
		y, ok2 := b.ID()
		if linked = ok1 && ok2; linked {
			key = [2]vfs.FileID{x, y}
			if same, ok := t.links[key]; ok {
				return same, nil
			}
		}
	}
	fa, err := a.Open()
	if err != nil {
		return false, err
	}
	defer fa.Close()
	fb, err := b.Open()
	if err != nil {
		return false, err
	}
	defer fb.Close()
	same, err := t.compare.same(t.ctx, fa, fb)
	if err == nil && linked {
		if t.links == nil {
			t.links = map[[2]vfs.FileID]bool{}
		}
		t.links[key] = same
	}
	return same, err
}

// dirs compares what is in two directories.
func (t *trees) dirs(a, b *vfs.Node) error {
	ca, err := t.children(a, &t.a)
	if err != nil {
		return err
	}
	cb, err := t.children(b, &t.b)
	if err != nil {
		return err
	}
	for len(ca) > 0 || len(cb) > 0 {
		order := 0
		switch {
		case len(cb) == 0:
			order = -1
		case len(ca) == 0:
			order = 1
		default:
			order = strings.Compare(ca[0].Name(), cb[0].Name())
		}
		var na, nb *vfs.Node
		var failed error
		if order <= 0 {
			if na, err = ca[0].Node(); err != nil {
				failed = err
			}
			ca = ca[1:]
		}
		if order >= 0 {
			if nb, err = cb[0].Node(); err != nil {
				failed = err
			}
			cb = cb[1:]
		}
		switch {
		case failed != nil:
			err = t.fn(Change{Path: a.Path(), A: a, B: b, Err: failed})
		case order < 0:
			err = t.alone(na, true)
		case order > 0:
			err = t.alone(nb, false)
		default:
			err = t.both(na, nb)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// children lists a directory that is entered.
func (t *trees) children(n *vfs.Node, v *vfs.Visited) ([]vfs.Child, error) {
	if t.o.OneFilesystem && n.Mounted() {
		return nil, nil
	}
	err := v.Enter(n)
	var list []vfs.Child
	if err == nil {
		list, err = n.Children()
	}
	if err != nil {
		return list, t.fn(Change{Path: n.Path(), A: n, B: n, Err: err})
	}
	return list, nil
}

// alone tells of a file that is in one tree only, and of what is below it.
func (t *trees) alone(n *vfs.Node, removed bool) error {
	c := Change{Path: n.Path(), B: n}
	if removed {
		c.A, c.B = n, nil
	}
	if err := t.fn(c); err != nil {
		return err
	}
	if n.Stat().Mode.IsDir() {
		return t.below(n, removed)
	}
	return nil
}

func (t *trees) below(dir *vfs.Node, removed bool) error {
	if err := t.ctx.Err(); err != nil {
		return err
	}
	v := &t.b
	if removed {
		v = &t.a
	}
	list, err := t.children(dir, v)
	if err != nil {
		return err
	}
	for _, c := range list {
		n, err := c.Node()
		if err != nil {
			err = t.fn(Change{Path: dir.Path(), A: dir, B: dir, Err: err})
		} else {
			err = t.alone(n, removed)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
