package inspect

import (
	"context"
	"strings"

	"github.com/guestkit/guestkit/inspect/linux"
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
}
