package inspect

import (
	"cmp"
	"context"
	"strings"

	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/linux"
	"github.com/guestkit/guestkit/inspect/system"
)

// xbootldrType is the type of the partition for further entries of boot loaders.
const xbootldrType = "bc13c2ff-59e6-4262-a352-b275fd6f7172"

// findBootLoaders adds the boot loaders on volumes that the system does not mount: an
// EFI system partition that systemd finds by its type, and the volume that a
// deployment or an image lies on. It is done where there is one system of Linux, so
// that they are its.
func (rep *Report) findBootLoaders(ctx context.Context, o *Options) {
	var sys *System
	for _, s := range rep.Systems {
		switch {
		case s.Type != TypeLinux || s.Kind != KindInstalled:
		case sys == nil:
			sys = s
		case sys.Volume != s.Volume || sys.Root == "/" || s.Root == "/":
			return // several: nothing tells whose they are
		}
	}
	if sys == nil {
		return
	}
	merged := map[string]bool{sys.Volume: sys.Root == "/" && sys.Image == ""}
	for _, m := range sys.Mounts {
		merged[m.Volume] = merged[m.Volume] || m.Merged
	}
	for _, v := range rep.Volumes {
		if v.fsys == nil || merged[v.Name] || v.Name != sys.Volume && v.Role != RoleBoot && v.Role != RoleESP && !v.isESP() && !strings.EqualFold(v.partType(), xbootldrType) {
			continue
		}
		found, why := linux.BootLoaders(ctx, v.fsys, rep.detect(v.Name, o))
		kept := false
		for _, b := range found {
			if len(b.Entries) == 0 && len(sys.BootLoaders) > 0 {
				continue // it only leads to one that is listed
			}
			b.Volume, kept = v.Name, true
			sys.BootLoaders = append(sys.BootLoaders, b)
		}
		for _, e := range why {
			if kept && e.Field == "boot_loaders" {
				e.Volume = v.Name
				sys.Evidence = append(sys.Evidence, e)
			}
		}
	}
	rep.kernelsOfDeployments(ctx, sys, o)
}

// kernelsOfDeployments adds to the kernels of deployments of ostree what the entries say
// that lead to them by their argument ostree=. The loaders are those of the first system,
// and count for all deployments beside it.
func (rep *Report) kernelsOfDeployments(ctx context.Context, sys *System, o *Options) {
	type led struct {
		entry *system.BootEntry
		on    string // the volume that it stands on
	}
	leads := map[string][]led{} // by the root of the deployment
	t := rep.treeOf(ctx, rep.byName(sys.Volume).fsys, sys.Volume, o)
	for i := range sys.BootLoaders {
		b := &sys.BootLoaders[i]
		for j := range b.Entries {
			e := &b.Entries[j]
			if target := linux.OSTreeTarget(e.Options); target != "" && ctx.Err() == nil {
				root := guest.Shown(t.Real(guest.Name(target)))
				leads[root] = append(leads[root], led{e, cmp.Or(b.Volume, sys.Volume)})
			}
		}
	}
	for _, s := range rep.Systems {
		if s.Volume != sys.Volume || s.Root == "/" {
			continue
		}
		for _, l := range leads[s.Root] {
			for i := range s.Kernels {
				k, e := &s.Kernels[i], l.entry
				if len(s.Kernels) > 1 && !strings.HasSuffix(e.Kernel, "-"+k.Version) || k.Entry != "" && (!e.Default || k.Default) {
					continue
				}
				k.Entry, k.Options = strings.TrimSuffix(cmp.Or(e.ID, e.Title), ".conf"), e.Options
				if e.Default {
					k.Default = true
					s.Evidence = append(s.Evidence, Evidence{Field: "kernels", Volume: l.on, Path: e.Path, Line: e.Line, Detail: "the default"})
				}
			}
		}
	}
}
