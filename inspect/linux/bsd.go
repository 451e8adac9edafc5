package linux

import (
	"strings"

	"github.com/guestkit/guestkit/inspect/system"
)

// bsdDevices reads the first field of an entry of a BSD's fstab.
func bsdDevices(e fstabEntry) []system.Device {
	spec := e.spec
	if hasOption(e.options, "bind") || e.typ == "nullfs" || e.typ == "null" {
		return none("it is a folder of another filesystem")
	}
	if name, ok := strings.CutPrefix(spec, "NAME="); ok { // of a wedge of NetBSD
		return []system.Device{{By: "partlabel", Value: name}, {By: "partuuid", Value: name}}
	}
	if d, ok := labelDevice(spec); ok {
		return []system.Device{d}
	}
	name, ok := strings.CutPrefix(spec, "/dev/")
	switch {
	case !ok && (strings.Contains(spec, ":") || strings.HasPrefix(spec, "//")):
		return none("it is on the network")
	case !ok && e.typ == "swap":
		return none("it is a swap file")
	case !ok:
		return none("it is not a disk")
	}
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".eli"), ".bde") // what GELI or GBDE encrypts
	if kind, value, ok := strings.Cut(name, "/"); ok {
		return geomDevices(kind, value)
	}
	switch strings.TrimRight(strings.TrimRight(name, "abcdefghijklmnop"), "0123456789") {
	case "cd", "acd", "fd", "mcd":
		return none("it is a removable medium")
	}
	if d, ok := bsdName(name); ok {
		return []system.Device{d}
	}
	return none("the name of the device says nothing of a volume")
}

// IsLabelName reports whether the first field of an entry of fstab names a partition of
// a BSD's disk label, with no folder of devices before it.
func IsLabelName(spec string) bool {
	_, ok := labelDevice(spec)
	return ok
}

// labelDevice reads the names that a partition of a label has without /dev: ROOT.a is
// on the disk that NetBSD was started from, DUID.a on that which has the identifier in
// its label, as OpenBSD says.
func labelDevice(spec string) (system.Device, bool) {
	disk, letter, _ := strings.Cut(spec, ".")
	switch {
	case !isLetter(letter):
	case disk == "ROOT":
		return system.Device{By: "root disk", Value: spec, Letter: letter}, true
	case len(disk) == 16 && strings.Trim(disk, hexDigits) == "":
		return system.Device{By: "label uid", Value: disk, Letter: letter}, true
	}
	return system.Device{}, false
}

// geomDevices reads a name below a folder of /dev: what GEOM tasted there, by its
// kind.
func geomDevices(kind, value string) []system.Device {
	switch kind {
	case "gptid":
		return []system.Device{{By: "partuuid", Value: value}}
	case "gpt", "part-by-label":
		return []system.Device{{By: "partlabel", Value: value}}
	case "part-by-uuid":
		return []system.Device{{By: "partuuid", Value: value}}
	case "ufsid":
		return []system.Device{{By: "uuid", Value: value}}
	case "ufs", "msdosfs", "ext2fs", "ntfs", "iso9660", "reiserfs":
		return []system.Device{{By: "label", Value: value}}
	case "diskid", "serno": // DragonFly parts the serial number from the slice by a dot
		if d, ok := slice(value); ok {
			d.Value, d.DiskName, d.Disk = kind+"/"+value, kind+"/"+d.DiskName, -1
			return []system.Device{d}
		}
	}
	return none("it is a device of GEOM, which lies on others")
}

// bsdName reads the name of a disk, slice or partition by the order of its disk:
// ada0p2, da1s1a, wd0e.
func bsdName(name string) (system.Device, bool) {
	base := strings.TrimLeft(name, "abcdefghijklmnopqrstuvwxyz")
	driver := name[:len(name)-len(base)]
	switch driver {
	case "ada", "da", "ad", "nda", "nvd", "vtbd", "vbd", "xbd", "mmcsd", "mfid", "aacd", "ld", "sd", "wd", "rwd", "rsd", "rld", "raid":
	default:
		return system.Device{}, false
	}
	unit, rest, ok := leadingNumber(base)
	if !ok {
		return system.Device{}, false
	}
	d, ok := slice(driver + base)
	if !ok || d.DiskName != driver+base[:len(base)-len(rest)] {
		return system.Device{}, false
	}
	d.Disk = unit
	return d, true
}

// slice parts a name from the end: the letter of a label's partition, and the
// number of a slice (s1) or a partition of a GPT (p2).
func slice(name string) (system.Device, bool) {
	d := system.Device{By: "device name", Value: name}
	rest := name
	if n := len(rest); n > 1 && isLetter(rest[n-1:]) && (isDigit(rest[n-2]) || rest[n-2] == '.') {
		d.Letter, rest = rest[n-1:], rest[:n-1]
	}
	if base, n := trailingNumber(rest); n > 0 && len(base) > 1 && (strings.HasSuffix(base, "p") || strings.HasSuffix(base, "s")) && (isDigit(base[len(base)-2]) || base[len(base)-2] == '.' || strings.Contains(base, "-")) {
		d.Partition, rest = n, base[:len(base)-1]
	}
	d.DiskName = strings.TrimSuffix(rest, ".")
	return d, d.DiskName != ""
}

func isLetter(s string) bool { return len(s) == 1 && s[0] >= 'a' && s[0] <= 'p' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
