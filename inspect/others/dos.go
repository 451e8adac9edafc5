package others

import (
	"context"
	"io/fs"

	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// FindDOS knows FreeDOS and MS-DOS by the folder of their shell.
func FindDOS(ctx context.Context, fsys fs.FS, o *system.Options) []system.Place {
	t := guest.NewTree(ctx, fsys, o)
	for _, name := range []string{"FDOS/FREEDOS.BSS", "DOS/COMMAND.COM"} {
		if at := t.Fold(name); at != "" {
			return []system.Place{{Dir: ".", Type: system.TypeDOS, Marker: at, Finder: "dos"}}
		}
	}
	return nil
}
