package inspect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/guestkit/guestkit/block"
	gfs "github.com/guestkit/guestkit/fs"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/linux"
	"github.com/guestkit/guestkit/inspect/others"
	"github.com/guestkit/guestkit/inspect/packages"
	"github.com/guestkit/guestkit/inspect/system"
	"github.com/guestkit/guestkit/inspect/windows"
)

// Run says what the disks of one guest hold: all volumes, and the operating
// systems on them. The disks are given in the order in which the guest sees
// them; they are read only, and stay open as long as the Report is used, which is
// closed before them.
//
// The error is one of the call: no disks, too many, or a context that ended.
// What is wrong with a volume is in the Report, and ends nothing else.
func Run(ctx context.Context, disks []block.Device, o *Options) (*Report, error) {
	if o == nil {
		o = &Options{}
	}
	rep, err := scanVolumes(ctx, disks, o, 2)
	if err != nil {
		return nil, err
	}
	readable := 0
	for _, v := range rep.Volumes {
		if v.fsys != nil {
			readable++
		}
	}
	rep.steps.total(len(rep.Volumes) + readable)
	for _, v := range rep.Volumes {
		if v.fsys == nil {
			continue
		}
		rep.steps.next(PhaseSearch, v.Name)
		if err := rep.findSystems(ctx, v, o); err != nil {
			return nil, errors.Join(err, rep.Close())
		}
		rep.steps.done()
	}
	rep.findBootLoaders(ctx, o)
	rep.bootVariables(ctx, o)
	rep.setFirmware(ctx, o)
	rep.steps.end(PhaseSearch)
	return rep, nil
}

// MaxSystems bounds the systems that are listed of a guest, each of which takes what one
// does: a root may have thousands of deployments, or subvolumes.
const MaxSystems = 64

// MaxSystemBytes bounds what all systems of a guest take beside their packages. Systems
// that are no trap take less than one MiB each.
const MaxSystemBytes = 64 << 20

// findSystems adds the systems whose root is on the volume.
func (rep *Report) findSystems(ctx context.Context, v *Volume, o *Options) error {
	for _, find := range finders {
		places := find(ctx, v.fsys, rep.detect(v.Name, o))
		if len(places) > 1 && places[0].Finder == "ostree" {
			places = rep.booted(ctx, v, places, o)
		}
		for _, p := range places {
			if why := rep.full(); why != "" {
				if rep.cut == nil {
					rep.cut = guest.Named(v.Name, block.Errorf("", guest.Shown(p.Dir), -1, block.ErrLimit, "%s; this and what follows is not read", why))
				}
				break
			}
			sys, err := rep.system(ctx, v, p, o)
			if err != nil {
				return err
			}
			if sys != nil {
				sys.Number()
				rep.Systems = append(rep.Systems, sys)
				rep.packages += sys.Packages.Cost()
				for i := range sys.OtherPackages {
					rep.packages += sys.OtherPackages[i].Cost()
				}
				v.Role = RoleRoot
				if p.Kind != "" {
					v.Role = RoleInstaller
				}
			}
		}
		if len(places) > 0 {
			return ctx.Err()
		}
	}
	v.Role = role(rep.treeOf(ctx, v.fsys, v.Name, o), v)
	return ctx.Err()
}

// full says why no further system is read, "" if it is. What the systems before it take
// is counted here, since most guests have one, and no other to ask for it.
func (rep *Report) full() string {
	for ; rep.counted < len(rep.Systems); rep.counted++ {
		rep.size += rep.Systems[rep.counted].Cost()
	}
	switch {
	case len(rep.Systems) == MaxSystems:
		return fmt.Sprintf("more than %d systems", MaxSystems)
	case rep.size >= MaxSystemBytes:
		return fmt.Sprintf("more than %d MiB of what the systems before say of themselves", MaxSystemBytes>>20)
	}
	return ""
}

// detect is how detectors read; where names in problems what they read.
func (rep *Report) detect(where string, o *Options) *system.Options {
	of := cmp.Or(o.MaxPackages, DefaultMaxPackages)
	left := system.AllPackages(of) - rep.packages
	if left <= 0 {
		left = -1
	}
	return &system.Options{NoPackages: o.NoPackages, Initramfs: o.Initramfs, PackageFiles: o.PackageFiles, PackageLicenses: o.PackageLicenses, MaxConfig: o.MaxConfig, MaxDatabase: o.MaxDatabase,
		MaxPackages: min(of, max(left, 1)), MaxAllPackages: left,
		Problem: func(err error) { rep.problem(where, err) }}
}

// treeOf reads a filesystem as detectors do.
func (rep *Report) treeOf(ctx context.Context, fsys vfs.FS, where string, o *Options) *guest.Tree {
	return guest.NewTree(ctx, fsys, rep.detect(where, o))
}

