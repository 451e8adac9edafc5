package linux

import (
	"strings"

	"github.com/guestkit/guestkit/inspect/system"
)

// names are what the guest calls its devices besides.
type names struct {
	crypt  map[string]string          // what crypttab unlocks under which name
	arrays map[string][]system.Device // of mdadm.conf
	depth  int                        // of what is unlocked in each other
}

// maxUnlocked bounds how many encrypted volumes may lie in each other: lines of
// crypttab may go round in circles.
const maxUnlocked = 4

// none is a device that is certainly no volume of these disks.
func none(reason string) []system.Device { return []system.Device{{Reason: reason}} }

// devices reads the first field of an fstab entry: what it may name, the most
// likely first. A name such as /dev/fdata/srv is a volume of LVM if there is one
// of that name, whatever it looks like.
func devices(e fstabEntry, n names) []system.Device {
	spec := e.spec
	if tag, val, ok := strings.Cut(spec, "="); ok {
		if len(val) >= 2 && (val[0] == '"' || val[0] == '\'') && val[len(val)-1] == val[0] {
			val = val[1 : len(val)-1]
		}
		switch strings.ToUpper(tag) {
		case "UUID", "LABEL", "PARTUUID", "PARTLABEL":
			return []system.Device{{By: strings.ToLower(tag), Value: val}}
		case "ID":
			return byID(val, n)
		}
	}
	if hasOption(e.options, "bind") || hasOption(e.options, "rbind") {
		return none("it is a bind mount")
	}
	if e.typ == "swap" && !strings.HasPrefix(spec, "/dev/") {
		return none("it is a swap file")
	}
	name, ok := strings.CutPrefix(spec, "/dev/")
	switch {
	case !ok && (strings.Contains(spec, ":") || strings.HasPrefix(spec, "//")):
		return none("it is on the network")
	case !ok:
		return none("it is not a disk")
	}
	return named(strings.TrimLeft(name, "/"), n)
}

// named reads the name of a device below /dev.
func named(name string, n names) []system.Device {
	if name == "root" {
		return []system.Device{{By: "root"}}
	}
	if rest, ok := strings.CutPrefix(name, "disk/by-"); ok {
		if kind, val, ok := strings.Cut(rest, "/"); ok {
			return byLink(kind, val, n)
		}
	}
	if rest, ok := strings.CutPrefix(name, "mapper/"); ok {
		return mapped(rest, n)
	}
	var out []system.Device
	if vg, lv, ok := strings.Cut(name, "/"); ok && vg != "" && lv != "" && !strings.Contains(lv, "/") {
		out = append(out, system.Device{By: "volume name", Value: "lvm:" + vg + "/" + lv})
	}
	if array, ok := arrayName(name); ok {
		out = append(out, n.array(array)...)
	}
	switch disk, index, part, ok := kernelName(name); {
	case ok:
		out = append(out, system.Device{By: "device name", Value: name, DiskName: disk, Disk: index, Partition: part})
	case isRemovable(name):
		if len(out) > 0 { // which it is if no volume has the name
			out[len(out)-1].Reason = "it is a removable medium"
			break
		}
		return none("it is a removable medium")
	}
	if out == nil {
		return none("the name of the device says nothing of a volume")
	}
	return out
}

// byLink reads what is below /dev/disk/by-KIND.
func byLink(kind, val string, n names) []system.Device {
	switch kind {
	case "uuid", "label", "partuuid", "partlabel":
		return []system.Device{{By: kind, Value: unhex(val)}}
	case "id":
		return byID(unhex(val), n)
	case "path", "diskseq":
		// Since version 257, udev puts "HARDWARE-part/by-uuid/…" there as well.
		if hardware, rest, ok := strings.Cut(val, "-part/by-"); ok {
			if kind, val, ok := strings.Cut(rest, "/"); ok {
				if kind != "partnum" {
					return byLink(kind, val, n)
				}
				return hardwareName("disk/by-" + kind + "/" + hardware + "-part" + val)
			}
		}
	}
	return hardwareName("disk/by-" + kind + "/" + val)
}

