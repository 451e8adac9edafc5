package report

import (
	"slices"
	"strconv"
	"strings"

	"github.com/guestkit/guestkit/inspect"
)

// device is what libguestfs calls a volume: /dev/sda2, /dev/vg/lv, /dev/md127,
// /dev/mapper/luks-UUID. What it has no name for has that of guestkit behind
// /dev/.
func device(rep *inspect.Report, v *inspect.Volume) string {
	_, own, layered := strings.Cut(strings.TrimPrefix(v.Name, "disk"+strconv.Itoa(v.Disk+1)+":"), ":")
	switch v.Kind {
	case "disk", "table":
		return diskName(v.Disk)
	case "partition", "extended":
		if v.Partition != nil && !layered {
			return diskName(v.Disk) + strconv.Itoa(v.Partition.Number)
		}
	case "lv":
		if group, name, ok := strings.Cut(own, "/"); ok {
			group, _, _ = strings.Cut(group, "@") // with its UUID where two have a name
			return "/dev/" + group + "/" + name
		}
	case "array":
		if own != "" {
			return "/dev/md/" + own
		}
	case "decrypted":
		for _, p := range rep.Volumes {
			if p.Name == v.Parent && p.UUID != "" {
				return "/dev/mapper/luks-" + p.UUID
			}
		}
	}
	return "/dev/" + v.Name
}

// diskName is /dev/sda, /dev/sdz, /dev/sdaa …
func diskName(n int) string {
	name := ""
	for n++; n > 0; n = (n - 1) / 26 {
		name = string(rune('a'+(n-1)%26)) + name
	}
	return "/dev/sd" + name
}

func volumeNamed(rep *inspect.Report, name string) *inspect.Volume {
	for _, v := range rep.Volumes {
		if v.Name == name {
			return v
		}
	}
	return nil
}

func deviceNamed(rep *inspect.Report, name string) string {
	if v := volumeNamed(rep, name); v != nil {
		return device(rep, v)
	}
	return "/dev/" + name
}

// deviceOfMount is the device of an entry of fstab.
func deviceOfMount(rep *inspect.Report, s *inspect.System, m inspect.Mount) string {
	if m.Path == "/" && m.Volume == s.Volume {
		return deviceOfRoot(rep, s)
	}
	for o := range strings.SplitSeq(m.Options, ",") {
		if sub, ok := strings.CutPrefix(o, "subvol="); ok {
			return subvolume(rep, m.Volume, sub)
		}
	}
	return deviceNamed(rep, m.Volume)
}

func deviceOfRoot(rep *inspect.Report, s *inspect.System) string {
	return subvolume(rep, s.Volume, s.Root)
}

// subvolume is what libguestfs calls a subvolume of Btrfs: "btrfsvol:/dev/sda2/home".
func subvolume(rep *inspect.Report, volume, path string) string {
	path = strings.Trim(path, "/")
	v := volumeNamed(rep, volume)
	if v == nil || !slices.ContainsFunc(v.Parts, func(p *inspect.Volume) bool { return p.Name == "btrfs:"+v.Name+"/"+path }) {
		return deviceNamed(rep, volume)
	}
	return "btrfsvol:" + device(rep, v) + "/" + path
}
