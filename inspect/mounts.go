package inspect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/linux"
	"github.com/guestkit/guestkit/inspect/system"
	"github.com/guestkit/guestkit/partition"
	"github.com/guestkit/guestkit/volume"
)

// readFstab lists what the system mounts, and finds the volumes.
func (rep *Report) readFstab(ctx context.Context, fsys fs.FS, sys *System, o *system.Options) {
	entries := linux.Mounts(ctx, fsys, sys, o)
	names := rep.readNames(entries, sys)
	for _, e := range entries {
		sys.Mounts = append(sys.Mounts, rep.mount(sys, e, names, o))
	}
}

// ErrUnresolved says that a device which the guest names is not, or not
// clearly, one of the volumes of these disks.
var ErrUnresolved = errors.New("unresolved device")

// diskNames is what the root's own line of fstab tells of how the guest calls its
// disks.
type diskNames struct {
	home *Volume // the root
	disk string  // the name of the disk that the line says the root is on
	sure bool    // and the number of the partition is right
}

// readNames looks at the root's own line.
func (rep *Report) readNames(entries []linux.Entry, sys *System) diskNames {
	n := diskNames{home: rep.byName(sys.Volume)}
	if n.home == nil {
		return n
	}
	for _, e := range entries {
		if e.Path != "/" {
			continue
		}
		for _, d := range e.Devices {
			if d.By == "device name" && d.Unlocked == 0 {
				n.disk, n.sure = d.DiskName, n.home.numbered(d)
			}
		}
		break // the first counts
	}
	return n
}

// numbered reports whether a volume has the number, or the letter, that a device
// name has.
func (v *Volume) numbered(d system.Device) bool {
	if d.Letter == "" {
		return v.Partition == nil && d.Partition == 0 || v.Partition != nil && v.Partition.Number == d.Partition
	}
	l := v.inLabel()
	if l == nil || v.Partition.Name != d.Letter {
		return false
	}
	return d.Partition == 0 || l.Partition != nil && l.Partition.Number == d.Partition
}

// inLabel returns the volume whose BSD label v is a partition of, nil if it is none.
func (v *Volume) inLabel() *volume.Volume {
	if v.Partition == nil || v.vol == nil || len(v.vol.Parents) == 0 {
		return nil
	}
	if p := v.vol.Parents[0]; p.Table != nil && p.Table.Scheme == partition.BSD {
		return p
	}
	return nil
}

