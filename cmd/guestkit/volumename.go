package main

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/guestkit/guestkit/fs"
	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/volume"
)

// volumeNamed finds the volume that a user calls so: by its own name, or as a
// Linux guest would: /dev/sda2, /dev/vg/lv, /dev/mapper/vg-lv, a UUID, or
// UUID=…, LABEL=…, PARTUUID=…, PARTLABEL=… as fstab has them.
func volumeNamed(rep *inspect.Report, name string) (*inspect.Volume, error) {
	if v, ok := rep.Volume(name); ok {
		return v, nil
	}
	var found []*inspect.Volume
	for _, v := range rep.Volumes {
		if isNamed(v, name) {
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
	if disk, part, ok := devicePart(name); ok {
		return v.Disk == disk && (part == 0 && v.Kind == "disk" || part > 0 && p != nil && p.Number == part && isOuter(v.Name, disk))
	}
	return v.Kind == "lv" && isLogical(v.Name, strings.TrimPrefix(name, "/dev/"))
}

// isOuter reports whether a partition is one of the table of the disk itself, not
// of one within a volume: "mbr1", "disk2:mbr1".
func isOuter(name string, disk int) bool {
	if disk > 0 {
		name = strings.TrimPrefix(name, "disk"+strconv.Itoa(disk+1)+":")
	}
	return !strings.Contains(name, ":")
}

var (
	letterDevice = regexp.MustCompile(`^/dev/(?:sd|hd|vd|xvd)([a-z])([0-9]{0,3})$`)
	numberDevice = regexp.MustCompile(`^/dev/(?:nvme([0-9]{1,2})n1|mmcblk([0-9]{1,2}))(?:p([0-9]{1,3}))?$`)
)

// devicePart is which disk, from 0, and which partition of it, 0 for all, a name
// of Linux means: disks in the order in which they are given.
func devicePart(name string) (disk, part int, ok bool) {
	if m := letterDevice.FindStringSubmatch(name); m != nil {
		part, _ = strconv.Atoi(m[2])
		return int(m[1][0] - 'a'), part, m[2] == "" || part > 0
	}
	if m := numberDevice.FindStringSubmatch(name); m != nil {
		disk, _ = strconv.Atoi(m[1] + m[2])
		part, _ = strconv.Atoi(m[3])
		return disk, part, m[3] == "" || part > 0
	}
	return 0, 0, false
}

// isLogical reports whether the volume own, a logical one, is what Linux calls
// vg/lv or mapper/vg-lv.
func isLogical(own, name string) bool {
	_, own, _ = strings.Cut(own, ":")
	group, volume, ok := strings.Cut(own, "/")
	if !ok {
		return false
	}
	group, _, _ = strings.Cut(group, "@") // with its UUID where two have a name
	twice := func(s string) string { return strings.ReplaceAll(s, "-", "--") }
	return name == group+"/"+volume || name == "mapper/"+twice(group)+"-"+twice(volume)
}