// system identifies one system. It is nil where the place that a finder gave
// cannot be entered.
func (rep *Report) system(ctx context.Context, v *Volume, p system.Place, o *Options) (*System, error) {
	fsys := v.fsys
	if p.Dir != "." {
		var err error
		if fsys, err = vfs.Sub(v.fsys, p.Dir); err != nil {
			rep.problem(v.Name, err)
			return nil, nil
		}
	}
	sys := system.New(p.Type)
	sys.Volume, sys.Root = v.Name, guest.Shown(p.Dir)
	sys.Evidence = append(sys.Evidence, Evidence{Field: "type", Volume: v.Name, Path: guest.Shown(p.Marker), Detail: p.Finder})
	if p.Entry != "" {
		on, name, _ := strings.Cut(p.Entry, ":/")
		sys.Evidence = append(sys.Evidence, Evidence{Field: "root", Volume: on, Path: "/" + name, Detail: "the boot entry that starts it"})
	}
	do := rep.detect(v.Name, o)
	outer := fsys
	if p.Kind != "" {
		sys.Kind = p.Kind
	}
	if p.Image != "" {
		inner, err := rep.openImage(v, p.Image, o)
		if err != nil {
			rep.problem(v.Name, guest.Named(guest.Shown(p.Image), err))
		} else {
			fsys = inner
			sys.Image = guest.Shown(p.Image)
		}
	}
	if p.Kind == system.KindInstaller {
		sys.Files = fsys
		if p.Type == TypeLinux {
			linux.IdentifyMedium(ctx, fsys, sys, do)
			return sys, ctx.Err()
		}
		return sys, identify(ctx, sys, do)
	}
	if p.Type == TypeWindows {
		return sys, rep.windows(ctx, v, fsys, sys, o)
	}
	if p.Type == TypeLinux || p.Type == TypeHurd || p.Type.BSD() {
		rep.readFstab(ctx, fsys, sys, do)
	}
	if p.Type == TypeLinux {
		t := guest.NewTree(ctx, fsys, do)
		rep.findByType(t, sys)
		rep.findUsr(ctx, t, sys, o)
	}
	var err error
	if sys.Files, err = rep.join(sys, fsys, v, p, do); err != nil {
		return nil, err
	}
	findMissing(sys)
	if err := identify(ctx, sys, do); err != nil {
		return nil, err
	}
	if p.Type == TypeDOS {
		return sys, nil
	}
	if p.Kind != "" {
		linux.IdentifyMedium(ctx, outer, sys, do)
	}
	if !o.NoPackages {
		rep.steps.next(PhasePackages, v.Name)
	}
	found, err := packages.Read(ctx, sys.Files, do)
	if err != nil {
		return nil, err
	}
	linux.Packages(ctx, sys.Files, sys, found, do)
	distrustPackages(sys)
	return sys, nil
}

// windows identifies a Windows, whose root is on v.
func (rep *Report) windows(ctx context.Context, v *Volume, fsys vfs.FS, sys *System, o *Options) error {
	w := windows.Open(ctx, fsys, sys, rep.detect(v.Name, o))
	rep.readDrives(w, sys)
	var err error
	if sys.Files, err = rep.joinDrives(w, sys, v, o); err != nil {
		return err
	}
	if err := w.Identify(sys.Files); err != nil {
		return err
	}
	winget, err := packages.WinGet(ctx, sys.Files, w.Homes(), rep.detect(v.Name, o))
	if err != nil {
		return err
	}
	sys.OtherPackages = append(sys.OtherPackages, winget...)
	rep.findBootManagers(ctx, sys, o)
	rep.findVolumeRisks(sys)
	w.Risks()
	return nil
}

// identify says which system it is, by its own view of its files.
func identify(ctx context.Context, sys *System, o *system.Options) error {
	switch sys.Type {
	case TypeDOS:
		return others.IdentifyDOS(ctx, sys.Files, sys, o)
	case TypeLinux:
		return linux.Identify(ctx, sys.Files, sys, o)
	}
	// Many have an os-release today; what it does not say their own files may.
	linux.IdentifyRelease(ctx, sys.Files, sys, o)
	return others.Identify(ctx, sys.Files, sys, o)
}

// booted orders the deployments of a volume by the entries of the boot loader, which
// may be on a volume of their own.
func (rep *Report) booted(ctx context.Context, v *Volume, places []system.Place, o *Options) []system.Place {
	for _, boot := range append([]*Volume{v}, rep.Volumes...) {
		if boot.fsys == nil || boot.Disk != v.Disk {
			continue
		}
		entries := linux.BootEntries(ctx, boot.fsys, rep.detect(boot.Name, o))
		if len(entries) == 0 {
			continue
		}
		out := linux.Booted(ctx, v.fsys, places, entries, rep.detect(v.Name, o))
		if out[0].Entry != "" {
			return from(boot, out)
		}
	}
	return from(v, linux.Booted(ctx, v.fsys, places, nil, rep.detect(v.Name, o)))
}

// from says on which volume the boot entries are.
func from(v *Volume, places []system.Place) []system.Place {
	for i := range places {
		if places[i].Entry != "" {
			places[i].Entry = v.Name + ":/" + places[i].Entry
		}
	}
	return places
}

// openImage opens the filesystem in a file of a volume, and the one in that where a
// live medium has them nested.
func (rep *Report) openImage(v *Volume, name string, o *Options) (vfs.FS, error) {
	var in fs.FS = v.fsys
	for range 2 {
		f, err := in.Open(name)
		if err != nil {
			return nil, err
		}
		r, ok := f.(block.Reader)
		if !ok {
			f.Close()
			return nil, block.Errorf("", "image", -1, block.ErrUnsupported, "it is no regular file")
		}
		inner, err := gfs.Open(r, o.FS)
		if err != nil {
			f.Close()
			return nil, err
		}
		rep.opened = append(rep.opened, f, inner)
		const nested = "LiveOS/rootfs.img"
		if fi, err := fs.Stat(inner, nested); err != nil || !fi.Mode().IsRegular() {
			return inner, nil
		}
		in, name = inner, nested
	}
	return nil, block.Errorf("", "image", -1, block.ErrLimit, "more images in each other than live media have")
}
