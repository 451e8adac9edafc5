package guest

import (
	"context"
	"io/fs"

	"github.com/guestkit/guestkit/inspect/system"
)

// A Root is an operating system while it is looked at: its files and what is
// known so far.
type Root struct {
	Tree
	Sys *system.System
}

// NewRoot looks at a system through the tree of its files.
func NewRoot(ctx context.Context, fsys fs.FS, sys *system.System, o *system.Options) *Root {
	return &Root{*NewTree(ctx, fsys, o), sys}
}

// Because records that a field's value comes from a line of a file, or from
// the file as a whole if line is 0.
func (r *Root) Because(field, name string, line int, detail string) {
	r.Sys.Evidence = append(r.Sys.Evidence, system.Evidence{Field: field, Path: Shown(name), Line: line, Detail: detail})
}

// Set gives a text field its value, unless it has one already or the value is
// empty. It reports whether it did.
func (r *Root) Set(dst *string, field, value, name string, line int) bool {
	if *dst != system.Unknown {
		return false
	}
	value = r.Value(value, name, line)
	if value == "" {
		return false
	}
	*dst = value
	r.Because(field, name, line, "")
	return true
}
