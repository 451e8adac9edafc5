// Package others knows the systems that are neither Linux nor Windows. All is read
// from an [fs.FS], as in inspect/linux.
package others

import (
	"context"
	"io/fs"

	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// FindBSD knows the BSDs by the files that their base systems install.
func FindBSD(ctx context.Context, fsys fs.FS, o *system.Options) []system.Place {
	t := guest.NewTree(ctx, fsys, o)
	if !t.IsDir("etc") || !t.IsDir("bin") {
		return nil
	}
	for _, m := range [...]struct {
		name string
		typ  system.Type
	}{{"bin/freebsd-version", system.TypeFreeBSD}, {"etc/freebsd-update.conf", system.TypeFreeBSD}, {"netbsd", system.TypeNetBSD}, {"bsd", system.TypeOpenBSD}} {
		if t.IsFile(m.name) {
			return []system.Place{{Dir: ".", Type: m.typ, Marker: m.name, Finder: "freebsd"}}
		}
	}
	return nil
}

// IdentifyBSD reads what the BSDs have in common with each other.
func IdentifyBSD(ctx context.Context, fsys fs.FS, sys *system.System, o *system.Options) error {
	r := guest.NewRoot(ctx, fsys, sys, o)
	if b, ok := r.Text("bin/freebsd-version"); ok {
		for _, a := range guest.Assignments(b) {
			if a.Name == "USERLAND_VERSION" {
				r.Set(&r.Sys.Version, "version", a.Value, "bin/freebsd-version", a.Line)
			}
		}
	}
	r.FindArch()
	r.FindHostname()
	return ctx.Err()
}
