package block

// A Ref is how an image names another file: its backing file, an extent, its
// parent. Nothing in it has been opened.
type Ref struct {
	Kind   string // "backing file", "data file", "extent", "parent"
	Name   string // as the image says it; it resolves against the directory of From
	Format string // the format that the image states for it, "" if it states none
	From   Reader // the image that says so
}

// An Opener decides whether the file that an image names may be opened, and
// opens it. A nil Opener refuses all: the image returns an error that wraps
// ErrRefused (or ErrParent, where the image is incomplete without it).
//
// An image closes what its Opener returned if that is an [io.Closer]; it never
// closes the Reader that it was given. After Close its methods return
// [os.ErrClosed].
type Opener func(Ref) (Device, error)
