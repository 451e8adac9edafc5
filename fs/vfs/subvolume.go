package vfs

// A Subvolume is a tree of files of its own in a filesystem, as Btrfs has them.
type Subvolume struct {
	// Path leads to it from the top level of the filesystem, which is ".". It
	// is in the form of io/fs.
	Path string
	// ID is its number, and Parent that of the subvolume in which it lies, 0
	// for the top level.
	ID, Parent uint64
	// UUID is its own, ParentUUID that of what it is a snapshot of, and
	// ReceivedUUID that of what was sent; "" if there is none.
	UUID, ParentUUID, ReceivedUUID string
	Generation                     uint64
	ReadOnly                       bool
	Default                        bool // a mount shows it that names none
}

// A Subvolumer is a [Driver] of a filesystem that has subvolumes.
type Subvolumer interface {
	Driver
	// Subvolumes lists them by rising ID, the top level first.
	Subvolumes() ([]Subvolume, error)
}

// Subvolumes lists the subvolumes of a filesystem, nil if it cannot have any.
func Subvolumes(fsys FS) ([]Subvolume, error) {
	t, ok := fsys.(*tree)
	if !ok {
		return nil, nil
	}
	d, ok := t.drivers[0].(Subvolumer)
	if !ok {
		return nil, nil
	}
	return d.Subvolumes()
}

// DefaultSubvolume returns the path of the subvolume that a mount shows which
// names none, "." of a filesystem without subvolumes.
func DefaultSubvolume(fsys FS) (string, error) {
	subs, err := Subvolumes(fsys)
	for _, s := range subs {
		if s.Default {
			return s.Path, nil
		}
	}
	return ".", err
}
