package inspect

import (
	"slices"
	"strings"

	"github.com/guestkit/guestkit/inspect/linux"
)

// needed reports whether a system is not whole without a mount: /usr, /var, /boot,
// /home or a part of them, on a disk.
func needed(m Mount) bool {
	if m.Type == "swap" || m.Path == "" {
		return false
	}
	for _, dir := range [...]string{"/usr", "/var", "/boot", "/home"} {
		if m.Path == dir {
			return true
		}
		if strings.HasPrefix(m.Path, dir+"/") {
			return !slices.Contains(strings.Split(m.Options, ","), "noauto")
		}
	}
	return false
}

// findMissing lists the mounts that the system is not whole without, and that are
// not part of its tree.
func findMissing(sys *System) {
	for _, m := range sys.Mounts {
		if !m.Merged && needed(m) && isLocal(m) && !slices.Contains(sys.Missing, m.Path) {
			sys.Missing = append(sys.Missing, m.Path)
		}
	}
	for _, m := range sys.Mounts { // a second line for the same place may have served
		if m.Merged {
			sys.Missing = slices.DeleteFunc(sys.Missing, func(p string) bool { return p == m.Path })
		}
	}
}

// isLocal reports whether a mount is of a disk that is always there.
func isLocal(m Mount) bool {
	if m.Volume != "" {
		return true
	}
	name, dev := strings.CutPrefix(m.Spec, "/dev/")
	tag, _, tagged := strings.Cut(m.Spec, "=")
	switch strings.ToUpper(tag) {
	case "UUID", "LABEL", "PARTUUID", "PARTLABEL", "ID", "NAME":
		return tagged
	}
	return (dev && name != "shm" || linux.IsLabelName(m.Spec) || m.Type == "zfs") && !strings.Contains(m.Reason, "removable") && !strings.Contains(m.Reason, "bind mount")
}

// distrustPackages says of the databases what a missing /usr or /var means for them:
// what is there may be what lies beneath the mount, and what is not there may be
// in it.
func distrustPackages(sys *System) {
	for _, dir := range sys.Missing {
		if !strings.HasPrefix(dir+"/", "/usr/") && !strings.HasPrefix(dir+"/", "/var/") {
			continue
		}
		reason := "the volume of " + dir + " is missing"
		for _, p := range append([]*Packages{&sys.Packages}, pointers(sys.OtherPackages)...) {
			switch {
			case p == &sys.Packages && p.Status == PackagesNone:
				p.Status, p.Reason = PackagesNotRead, reason+": a database may be there"
			case p.Status == PackagesRead && strings.HasPrefix(p.Database, dir+"/"):
				p.Status, p.Reason = PackagesPartial, reason+": this was found beneath its mount point"
			}
		}
	}
}

func pointers[T any](s []T) []*T {
	out := make([]*T, len(s))
	for i := range s {
		out[i] = &s[i]
	}
	return out
}
