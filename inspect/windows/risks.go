package windows

import (
	"path"
	"strings"

	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// Risks notes what can go wrong where the disks are moved or changed, as far as
// the registry tells.
func (w *Windows) Risks() {
	for _, g := range []*hive{w.software, w.system} {
		if g.stale() {
			w.risk("dirty-registry", "the registry was not written to the end, and its logs could not be applied", system.Evidence{Path: guest.Shown(g.file), Key: g.name})
		}
	}
	w.rebootRisk()
	if w.current.key("Services") != nil {
		w.virtioRisk("storage", "no-virtio-storage", "no driver for disks of virtio starts at boot: on KVM, Windows finds its disk only as SATA or IDE")
		w.virtioRisk("network", "no-virtio-network", "there is no driver for networks of virtio: on KVM, Windows has a network only as e1000 or such")
	}
}

func (w *Windows) risk(id, what string, e system.Evidence) { w.Sys.AddRisk(id, what, e) }

// rebootRisk notes what Windows wants to finish when it starts next.
func (r *Windows) rebootRisk() {
	const id, what = "pending-reboot", "Windows has changes to finish when it starts next"
	for _, key := range []string{
		`Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending`,
		`Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\RebootRequired`,
	} {
		if k := r.software.key(key); k != nil {
			r.risk(id, what, system.Evidence{Path: guest.Shown(r.software.file), Key: join(r.software.name, k.path)})
		}
	}
	if at := r.Fold(path.Join(r.dir, "WinSxS/pending.xml")); at != "" {
		r.risk(id, what, system.Evidence{Path: guest.Shown(at)})
	}
}

// virtioRisk notes that KVM's own hardware of a class has no driver. Of a
// network it is enough that there is one; a disk is needed at boot.
func (r *Windows) virtioRisk(class, id, what string) {
	var seen []string
	for _, d := range r.Sys.Windows.Drivers {
		if d.For != "virtio" || d.Class != class {
			continue
		}
		switch {
		case started(d), class == "network" && d.Present && d.ImageExists && d.Start != startTypes[4]:
			return
		case !d.Present:
			seen = append(seen, d.Name+" is not there")
		case !d.ImageExists:
			seen = append(seen, d.Name+" has no file "+d.Image)
		default:
			seen = append(seen, d.Name+" starts as "+d.Start)
		}
	}
	g := r.system
	r.risk(id, what, system.Evidence{Path: guest.Shown(g.file), Key: join(g.name, join(r.current.path, "Services")), Detail: strings.Join(seen, ", ")})
}