// mount finds the volume of an entry.
func (rep *Report) mount(sys *System, e linux.Entry, names diskNames, o *system.Options) Mount {
	m := e.Mount
	where := fmt.Sprintf("/%s line %d", e.File, e.Line)
	fault := false // the name is that of a volume, and none has it
	for i, d := range e.Devices {
		v, reason := rep.resolve(d, names, m.Type)
		if v != nil {
			m.Volume, m.By, m.Guess, m.Reason = v.Name, d.By, d.By == "device name" || d.By == "array number", reason
			break
		}
		if i == 0 || m.Reason == "" {
			m.Reason = reason
		}
		if d.Reason != "" && d.By != "" { // what else it is if no volume has the name
			m.Reason, fault = d.Reason, false
			break
		}
		fault = fault || d.By != "" || strings.HasPrefix(m.Spec, "/dev/") && len(e.Devices) == 1 && needed(m)
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
	if m.Volume == "" && fault {
		o.Problem(block.Errorf("", where, -1, ErrUnresolved, "%s: %s", m.Spec, m.Reason))
	}
	return m
}

// resolve finds the volume that a device is, or says why there is none; typ is
// the filesystem that is said to be on it.
func (rep *Report) resolve(d system.Device, names diskNames, typ string) (*Volume, string) {
	switch {
	case d.By == "":
		return nil, d.Reason
	case d.By == "root":
		return names.home, ""
	case d.By == "device name":
		return rep.byDisk(d, names, typ)
	case d.By == "root disk" && names.home == nil:
		return nil, "which disk is that of the root is not known"
	case d.By == "root disk":
		return rep.choose(d, names.home, func(v *Volume) bool { return v.Disk == names.home.Disk && v.numbered(d) })
	case d.By == "array number" && !rep.oneArray():
		return nil, "the numbers of arrays are given when they are started"
	}
	v, reason := rep.choose(d, names.home, func(v *Volume) bool { return v.is(d) })
	if v == nil && d.By == "volume name" && names.home != nil {
		// Of two groups of one name, the root's own is meant: "lvm:vg@UUID/lv".
		if at := strings.IndexByte(names.home.Name, '@'); at > 0 {
			if id, _, ok := strings.Cut(names.home.Name[at:], "/"); ok {
				v = rep.byName(strings.Replace(d.Value, "/", id+"/", 1))
			}
		}
	}
	if v != nil && d.Partition > 0 {
		array := v
		if v = rep.partition(array, d.Partition); v == nil {
			return nil, fmt.Sprintf("%s has no partition %d", array.Name, d.Partition)
		}
	}
	if d.By == "array number" && v != nil {
		reason = "the numbers of arrays are given when they are started; there is one only"
	}
	return rep.within(v, d), reason
}

// oneArray reports whether there is one array of Linux, and no more.
func (rep *Report) oneArray() bool {
	n := 0
	for _, v := range rep.Volumes {
		if v.isArray() {
			n++
		}
	}
	return n == 1
}

func (v *Volume) isArray() bool { return strings.HasPrefix(v.Name, "md:") && v.Partition == nil }

// partition returns the partition of that number on a volume.
func (rep *Report) partition(of *Volume, n int) *Volume {
	for _, v := range rep.Volumes {
		if v.Parent == of.Name && v.Partition != nil && v.Partition.Number == n {
			return v
		}
	}
	return nil
}

// within returns what was unlocked in a volume, where that is meant and was done.
func (rep *Report) within(v *Volume, d system.Device) *Volume {
	for range d.Unlocked {
		i := slices.IndexFunc(rep.Volumes, func(c *Volume) bool { return v != nil && c.Parent == v.Name })
		if i < 0 {
			break
		}
		v = rep.Volumes[i]
	}
	return v
}

// choose returns the volume for which a condition holds. Where there are several,
// the one on the disk of the root is taken if it is the only one there: a copy of
// a disk has the same names.
func (rep *Report) choose(d system.Device, home *Volume, holds func(*Volume) bool) (*Volume, string) {
	var hits, near []*Volume
	for _, v := range rep.Volumes {
		if !holds(v) {
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
	list := make([]string, 0, 8)
	for _, v := range hits[:min(len(hits), 8)] {
		list = append(list, v.Name)
	}
	return nil, fmt.Sprintf("%d volumes have this %s: %s", len(hits), d.By, strings.Join(list, ", "))
}

// byDisk finds the partition of a disk that is called by the order of disks or by
// its hardware, neither of which an image tells. If the root's own line calls the
// disk so and has the number of its partition right, it is the disk of the root;
// else the order counts, or it is the only disk there is.
func (rep *Report) byDisk(d system.Device, names diskNames, typ string) (*Volume, string) {
	disk, reason := d.Disk, ""
	switch {
	case names.sure && names.disk == d.DiskName:
		disk = names.home.Disk
		if d.Disk < 0 {
			reason = "the name is of the hardware; the root's own line calls its disk so"
		}
	case d.Disk >= 0:
		disk = rep.diskAt(disk)
	case names.home == nil || names.disk != "" && !names.sure || slices.ContainsFunc(rep.Volumes, func(v *Volume) bool { return v.Disk != names.home.Disk && !v.isFlash() }):
		return nil, "it names the hardware, which an image does not tell"
	default:
		disk, reason = names.home.Disk, "the name is of the hardware; there is one disk only"
	}
	v, why := rep.choose(d, names.home, func(v *Volume) bool {
		if v.Disk != disk {
			return false
		}
		if v.Partition == nil {
			return d.Partition == 0 && d.Letter == "" && v.Parent == ""
		}
		return v.numbered(d)
	})
	if v == nil {
		return nil, why
	}
	if reason != "" && !sameType(typ, v.Content) {
		return nil, fmt.Sprintf("it names the hardware, and the partition of its number, %s, holds %s, not %s", v.Name, v.Content, typ)
	}
	return rep.within(v, d), reason
}

// diskAt is the number of the n-th disk; what is the flash memory of the machine counts as
// none.
func (rep *Report) diskAt(n int) int {
	for _, v := range rep.Volumes {
		if v.Parent == "" && v.isFlash() && v.Disk <= n {
			n++
		}
	}
	return n
}

// sameType reports whether a volume may be mounted as a type of fstab.
func sameType(typ, content string) bool {
	family := func(s string) string {
		switch s {
		case "ext2", "ext3", "ext4":
			return "ext"
		case "vfat", "msdos":
			return "fat"
		case "xfs", "btrfs", "swap", "ntfs", "jfs", "reiserfs", "f2fs", "squashfs", "erofs":
			return s
		}
		return "" // may be anything
	}
	a, b := family(typ), family(content)
	return a == "" || b == "" || a == b
}

// is reports whether the volume is what a device names.
func (v *Volume) is(d system.Device) bool {
	if v.Status == StatusContainer && d.Unlocked == 0 && d.Partition == 0 {
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
	case "label uid":
		l := v.inLabel()
		return l != nil && strings.EqualFold(l.Table.UUID, d.Value) && v.Partition.Name == d.Letter
	case "disk signature":
		return v.Partition != nil && v.Offset == d.Offset && strings.HasPrefix(v.Partition.UUID, d.Value+"-")
	case "lvm uuid":
		return v.vol != nil && v.vol.UUID != "" && strings.ReplaceAll(v.vol.UUID, "-", "") == d.Value
	case "array uuid": // which mdadm divides by colons, and otherwise
		plain := strings.NewReplacer("-", "", ":", "", ".", "")
		return v.isArray() && v.vol != nil && v.vol.UUID != "" && strings.EqualFold(plain.Replace(v.vol.UUID), plain.Replace(d.Value))
	case "array number":
		return v.isArray()
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
