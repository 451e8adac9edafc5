package main

import (
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs"
	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/volume"
	"github.com/guestkit/guestkit/volume/keys"
)

// volumeNamed finds the volume that a user calls so: by its own name, or as a
// Linux guest would: /dev/sda2, /dev/vg/lv, /dev/mapper/vg-lv, /dev/md/home, a UUID, or
// UUID=…, LABEL=…, PARTUUID=…, PARTLABEL=… as fstab has them; /dev/mapper/luks-UUID is
// what is unlocked in that volume, or else the volume itself, which says that it is not.
func volumeNamed(rep *inspect.Report, name string) (*inspect.Volume, error) {
	if v, ok := rep.Volume(name); ok {
		return v, nil
	}
	id, inside := strings.CutPrefix(name, "/dev/mapper/luks-")
	var found []*inspect.Volume
	for _, v := range rep.Volumes {
		if inside && isNamed(v, "UUID="+id) {
			i := slices.IndexFunc(rep.Volumes, func(in *inspect.Volume) bool { return in.Parent == v.Name })
			if i >= 0 {
				v = rep.Volumes[i]
			}
			found = append(found, v)
		} else if isNamed(v, name) || inFstab(rep, v, name) {
			found = append(found, v)
		}
	}
	switch len(found) {
	case 0:
		return nil, nothingf("no volume %q; there are %s", name, volumeNames(rep.Volumes))
	case 1:
		return found[0], nil
	}
	return nil, usagef("several volumes are called %q: %s; choose one of them by its name", name, volumeNames(found))
}

// typeOf states the type of the volume that a user calls so, where --type has one.
func (s *source) typeOf(name string) (func(*inspect.Volume) string, error) {
	switch {
	case s.typ == "":
		return nil, nil
	case name == "":
		return nil, usagef("--type is that of --volume, which says where")
	case !slices.Contains(fs.Types(), s.typ):
		return nil, usagef("there is no driver for %q; there are %s", s.typ, strings.Join(fs.Types(), ", "))
	}
	return func(v *inspect.Volume) string {
		if v.Name == volume.CleanName(name) || isNamed(v, name) {
			return s.typ
		}
		return ""
	}, nil
}

// inFstab reports whether a system has a volume in its fstab by that name, which may be
// one of crypttab.
func inFstab(rep *inspect.Report, v *inspect.Volume, name string) bool {
	return slices.ContainsFunc(rep.Systems, func(s *inspect.System) bool {
		return slices.ContainsFunc(s.Mounts, func(m inspect.Mount) bool { return m.Volume == v.Name && m.Spec == name })
	})
}

// isNamed reports whether a volume goes by a name that is not its own.
func isNamed(v *inspect.Volume, name string) bool {
	for prefix, kind := range map[string]string{"/dev/disk/by-uuid/": "UUID=", "/dev/disk/by-label/": "LABEL=", "/dev/disk/by-partuuid/": "PARTUUID=", "/dev/disk/by-partlabel/": "PARTLABEL="} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			name = kind + rest
		}
	}
	kind, value, tagged := strings.Cut(name, "=")
	value = strings.Trim(value, `"`)
	p := v.Partition
	switch {
	case tagged && strings.EqualFold(kind, "UUID"):
		return v.UUID != "" && strings.EqualFold(v.UUID, value)
	case tagged && strings.EqualFold(kind, "LABEL"):
		return v.Label != "" && v.Label == value
	case tagged && strings.EqualFold(kind, "PARTUUID"):
		return p != nil && p.UUID != "" && strings.EqualFold(p.UUID, value)
	case tagged && strings.EqualFold(kind, "PARTLABEL"):
		return p != nil && p.Name != "" && p.Name == value
	case !strings.HasPrefix(name, "/dev/"):
		return v.UUID != "" && strings.EqualFold(v.UUID, name) || p != nil && p.UUID != "" && strings.EqualFold(p.UUID, name)
	}
	return keys.Matches(name, block.KeyNeed{Name: v.Name})
}
