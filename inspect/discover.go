package inspect

import (
	"context"
	"fmt"
	"strings"

	"github.com/guestkit/guestkit/inspect/internal/guest"
)

// discoverable are the partition types by which systemd mounts what fstab
// does not (Discoverable Partitions Specification).
var discoverable = [...]struct{ typ, path string }{
	{"8484680c-9521-48c6-9c11-b0720656f69e", "/usr"}, // x86-64
	{"b0e01050-ee5f-4390-949a-9101b17104e9", "/usr"}, // arm64
	{"75250d76-8cc6-458e-bd66-bd47cc81a812", "/usr"}, // x86
	{"beaec34b-8442-439b-a40b-984381ed097d", "/usr"}, // riscv64
	{"933ac7e1-2eb4-4f13-b844-0e14e2aef915", "/home"},
	{"3b8f8425-20e0-4f3b-907f-1a25a76f98e8", "/srv"},
	{"4d21b016-b534-45c2-a9fb-5c16e091fd2d", "/var"},
	{"bc13c2ff-59e6-4262-a352-b275fd6f7172", "/boot"}, // extended boot loader partition
	{espType, "/efi"},
	{espType, "/boot"},
}

// noAuto is the attribute that keeps systemd from mounting a partition by its
// type.
const noAuto = 1 << 63

// findByType adds the mounts that systemd makes without fstab: those whose
// partition is the only one of its type on the disk of the root, and whose
// mount point is an empty folder.
func (rep *Report) findByType(t *guest.Tree, sys *System) {
	home := rep.byName(sys.Volume)
	if home == nil || home.Partition == nil || sys.Root != "/" {
		return
	}
	used := map[string]bool{}
	for _, m := range sys.Mounts {
		used[m.Path] = true
		used[m.Volume] = true
	}
	for _, d := range discoverable {
		if used[d.path] {
			continue
		}
		var hits []*Volume
		for _, v := range rep.Volumes {
			if v.Disk == home.Disk && strings.EqualFold(v.partType(), d.typ) && v.Partition.Attributes&noAuto == 0 {
				hits = append(hits, v)
			}
		}
		if len(hits) != 1 || used[hits[0].Name] || !t.IsDir(guest.Name(d.path)) || len(t.List(guest.Name(d.path))) > 0 {
			continue
		}
		used[d.path], used[hits[0].Name] = true, true
		sys.Mounts = append(sys.Mounts, Mount{Spec: d.typ, Path: d.path, Type: "auto", Volume: hits[0].Name, By: "partition type"})
		sys.Evidence = append(sys.Evidence, Evidence{Field: "mounts", Volume: hits[0].Name, Detail: "by its partition type"})
	}
}

// usrAB is the type of the two partitions of which CoreOS Container Linux and
// Flatcar mount one as /usr.
const usrAB = "5dfbf5f4-2848-4bac-aa5e-0d9a20b745a6"

// findUsr fills an empty /usr that nothing is known to be mounted on: with that of
// two versions which the boot loader prefers, or with the only volume that looks
// like a /usr.
func (rep *Report) findUsr(ctx context.Context, t *guest.Tree, sys *System, o *Options) {
	line := -1
	used := map[string]bool{sys.Volume: true}
	for i, m := range sys.Mounts {
		used[m.Volume] = true
		if m.Path == "/usr" {
			if m.Volume != "" {
				return
			}
			line = i
		}
	}
	home := rep.byName(sys.Volume)
	if home == nil || sys.Root != "/" || len(t.List("usr")) > 0 {
		return
	}
	v, by, reason := rep.preferredUsr(home)
	if v == nil {
		by, reason = "content", "it is the only volume that looks like a /usr, and that of the root is empty"
		for _, other := range rep.Volumes {
			if other.fsys == nil || used[other.Name] || other.Content == "vfat" || role(rep.treeOf(ctx, other.fsys, other.Name, o), other) != RoleUsr {
				continue
			}
			if v != nil {
				return
			}
			v = other
		}
	}
	if v == nil {
		return
	}
	if line < 0 {
		sys.Mounts = append(sys.Mounts, Mount{Spec: v.Name, Path: "/usr", Type: "auto"})
		line = len(sys.Mounts) - 1
	}
	m := &sys.Mounts[line]
	m.Volume, m.By, m.Guess, m.Reason = v.Name, by, true, reason
	sys.Evidence = append(sys.Evidence, Evidence{Field: "mounts", Volume: v.Name, Detail: "/usr: " + reason})
}

// preferredUsr chooses of the partitions USR-A and USR-B on the disk of the root as
// GRUB does there: by the priority in their attributes (bits 48 to 51), if they
// were booted once or have a try left; else the first.
func (rep *Report) preferredUsr(home *Volume) (v *Volume, by, reason string) {
	best := -1
	for _, other := range rep.Volumes {
		if other.Disk != home.Disk || !strings.EqualFold(other.partType(), usrAB) {
			continue
		}
		attr := other.Partition.Attributes
		priority, tries, booted := int(attr>>48&15), attr>>52&15, attr>>56&1 == 1
		if !booted && tries == 0 {
			priority = 0
		}
		if priority > best {
			v, best = other, priority
		}
	}
	if v == nil {
		return nil, "", ""
	}
	return v, "partition type", fmt.Sprintf("of the versions of /usr, %s has the highest priority, %d", v.Name, best)
}
