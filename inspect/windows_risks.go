package inspect

import (
	"path"
	"strings"

	"github.com/guestkit/guestkit/fs/vfs"
)

// findRisks says what can go wrong where the disks are moved or changed.
func (rep *Report) findRisks(r *root) {
	rep.volumeRisk(r, "hibernated", "Windows is hibernated, or was shut down by fast startup: what it keeps in memory is not on the volume",
		func(v *Volume, i vfs.Info) bool { return i.Hibernated })
	rep.volumeRisk(r, "dirty-volume", "the volume was in use when the disk was taken: the last changes may be missing, and Windows will check it",
		func(v *Volume, i vfs.Info) bool { return i.Dirty && (v.Content == "ntfs" || v.Content == "vfat") })
	rep.volumeRisk(r, "bitlocker", "the volume is encrypted by BitLocker: Windows will ask for the recovery key on other hardware",
		func(v *Volume, _ vfs.Info) bool { return v.Content == "BitLocker" })

	w := r.win
	for _, g := range []*hive{w.software, w.system} {
		if g.stale() {
			r.risk("dirty-registry", "the registry was not written to the end, and its logs could not be applied", Evidence{Path: shown(g.file), Key: g.name})
		}
	}
	r.rebootRisk()
	if w.current.key("Services") != nil {
		r.virtioRisk("storage", "no-virtio-storage", "no driver for disks of virtio starts at boot: on KVM, Windows finds its disk only as SATA or IDE")
		r.virtioRisk("network", "no-virtio-network", "there is no driver for networks of virtio: on KVM, Windows has a network only as e1000 or such")
	}
}

// risk notes a risk; several places of one are one risk.
func (r *root) risk(id, what string, e Evidence) {
	e.Field = "risks"
	s := r.sys
	if n := len(s.Risks); n == 0 || s.Risks[n-1].ID != id {
		s.Risks = append(s.Risks, Risk{ID: id, What: what})
	}
	last := &s.Risks[len(s.Risks)-1]
	last.Evidence = append(last.Evidence, e)
}

// volumeRisk notes the volumes for which a condition holds.
func (rep *Report) volumeRisk(r *root, id, what string, holds func(*Volume, vfs.Info) bool) {
	for _, v := range rep.Volumes {
		var info vfs.Info
		if v.fsys != nil {
			info = v.fsys.Info()
		}
		if holds(v, info) {
			r.risk(id, what, Evidence{Volume: v.Name})
		}
	}
}

// rebootRisk notes what Windows wants to finish when it starts next.
func (r *root) rebootRisk() {
	const id, what = "pending-reboot", "Windows has changes to finish when it starts next"
	for _, key := range []string{
		`Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending`,
		`Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\RebootRequired`,
	} {
		if k := r.win.software.key(key); k != nil {
			r.risk(id, what, Evidence{Path: shown(r.win.software.file), Key: join(r.win.software.name, k.path)})
		}
	}
	if at := r.fold(path.Join(r.win.dir, "WinSxS/pending.xml")); at != "" {
		r.risk(id, what, Evidence{Path: shown(at)})
	}
}

// virtioRisk notes that KVM's own hardware of a class has no driver. Of a
// network it is enough that there is one; a disk is needed at boot.
func (r *root) virtioRisk(class, id, what string) {
	var seen []string
	for _, d := range r.sys.Windows.Drivers {
		if d.For != "virtio" || d.Class != class {
			continue
		}
		switch {
		case d.started(), class == "network" && d.Present && d.ImageExists && d.Start != startTypes[4]:
			return
		case !d.Present:
			seen = append(seen, d.Name+" is not there")
		case !d.ImageExists:
			seen = append(seen, d.Name+" has no file "+d.Image)
		default:
			seen = append(seen, d.Name+" starts as "+d.Start)
		}
	}
	g := r.win.system
	r.risk(id, what, Evidence{Path: shown(g.file), Key: join(g.name, join(r.win.current.path, "Services")), Detail: strings.Join(seen, ", ")})
}