// byID reads what is below /dev/disk/by-id: names of hardware, and of what lies
// above it.
func byID(val string, n names) []system.Device {
	if ids, ok := strings.CutPrefix(val, "dm-uuid-LVM-"); ok {
		if len(ids) == 64 {
			return []system.Device{{By: "lvm uuid", Value: ids}}
		}
		return none("it names no group and volume of LVM")
	}
	if rest, ok := strings.CutPrefix(val, "dm-uuid-CRYPT-"); ok { // TYPE-UUID-NAME
		if _, rest, ok := strings.Cut(rest, "-"); ok && len(rest) >= 32 {
			if id, ok := dashed(rest[:32]); ok {
				return []system.Device{{By: "uuid", Value: id, Unlocked: 1}}
			}
		}
	}
	if rest, ok := strings.CutPrefix(val, "dm-uuid-part"); ok { // a partition that kpartx mapped
		if n, disk, ok := leadingNumber(rest); ok && strings.HasPrefix(disk, "-") {
			return []system.Device{{By: "device name", Value: "disk/by-id/" + val, DiskName: "dm-uuid" + disk, Disk: -1, Partition: n}}
		}
	}
	if name, ok := strings.CutPrefix(val, "dm-name-"); ok {
		return mapped(name, n)
	}
	if name, ok := strings.CutPrefix(val, "md-name-"); ok {
		return append(partOf(withoutHost(name), "volume name", "md:"), hardwareName("disk/by-id/"+val)...)
	}
	if id, ok := strings.CutPrefix(val, "md-uuid-"); ok {
		return append(partOf(id, "array uuid", ""), hardwareName("disk/by-id/"+val)...)
	}
	return hardwareName("disk/by-id/" + val)
}

// partOf is an array that is called so by udev, or a partition of one.
func partOf(name, by, scheme string) []system.Device {
	d := system.Device{By: by, Value: scheme + name}
	if i := strings.LastIndex(name, "-part"); i > 0 {
		if n, rest, ok := leadingNumber(name[i+len("-part"):]); ok && rest == "" && n > 0 {
			d.Value, d.Partition = scheme+name[:i], n
		}
	}
	return []system.Device{d}
}

// hardwareName reads a name that is of the hardware and not of what is on it:
// which disk it is, an image does not tell.
func hardwareName(name string) []system.Device {
	d := system.Device{By: "device name", Value: name, DiskName: name, Disk: -1}
	if i := strings.LastIndex(name, "-part"); i >= 0 {
		if n, rest, ok := leadingNumber(name[i+len("-part"):]); ok && rest == "" && n > 0 {
			d.DiskName, d.Partition = name[:i], n
		}
	}
	return []system.Device{d}
}

// mapped reads a name that device-mapper has: of a logical volume, of what
// crypttab unlocks, or of a disk with several paths to it.
func mapped(name string, n names) []system.Device {
	var out []system.Device
	if source, ok := n.crypt[name]; ok {
		outer := names{arrays: n.arrays, depth: n.depth + 1}
		if outer.depth < maxUnlocked { // it may lie in what another line unlocks
			outer.crypt = n.crypt
		}
		for _, d := range devices(fstabEntry{spec: source}, outer) {
			if d.By != "" {
				d.Unlocked++
				out = append(out, d)
			}
		}
	}
	if lv := mapperName(name); strings.Contains(lv, "/") {
		out = append(out, system.Device{By: "volume name", Value: "lvm:" + lv})
	}
	if id, ok := strings.CutPrefix(name, "luks-"); ok {
		out = append(out, system.Device{By: "uuid", Value: id, Unlocked: 1})
	}
	if strings.HasPrefix(name, "mpath") || strings.HasPrefix(name, "3600") {
		disk, n := trailingNumber(name)
		disk = strings.TrimSuffix(strings.TrimSuffix(disk, "p"), "-part")
		out = append(out, system.Device{By: "device name", Value: "mapper/" + name, DiskName: "mapper/" + disk, Disk: -1, Partition: n})
	}
	if out == nil {
		out = []system.Device{{By: "volume name", Value: "lvm:mapper/" + name}}
	}
	return out
}

// dashed writes the 32 digits of a UUID as usual.
func dashed(s string) (string, bool) {
	if strings.Trim(strings.ToLower(s), hexDigits) != "" {
		return "", false
	}
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:], true
}

// isRemovable tells the names of drives whose media come and go.
func isRemovable(name string) bool {
	if strings.HasPrefix(name, "cdroms/") || strings.HasPrefix(name, "floppy/") || strings.HasPrefix(name, "iso9660/") {
		return true
	}
	if strings.Contains(name, "/") {
		return false
	}
	base, _ := trailingNumber(name)
	switch base {
	case "fd", "floppy", "sr", "scd", "cd", "cdrom", "cdrw", "cdwriter", "dvd", "dvdrw", "dvdram":
		return true
	}
	return strings.HasPrefix(name, "fd") && len(name) > 3 && name[2] >= '0' && name[2] <= '9' // fd0u1440
}

