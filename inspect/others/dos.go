package others

import (
	"context"
	"io/fs"

	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// FindDOS knows FreeDOS and MS-DOS by their kernels, or by the folder of their
// shell.
func FindDOS(ctx context.Context, fsys fs.FS, o *system.Options) []system.Place {
	t := guest.NewTree(ctx, fsys, o)
	for _, names := range [...][]string{{"FDOS/FREEDOS.BSS"}, {"KERNEL.SYS", "COMMAND.COM"}, {"KERNEL.SYS", "FREEDOS/BIN/COMMAND.COM"}, {"KERNEL.SYS", "FDCONFIG.SYS"}, {"DOS/COMMAND.COM"}, {"IO.SYS", "MSDOS.SYS", "COMMAND.COM"}} {
		at := ""
		for _, name := range names {
			if at = t.Fold(name); at == "" {
				break
			}
		}
		if at != "" {
			return []system.Place{{Dir: ".", Type: system.TypeDOS, Marker: t.Fold(names[0]), Finder: "dos"}}
		}
	}
	return nil
}

// IdentifyDOS tells FreeDOS from MS-DOS.
func IdentifyDOS(ctx context.Context, fsys fs.FS, sys *system.System, o *system.Options) error {
	r := &root{guest.NewRoot(ctx, fsys, sys, o)}
	id, product := "msdos", "MS-DOS"
	for _, name := range [...]string{"FDOS/FREEDOS.BSS", "KERNEL.SYS", "FDCONFIG.SYS"} {
		if r.Fold(name) != "" {
			id, product = "freedos", "FreeDOS"
			break
		}
	}
	r.name(id)
	sys.ProductName = product
	for _, e := range sys.Because("distro") {
		e.Field = "product_name"
		sys.Evidence = append(sys.Evidence, e)
	}
	return ctx.Err()
}
