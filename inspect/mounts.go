package inspect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/linux"
	"github.com/guestkit/guestkit/inspect/system"
)

// readFstab lists what the system mounts, and finds the volumes.
func (rep *Report) readFstab(ctx context.Context, fsys fs.FS, sys *System, o *system.Options) {
	for _, e := range linux.Mounts(ctx, fsys, sys, o) {
		sys.Mounts = append(sys.Mounts, rep.mount(sys, e, o))
	}
}

// ErrUnresolved says that a device which the guest names is not, or not
// clearly, one of the volumes of these disks.
var ErrUnresolved = errors.New("unresolved device")

// mount finds the volume of an entry.
func (rep *Report) mount(sys *System, e linux.Entry, o *system.Options) Mount {
	m, d := e.Mount, e.Device
	where := fmt.Sprintf("/%s line %d", e.File, e.Line)
	v, reason := rep.resolve(d, sys.Volume)
	m.Reason = reason
	if v != nil {
		m.Volume, m.By, m.Guess = v.Name, d.By, d.By == "device name"
	}
	if m.Path == "/" {
		if m.Volume != sys.Volume {
			if m.Volume != "" {
				o.Problem(block.Errorf("", where, -1, block.ErrCorrupt,
					"it says that the root is %s (%s), and it is on %s", m.Spec, m.Volume, sys.Volume))
			}
			m.Volume, m.By, m.Reason = sys.Volume, "root", ""
		}
		m.Merged = true
	}
	if m.Volume == "" && d.By != "" {
		o.Problem(block.Errorf("", where, -1, ErrUnresolved, "%s: %s", m.Spec, reason))
	}
	return m
}

// resolve finds the volume that a device of fstab is. Where several match,
// the one on the disk of the root is taken if it is the only one there: a copy
// of a disk has the same names.
func (rep *Report) resolve(d system.Device, rootVolume string) (*Volume, string) {
	if d.By == "" {
		return nil, d.Reason
	}
	var hits, near []*Volume
	home := rep.byName(rootVolume)
	for _, v := range rep.Volumes {
		if !v.is(d) {
			continue
		}
		hits = append(hits, v)
		if home != nil && v.Disk == home.Disk {
			near = append(near, v)
		}
	}
	switch {
	case len(hits) == 1:
		return hits[0], ""
	case len(near) == 1:
		return near[0], fmt.Sprintf("%d volumes have this %s; this is the one on the disk of the root", len(hits), d.By)
	case len(hits) == 0:
		return nil, fmt.Sprintf("no volume has the %s %s", d.By, strings.ToValidUTF8(d.Value, "\uFFFD"))
	}
	names := make([]string, 0, 8)
	for _, v := range hits[:min(len(hits), 8)] {
		names = append(names, v.Name)
	}
	return nil, fmt.Sprintf("%d volumes have this %s: %s", len(hits), d.By, strings.Join(names, ", "))
}

// is reports whether the volume is what a device names.
func (v *Volume) is(d system.Device) bool {
	if v.Status == StatusContainer && d.By != "device name" {
		return false
	}
	switch d.By {
	case "uuid":
		return d.Value != "" && strings.EqualFold(v.UUID, d.Value)
	case "label":
		return d.Value != "" && v.Label == strings.ToValidUTF8(d.Value, "\uFFFD")
	case "partuuid":
		return v.Partition != nil && d.Value != "" && strings.EqualFold(v.Partition.UUID, d.Value)
	case "partlabel":
		return v.Partition != nil && d.Value != "" && v.Partition.Name == d.Value
	case "volume name":
		return v.Name == d.Value
	case "disk signature":
		return v.Partition != nil && v.Offset == d.Offset && strings.HasPrefix(v.Partition.UUID, d.Value+"-")
	case "device name":
		if v.Disk != d.Disk {
			return false
		}
		if v.Partition == nil {
			return d.Partition == 0 && v.Parent == ""
		}
		return v.Partition.Number == d.Partition
	}
	return false
}

func (rep *Report) byName(name string) *Volume {
	for _, v := range rep.Volumes {
		if v.Name == name {
			return v
		}
	}
	return nil
}

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

// join lays the mounts over the root, and says in each what became of it.
func (rep *Report) join(sys *System, base vfs.FS, v *Volume, p system.Place, o *system.Options) (vfs.FS, error) {
	mounts := []vfs.Mount{{Path: ".", FS: base}}
	index := map[string]*Mount{} // by path
	for i := range sys.Mounts {
		m := &sys.Mounts[i]
		at := guest.Name(m.Path)
		over, why := rep.merge(m, index)
		if over == nil {
			if m.Reason == "" && !m.Merged && m.Type != "swap" {
				m.Reason = why
			}
			continue
		}
		index[at] = m
		m.Merged = true
		mounts = append(mounts, vfs.Mount{Path: at, FS: over})
	}
	if p.Dir != "." { // ostree keeps /var beside the deployments
		if over, err := vfs.Sub(v.fsys, path.Join(p.Dir, "../../var")); err == nil && index["var"] == nil {
			mounts = append(mounts, vfs.Mount{Path: "var", FS: over})
		}
	}
	joined, err := vfs.Join(mounts)
	if err != nil {
		return nil, err
	}
	for _, err := range joined.Problems() {
		var pe *fs.PathError
		if !errors.As(err, &pe) || pe.Op != "mount" {
			continue
		}
		if m := index[pe.Path]; m != nil && m.Merged {
			m.Merged, m.Reason = false, "the mount point: "+pe.Err.Error()
			o.Problem(err)
		}
	}
	return joined, nil
}

// merge returns the filesystem that a mount lays over the root, or why there
// is none.
func (rep *Report) merge(m *Mount, taken map[string]*Mount) (vfs.FS, string) {
	v := rep.byName(m.Volume)
	switch {
	case m.Path == "" || m.Path == "/" || v == nil:
		return nil, ""
	case taken[guest.Name(m.Path)] != nil:
		return nil, "an earlier entry mounts something at the same place"
	case v.fsys == nil:
		return nil, fmt.Sprintf("the volume is %s: %s", v.Status, v.Reason)
	}
	for o := range strings.SplitSeq(m.Options, ",") {
		sub, ok := strings.CutPrefix(o, "subvol=")
		if !ok || v.Content != "btrfs" {
			continue
		}
		fsys, err := vfs.Sub(v.fsys, guest.Name(sub))
		if err != nil {
			return nil, "the subvolume: " + err.Error()
		}
		return fsys, ""
	}
	return v.fsys, ""
}
