package inspect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/inspect/internal/guest"
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
	case names.home == nil || names.disk != "" && !names.sure || slices.ContainsFunc(rep.Volumes, func(v *Volume) bool { return v.Disk != names.home.Disk }):
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
	if p.Finder == "ostree" { // which keeps /var beside the deployments
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
	if v.Content != "btrfs" {
		return v.fsys, ""
	}
	dir, err := subvolume(v.fsys, m.Options)
	if err == nil && dir == "." {
		return v.fsys, ""
	}
	var fsys vfs.FS
	if err == nil {
		fsys, err = vfs.Sub(v.fsys, dir)
	}
	if err != nil {
		return nil, "the subvolume: " + err.Error()
	}
	return fsys, ""
}

// subvolume returns the path of the subvolume that the options of a mount of
// Btrfs name: the default one if they name none.
func subvolume(fsys vfs.FS, options string) (string, error) {
	for o := range strings.SplitSeq(options, ",") {
		if sub, ok := strings.CutPrefix(o, "subvol="); ok {
			return guest.Name(sub), nil
		}
		text, ok := strings.CutPrefix(o, "subvolid=")
		if !ok {
			continue
		}
		id, err := strconv.ParseUint(text, 0, 64)
		if err != nil {
			return "", fmt.Errorf("the id %q", text)
		}
		subs, err := vfs.Subvolumes(fsys)
		for _, s := range subs {
			if s.ID == id || id == 0 && s.Parent == 0 {
				return s.Path, nil
			}
		}
		if err == nil {
			err = fmt.Errorf("none has the id %d", id)
		}
		return "", err
	}
	return vfs.DefaultSubvolume(fsys)
}
