package vfs

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/guestkit/guestkit/block"
)

// Limits of one path resolution.
const (
	maxLinks    = 40
	maxElements = 4096
)

// New makes an FS of a driver's inodes.
func New(d Driver) (FS, error) {
	root, err := d.Root()
	if err != nil {
		return nil, err
	}
	return &tree{root: root, drivers: []Driver{d}, own: &owned{driver: d}}, nil
}

// A Mount lays a filesystem over a directory of a tree.
type Mount struct {
	Path string // "." or "boot/efi", in the form of io/fs
	FS   FS     // made by New
	// Drive makes Path, one element such as "D:", the name of a tree of its
	// own: it need not exist, is not listed in the root, and is found there in
	// any case. Absolute links in it start at its own root, ".." does not leave
	// it, and "/D:/x" leads into it from any link.
	Drive bool
}

// Join makes one tree of several filesystems that New made: mounts[0].Path is
// "." and the others lie over directories of those before them. A mount point
// that does not exist as a directory hides nothing: its filesystem is left
// out, with a problem that says so.
func Join(mounts []Mount) (FS, error) {
	if len(mounts) == 0 || mounts[0].Path != "." {
		return nil, errors.New("vfs: Join needs a mount at \".\" first")
	}
	base, ok := mounts[0].FS.(*tree)
	if !ok {
		return nil, errForeign
	}
	t := &tree{root: base.root, drivers: slices.Clone(base.drivers), shown: slices.Clone(base.all()), mounts: map[string]Inode{}, drives: map[string]Inode{}}
	t.devs = map[string]uint64{}
	numbers := map[*owned]uint64{base.all()[0]: 1}
	number := func(at string, over *tree) { // places of one filesystem have one
		o := over.all()[0]
		if numbers[o] == 0 {
			numbers[o] = uint64(len(numbers) + 1)
		}
		t.devs[at] = numbers[o]
	}
	joined := map[*tree]bool{base: true}
	add := func(over *tree) { // one that has several places has its problems once
		if !joined[over] {
			joined[over] = true
			t.drivers = append(t.drivers, over.drivers...)
			t.shown = append(t.shown, over.all()...)
		}
	}
	rest := slices.Clone(mounts[1:])
	slices.SortStableFunc(rest, func(a, b Mount) int { return strings.Count(a.Path, "/") - strings.Count(b.Path, "/") })
	for _, m := range rest {
		over, ok := m.FS.(*tree)
		if !ok {
			return nil, errForeign
		}
		if m.Drive {
			t.drives[driveName(m.Path)] = over.root
			number(driveName(m.Path), over)
			add(over)
			continue
		}
		place, err := t.resolve("mount", m.Path, true)
		if err == nil && !place.at().Stat().Mode.IsDir() {
			err = &fs.PathError{Op: "mount", Path: m.Path, Err: errNotDir}
		}
		if err != nil {
			t.problems = append(t.problems, err)
			continue
		}
		add(over)
		t.mounts[place.name()] = over.root
		number(place.name(), over)
	}
	return t, nil
}

var (
	errNotDir = error(syscall.ENOTDIR) // as the host says it
	errIsDir  = error(syscall.EISDIR)

	errForeign = errors.New("vfs: Join takes filesystems that New made")
)

// tree implements FS over inodes.
type tree struct {
	root     Inode
	mounts   map[string]Inode // trail.name to what lies over it
	drives   map[string]Inode // driveName to the root of one
	drivers  []Driver
	devs     map[string]uint64 // by where it is mounted; the root has 1 unless it says another
	problems []error           // met while joining
	own      *owned            // what Close closes, nil in a view
	shown    []*owned          // what a view must have open
	closed   atomic.Bool       // of a view
}

// An owned is a driver as long as it is open.
type owned struct {
	driver Driver
	closed atomic.Bool
}

func (o *owned) Close() error {
	if c, ok := o.driver.(io.Closer); ok && !o.closed.Swap(true) {
		return c.Close()
	}
	o.closed.Store(true)
	return nil
}