// mapperName turns the name that device-mapper gives a logical volume,
// "my--vg-root", into "my-vg/root".
func mapperName(s string) string {
	var b strings.Builder
	slash := false
	for i := 0; i < len(s); i++ {
		if s[i] != '-' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '-' {
			b.WriteByte('-')
			i++
			continue
		}
		if slash {
			b.WriteByte('-')
			continue
		}
		slash = true
		b.WriteByte('/')
	}
	return b.String()
}

// kernelName reads the name that Linux gives a disk by the order in which it
// found it: sdb1, vda, xvda2, hdc1, dasda1, nvme0n1p2, mmcblk0p1, cciss/c0d0p2.
// index is -1 where the name tells no order.
func kernelName(name string) (disk string, index, part int, ok bool) {
	for _, k := range [...]struct{ prefix, unit string }{
		{"nvme", "n"}, {"mmcblk", ""}, {"cciss/c", "d"}, {"ida/c", "d"}, {"rd/c", "d"}, {"pmem", ""}, {"nbd", ""}, {"loop", ""},
	} {
		rest, found := strings.CutPrefix(name, k.prefix)
		if !found {
			continue
		}
		n, rest, ok := leadingNumber(rest)
		if !ok {
			return "", 0, 0, false
		}
		if k.unit != "" {
			unit := 0
			if rest, ok = strings.CutPrefix(rest, k.unit); !ok {
				return "", 0, 0, false
			}
			if unit, rest, ok = leadingNumber(rest); !ok {
				return "", 0, 0, false
			}
			switch {
			case k.unit == "n" && unit != 1, k.unit == "d" && n != 0:
				n = -1 // another namespace, or another controller
			case k.unit == "d":
				n = unit
			}
		}
		if k.prefix == "pmem" || k.prefix == "nbd" || k.prefix == "loop" {
			n = -1
		}
		if rest == "" {
			return name, n, 0, true
		}
		disk = name[:len(name)-len(rest)]
		if rest, ok = strings.CutPrefix(rest, "p"); !ok {
			return "", 0, 0, false
		}
		part, rest, ok = leadingNumber(rest)
		return disk, n, part, ok && rest == "" && part > 0
	}
	if rest, found := strings.CutPrefix(name, "hd"); found { // of the Hurd: hd0s1
		if n, part, ok := strings.Cut(rest, "s"); ok {
			index, tail, ok1 := leadingNumber(n)
			part, end, ok2 := leadingNumber(part)
			if ok1 && ok2 && tail == "" && end == "" && part > 0 {
				return "hd" + n, index, part, true
			}
		}
	}
	for _, prefix := range [...]string{"xvd", "dasd", "sd", "vd", "hd", "ubd", "i2o/hd"} {
		rest, found := strings.CutPrefix(name, prefix)
		if !found {
			continue
		}
		n := 0
		for n < len(rest) && rest[n] >= 'a' && rest[n] <= 'z' {
			n++
		}
		if n == 0 || n > 2 {
			continue
		}
		for _, c := range []byte(rest[:n]) { // a … z, aa …
			index = index*26 + int(c-'a') + 1
		}
		index--
		disk = prefix + rest[:n]
		if rest = rest[n:]; rest == "" {
			return disk, index, 0, true
		}
		part, rest, ok = leadingNumber(rest)
		return disk, index, part, ok && rest == "" && part > 0
	}
	return "", 0, 0, false
}

// leadingNumber reads up to four digits.
func leadingNumber(s string) (n int, rest string, ok bool) {
	i := 0
	for i < len(s) && i < 4 && s[i] >= '0' && s[i] <= '9' {
		n = n*10 + int(s[i]-'0')
		i++
	}
	return n, s[i:], i > 0
}

// trailingNumber parts the digits, up to four, that end a name.
func trailingNumber(s string) (base string, n int) {
	i := len(s)
	for i > 0 && len(s)-i < 4 && s[i-1] >= '0' && s[i-1] <= '9' {
		i--
	}
	n, _, _ = leadingNumber(s[i:])
	return s[:i], n
}
