package inspect

import (
	"context"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

// Run says what the disks of one guest hold: all volumes, and the operating
// systems on them. The disks are given in the order in which the guest sees
// them; they are read only, and stay open as long as the Report is used.
//
// The error is one of the call: no disks, too many, or a context that ended.
// What is wrong with a volume is in the Report, and ends nothing else.
func Run(ctx context.Context, disks []block.Device, o *Options) (*Report, error) {
	if o == nil {
		o = &Options{}
	}
	rep, err := Volumes(ctx, disks, o)
	if err != nil {
		return nil, err
	}
	for _, v := range rep.Volumes {
		if v.fsys == nil {
			continue
		}
		if err := rep.findSystems(ctx, v, o); err != nil {
			return nil, err
		}
	}
	rep.setFirmware(ctx, o)
	return rep, nil
}

// findSystems adds the systems whose root is on the volume.
func (rep *Report) findSystems(ctx context.Context, v *Volume, o *Options) error {
	t := rep.treeOf(ctx, v.fsys, v.Name, o)
	for _, f := range finders {
		places := f.find(t)
		for _, p := range places {
			sys, err := rep.system(ctx, v, f, p, o)
			if err != nil {
				return err
			}
			if sys != nil {
				rep.Systems = append(rep.Systems, sys)
				v.Role = RoleRoot
			}
		}
		if len(places) > 0 {
			return ctx.Err()
		}
	}
	v.Role = role(t, v)
	return ctx.Err()
}

// treeOf is what detectors read a filesystem through; where names it in
// problems.
func (rep *Report) treeOf(ctx context.Context, fsys vfs.FS, where string, o *Options) *tree {
	return &tree{ctx: ctx, fsys: fsys, o: o, problem: func(err error) { rep.problem(where, err) }}
}

// system identifies one system. It is nil where the place that a finder gave
// cannot be entered.
func (rep *Report) system(ctx context.Context, v *Volume, f finder, p place, o *Options) (*System, error) {
	fsys := v.fsys
	if p.dir != "." {
		var err error
		if fsys, err = vfs.Sub(v.fsys, p.dir); err != nil {
			rep.problem(v.Name, err)
			return nil, nil
		}
	}
	sys := newSystem(p.typ)
	sys.Volume, sys.Root = v.Name, shown(p.dir)
	r := &root{tree: *rep.treeOf(ctx, fsys, v.Name, o), sys: sys}
	sys.Evidence = append(sys.Evidence, Evidence{Field: "type", Volume: v.Name, Path: shown(p.marker), Detail: f.name})
	var joined vfs.FS
	var err error
	switch p.typ {
	case TypeWindows:
		r.openWindows()
		rep.readDrives(r)
		joined, err = rep.joinDrives(r, v)
	default:
		if p.typ == TypeLinux {
			rep.readFstab(r)
			rep.findByType(r)
		}
		joined, err = rep.join(r, fsys, v, p)
	}
	if err != nil {
		return nil, err
	}
	sys.fsys = joined
	r.fsys = joined
	if err := f.identify(r); err != nil {
		return nil, err
	}
	if p.typ == TypeWindows {
		rep.findBootManagers(r)
		rep.findRisks(r)
	}
	return sys, nil
}