// all are the drivers that must be open.
func (t *tree) all() []*owned {
	if t.own != nil {
		return []*owned{t.own}
	}
	return t.shown
}

func (t *tree) Close() error {
	if t.own != nil {
		return t.own.Close()
	}
	t.closed.Store(true)
	return nil
}

// devOf returns the number of the filesystem that is mounted at a place.
func (t *tree) devOf(at string) uint64 {
	if n := t.devs[at]; n != 0 {
		return n
	}
	return 1
}

// ended reports whether the tree, or something that it shows, is closed.
func (t *tree) ended() bool {
	if t.own != nil {
		return t.own.closed.Load()
	}
	return t.closed.Load() || slices.ContainsFunc(t.shown, func(o *owned) bool { return o.closed.Load() })
}

func (t *tree) Info() Info { return t.drivers[0].Info() }

func (t *tree) Problems() []error {
	out := slices.Clone(t.problems)
	for _, d := range t.drivers {
		out = append(out, d.Problems()...)
	}
	return out
}

// A trail is the way from the root to an inode: what ".." goes back along.
type trail struct {
	inodes []Inode
	names  []string // raw; one less than inodes
	base   int      // how many names lead to the root that links see: 1 in a drive
}

func (w *trail) at() Inode { return w.inodes[len(w.inodes)-1] }

// name is the path, each element escaped: what mounts are known by. Joined raw, a
// name with a slash in it would be the path of another file.
func (w *trail) name() string {
	var b strings.Builder
	for i, n := range w.names {
		if i > 0 {
			b.WriteByte('/')
		}
		b.WriteString(Escape(n))
	}
	return b.String()
}

func (w *trail) atRoot() bool { return len(w.names) == w.base }

func (w *trail) up() {
	if !w.atRoot() {
		w.names = w.names[:len(w.names)-1]
		w.inodes = w.inodes[:len(w.inodes)-1]
	}
}

func (w *trail) toRoot() { w.inodes, w.names = w.inodes[:w.base+1], w.names[:w.base] }

// drive takes w, which is at a root, to that of the drive of a name.
func (t *tree) drive(w *trail, name string) bool {
	name = driveName(name)
	root, ok := t.drives[name]
	if ok {
		w.inodes, w.names, w.base = append(w.inodes[:1], root), append(w.names[:0], name), 1
	}
	return ok
}

// driveName is a drive's name as the map has it.
func driveName(name string) string { return strings.ToUpper(name) }

// over replaces the inode that the trail has just reached by what is mounted
// there.
func (t *tree) over(w *trail) {
	if len(t.mounts) == 0 {
		return
	}
	if m, ok := t.mounts[w.name()]; ok {
		w.inodes[len(w.inodes)-1] = m
	}
}

// resolve walks a path of io/fs. Links in the middle are followed always, one
// in the last element if follow is true.
func (t *tree) resolve(op, name string, follow bool) (*trail, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	if t.ended() {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrClosed}
	}
	w := &trail{inodes: []Inode{t.root}}
	if name == "." {
		return w, nil
	}
	if err := t.walk(w, elements(name), follow); err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return w, nil
}

func elements(name string) []string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = Unescape(p)
	}
	return parts
}

// walk takes w along raw path elements. Those of todo are names, even if they
// are dots: a path of io/fs has none, so they were escaped. In the targets of
// links, which come before them, dots have their meaning.
func (t *tree) walk(w *trail, todo []string, follow bool) error {
	links, steps, names := 0, 0, len(todo)
	for len(todo) > 0 {
		if steps++; steps > maxElements {
			return &block.Error{What: "path", Off: -1, Err: block.ErrLimit}
		}
		name, literal := todo[0], len(todo) <= names
		todo = todo[1:]
		names = min(names, len(todo))
		switch {
		case literal:
		case name == "", name == ".":
			continue
		case name == "..":
			w.up()
			continue
		}
		if w.atRoot() && t.drive(w, name) {
			continue
		}
		dir := w.at()
		if !dir.Stat().Mode.IsDir() {
			return errNotDir
		}
		child, err := dir.Lookup(name)
		if err != nil {
			return err
		}
		if child.Stat().Mode&fs.ModeSymlink != 0 && (follow || len(todo) > 0) {
			if links++; links > maxLinks {
				return &block.Error{What: "symbolic links", Off: -1, Err: block.ErrLoop}
			}
			target, err := child.ReadLink()
			if err != nil {
				return err
			}
			if target == "" {
				return fs.ErrNotExist
			}
			if target[0] == '/' {
				w.toRoot()
			}
			todo = append(strings.Split(target, "/"), todo...)
			continue
		}
		w.inodes = append(w.inodes, child)
		w.names = append(w.names, name)
		t.over(w)
	}
	return nil
}

