// Package linux knows Linux: where a root of it is in a volume, what it mounts, and
// which distribution it is, with its kernels, its init system and its packages.
//
// Everything is read from an [fs.FS]: a volume for [Find] and [Mounts], the guest's
// own view of its files for the rest. It may be that of a disk image, or a folder
// of a container.
package linux

import (
	"context"
	"io/fs"

	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// root is a Linux system while it is looked at.
type root struct {
	*guest.Root
	manyLoaders bool                 // more than are read
	manyKernels bool                 // more than are listed
	entries     map[string]blsFolder // that typeOne read, by the folder
}

func newRoot(ctx context.Context, fsys fs.FS, sys *system.System, o *system.Options) *root {
	return &root{Root: guest.NewRoot(ctx, fsys, sys, o), entries: map[string]blsFolder{}}
}

// Identify fills in what is known of a Linux system beside its mounts and its
// packages.
func Identify(ctx context.Context, fsys fs.FS, sys *system.System, o *system.Options) error {
	r := newRoot(ctx, fsys, sys, o)
	r.identify()
	r.FindHostname()
	r.findKernels()
	r.FindArch(kernelImagesOf(sys)...)
	r.findInit()
	r.findSettings()
	r.findUsers()
	r.findHostKeys()
	r.findInterfaces()
	r.findCrypttab()
	r.findAgents()
	r.findTimes()
	return ctx.Err()
}

func kernelImagesOf(sys *system.System) []string {
	var out []string
	for _, k := range sys.Kernels {
		if k.Image != "" {
			out = append(out, guest.Name(k.Image))
		}
	}
	return out
}

// IdentifyRelease fills in what the os-release of a system says that need not be
// Linux.
func IdentifyRelease(ctx context.Context, fsys fs.FS, sys *system.System, o *system.Options) {
	r := newRoot(ctx, fsys, sys, o)
	if sys.Type == system.TypeHurd {
		r.identify()
		return
	}
	r.fromOSRelease()
}

// IdentifyMedium fills in what an installation medium says it installs.
func IdentifyMedium(ctx context.Context, fsys fs.FS, sys *system.System, o *system.Options) {
	r := newRoot(ctx, fsys, sys, o)
	r.fromMedium()
	if sys.BootLoaders == nil {
		r.findBootLoaders()
	}
	r.fromVersionID()
	r.placeFamily(nil)
}
