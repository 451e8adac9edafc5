package vfs

import "github.com/guestkit/guestkit/block"

// A Freer is a [Driver] that knows which of its blocks hold nothing.
type Freer interface {
	// Free calls yield with each run of n bytes at off of the volume (the first
	// of several) whose content nobody needs: neither a file nor the filesystem
	// itself, in any state of either that can be gone back to. The runs lie on
	// the volume and do not overlap; their order is the driver's. An error, its
	// own or one of yield, ends it, and then what was told before counts for
	// nothing: what a filesystem says of its free blocks is true as a whole, or
	// not at all.
	Free(yield func(off, n int64) error) error
}

// Free lists what a filesystem that [New] made calls free, as [Freer.Free] has
// it. A driver that cannot tell wraps ErrUnsupported. A journal that waits, a
// system that hibernates on the volume and any fault that was met wrap ErrDirty
// or the class of the fault: what such a filesystem calls free may be in use.
func Free(fsys FS, yield func(off, n int64) error) error {
	info := fsys.Info()
	refuse := func(class error, detail string) error {
		return block.Errorf(info.Type, "free blocks", -1, class, "%s", detail)
	}
	t, ok := fsys.(*tree)
	if !ok || t.own == nil {
		return refuse(block.ErrUnsupported, "no single filesystem")
	}
	f, ok := t.own.driver.(Freer)
	switch {
	case !ok:
		return refuse(block.ErrUnsupported, "they are not told apart in "+info.Type)
	case info.Hibernated:
		return refuse(block.ErrDirty, "a system that hibernates may need them")
	case info.Dirty:
		return refuse(block.ErrDirty, "the filesystem was not unmounted, and its journal may need them")
	}
	sound := func() error {
		if p := fsys.Problems(); len(p) > 0 {
			return p[0]
		}
		return nil
	}
	if err := sound(); err != nil {
		return err
	}
	if err := f.Free(yield); err != nil {
		return err
	}
	return sound() // it grows while the filesystem is read
}