func (t *tree) inode(op, name string, follow bool) (Inode, error) {
	w, err := t.resolve(op, name, follow)
	if err != nil {
		return nil, err
	}
	return w.at(), nil
}

func (t *tree) Stat(name string) (fs.FileInfo, error)  { return t.stat("stat", name, true) }
func (t *tree) Lstat(name string) (fs.FileInfo, error) { return t.stat("lstat", name, false) }

func (t *tree) stat(op, name string, follow bool) (fs.FileInfo, error) {
	w, err := t.resolve(op, name, follow)
	if err != nil {
		return nil, err
	}
	return info{path.Base(name), w.at().Stat(), t.devOf(t.mountOf(w))}, nil
}

func (t *tree) ReadLink(name string) (string, error) {
	raw, err := t.ReadLinkRaw(name)
	return EscapeTarget(raw), err
}

func (t *tree) ReadLinkRaw(name string) (string, error) {
	n, err := t.inode("readlink", name, false)
	if err != nil {
		return "", err
	}
	if n.Stat().Mode&fs.ModeSymlink == 0 {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	target, err := n.ReadLink()
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: err}
	}
	return target, nil
}

func (t *tree) Xattrs(name string) ([]Xattr, error) {
	n, err := t.inode("xattrs", name, false)
	if err != nil {
		return nil, err
	}
	xs, err := n.Xattrs()
	slices.SortFunc(xs, func(a, b Xattr) int { return strings.Compare(a.Name, b.Name) })
	if err != nil {
		return xs, &fs.PathError{Op: "xattrs", Path: name, Err: err}
	}
	return xs, nil
}

func (t *tree) ReadDir(name string) ([]fs.DirEntry, error) {
	w, err := t.resolve("readdir", name, true)
	if err != nil {
		return nil, err
	}
	return t.list(w, name)
}

// list reads the directory at the end of w, sorted by name.
func (t *tree) list(w *trail, name string) ([]fs.DirEntry, error) {
	dir := w.at()
	if !dir.Stat().Mode.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errNotDir}
	}
	es, err := dir.ReadDir()
	ents := make([]entry, len(es))
	dev := t.devOf(t.mountOf(w))
	out := make([]fs.DirEntry, len(es))
	prefix := w.name()
	if prefix != "" {
		prefix += "/"
	}
	for i, e := range es {
		ents[i] = entry{dir: dir, name: Escape(e.Name), e: e, dev: dev}
		if len(t.mounts) > 0 {
			at := prefix + ents[i].name
			if over := t.mounts[at]; over != nil {
				ents[i].over, ents[i].dev = over, t.devOf(at)
			}
		}
	}
	sortNames(ents, func(e *entry) string { return e.name })
	for i := range ents {
		out[i] = &ents[i]
	}
	if err != nil {
		return out, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	return out, nil
}

func (t *tree) Open(name string) (fs.File, error) {
	w, err := t.resolve("open", name, true)
	if err != nil {
		return nil, err
	}
	n := w.at()
	fi := info{path.Base(name), n.Stat(), t.devOf(t.mountOf(w))}
	switch mode := fi.Mode(); {
	case mode.IsDir():
		return &dirFile{info: fi, path: name, list: func() ([]fs.DirEntry, error) { return t.list(w, name) }}, nil
	case mode.IsRegular():
		d, err := n.Content()
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		return &File{info: fi, path: name, d: d}, nil
	}
	return &File{info: fi, path: name, d: block.Plain(strings.NewReader(""))}, nil
}
