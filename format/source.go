package format

import (
	"io"
	"strings"

	"github.com/guestkit/guestkit/block"
)

// A Source is a place where an image lies: a file of this machine, the parts of
// a split one, a member of a package, an object behind HTTP. It is all that a
// chain of images needs to know of such a place. It is safe for concurrent use.
//
// A Source may have SectorSize() int, as a block device does, and Modified()
// time.Time, when it was last written to.
type Source interface {
	block.Device
	io.Closer
	// Name is the path or the address of the image, which is its Info.Name.
	Name() string
	// Folder is where the files lie that the image names, nil if it lies
	// beside nothing.
	Folder() Folder
	// Same reports whether the other one is the same file.
	Same(other Source) bool
	// Changed returns an error that wraps block.ErrChanged if the bytes are not
	// those that were there when it was opened, as far as that can be told.
	Changed() error
	// Allocated is how many bytes it takes where it lies, -1 if that is not
	// known.
	Allocated() int64
}

// A Folder opens what lies beside a Source, and nothing else: whether an image
// may name anything there is for Options to say.
type Folder interface {
	// Open opens the file that an image calls name: a path with slashes,
	// relative to the folder, or an absolute one that leads into it. The error
	// wraps fs.ErrNotExist where there is none, and block.ErrRefused or any
	// other where the name, or a link that it goes through, leads elsewhere.
	Open(name string) (Source, error)
	// Names lists the files of the folder, but none below it.
	Names() ([]string, error)
}

// NewSource makes a Source of any Reader, which stays open: an image in memory,
// an object in a store. What it names is looked for in beside, which is nil if
// there is nothing.
func NewSource(r block.Reader, name string, beside Folder) Source {
	return &readerSource{block.Plain(r), r, name, beside}
}

// A readerSource is a Reader of the caller's.
type readerSource struct {
	block.Device
	r      block.Reader
	name   string
	beside Folder
}

func (s *readerSource) SectorSize() int  { return block.SectorSize(s.Device) }
func (s *readerSource) Close() error     { return nil }
func (s *readerSource) Name() string     { return s.name }
func (s *readerSource) Folder() Folder   { return s.beside }
func (s *readerSource) Changed() error   { return nil }
func (s *readerSource) Allocated() int64 { return -1 }

func (s *readerSource) Same(other Source) bool {
	o, ok := other.(*readerSource)
	return ok && o == s
}

// sourceOf makes a Source of what a caller wants to open.
func sourceOf(r block.Reader) Source {
	if s, ok := r.(Source); ok {
		return s
	}
	return NewSource(r, "", nil)
}

// baseName is the last part of a path or an address.
func baseName(name string) string {
	if i := strings.LastIndexFunc(name, isSeparator); i >= 0 {
		return name[i+1:]
	}
	return name
}
