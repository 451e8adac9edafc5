package linux

import (
	"strings"

	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// maxMounts bounds how many entries of an fstab are looked at.
const maxMounts = 1000

// A fstabEntry is one line of fstab(5).
type fstabEntry struct {
	spec, path, typ, options string
	line                     int
}

// parseFstab reads fstab(5): fields parted by blanks, in which a blank is
// written as \040. A line with fewer than two fields is no entry; the type
// and the options may be missing, as mount(8) allows.
func parseFstab(b []byte) []fstabEntry {
	var out []fstabEntry
	for line, text := range guest.Entries(b) {
		f := strings.Fields(text)
		if len(f) < 2 {
			continue
		}
		e := fstabEntry{spec: unoctal(f[0]), path: unoctal(f[1]), typ: "auto", line: line}
		if len(f) > 2 {
			e.typ = unoctal(f[2])
		}
		if len(f) > 3 {
			e.options = unoctal(f[3])
		}
		out = append(out, e)
	}
	return out
}

// unoctal undoes the escapes of fstab: a backslash and three octal digits.
func unoctal(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && isOctal(s[i+1:i+4]) {
			b.WriteByte((s[i+1]-'0')<<6 | (s[i+2]-'0')<<3 | (s[i+3] - '0'))
			i += 3
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func isOctal(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '7' {
			return false
		}
	}
	return s[0] <= '3'
}

// unhex undoes the escapes of udev's names in /dev/disk/by-label: \x20.
func unhex(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if strings.HasPrefix(s[i:], `\x`) && i+3 < len(s) {
			hi, lo := strings.IndexByte(hexDigits, s[i+2]|0x20), strings.IndexByte(hexDigits, s[i+3]|0x20)
			if hi >= 0 && lo >= 0 {
				b.WriteByte(byte(hi<<4 | lo))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

const hexDigits = "0123456789abcdef"

// hasOption reports whether a list of mount options holds one.
func hasOption(options, want string) bool {
	for o := range strings.SplitSeq(options, ",") {
		if o == want {
			return true
		}
	}
	return false
}

// parseSpec reads the first field of an fstab entry.
func parseSpec(e fstabEntry) system.Device {
	spec := e.spec
	if tag, val, ok := strings.Cut(spec, "="); ok {
		if len(val) >= 2 && (val[0] == '"' || val[0] == '\'') && val[len(val)-1] == val[0] {
			val = val[1 : len(val)-1]
		}
		switch strings.ToUpper(tag) {
		case "UUID", "LABEL", "PARTUUID", "PARTLABEL":
			return system.Device{By: strings.ToLower(tag), Value: val}
		}
	}
	if hasOption(e.options, "bind") || hasOption(e.options, "rbind") {
		return system.Device{Reason: "it is a bind mount"}
	}
	if e.typ == "swap" && !strings.HasPrefix(spec, "/dev/") {
		return system.Device{Reason: "it is a swap file"}
	}
	name, ok := strings.CutPrefix(spec, "/dev/")
	switch {
	case !ok && (strings.Contains(spec, ":") || strings.HasPrefix(spec, "//")):
		return system.Device{Reason: "it is on the network"}
	case !ok:
		return system.Device{Reason: "it is not a disk"}
	}
	for _, dir := range [...]struct{ prefix, by string }{
		{"disk/by-uuid/", "uuid"}, {"disk/by-label/", "label"}, {"disk/by-partuuid/", "partuuid"}, {"disk/by-partlabel/", "partlabel"},
	} {
		if val, ok := strings.CutPrefix(name, dir.prefix); ok {
			return system.Device{By: dir.by, Value: unhex(val)}
		}
	}
	switch {
	case strings.HasPrefix(name, "disk/by-id/"), strings.HasPrefix(name, "disk/by-path/"):
		return system.Device{Reason: "it names the hardware, which an image does not tell"}
	case strings.HasPrefix(name, "mapper/"):
		return system.Device{By: "volume name", Value: "lvm:" + mapperName(strings.TrimPrefix(name, "mapper/"))}
	case strings.HasPrefix(name, "fd"), strings.HasPrefix(name, "cdrom"), strings.HasPrefix(name, "sr"), strings.HasPrefix(name, "floppy"):
		return system.Device{Reason: "it is a removable medium"}
	}
	if disk, part, ok := kernelName(name); ok {
		return system.Device{By: "device name", Value: name, Disk: disk, Partition: part}
	}
	if vg, lv, ok := strings.Cut(name, "/"); ok && vg != "" && lv != "" && !strings.Contains(lv, "/") {
		return system.Device{By: "volume name", Value: "lvm:" + vg + "/" + lv}
	}
	return system.Device{Reason: "the name of the device says nothing of a volume"}
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

// kernelName reads the name that Linux gives a disk by its order: sdb1, vda,
// xvda2, hdc1, nvme0n1p2, mmcblk0p1.
func kernelName(name string) (disk, part int, ok bool) {
	for _, prefix := range []string{"nvme", "mmcblk"} {
		rest, found := strings.CutPrefix(name, prefix)
		if !found {
			continue
		}
		disk, rest, ok = leadingNumber(rest)
		if !ok {
			return 0, 0, false
		}
		if prefix == "nvme" {
			if rest, ok = strings.CutPrefix(rest, "n1"); !ok {
				return 0, 0, false
			}
		}
		if rest == "" {
			return disk, 0, true
		}
		if rest, ok = strings.CutPrefix(rest, "p"); !ok {
			return 0, 0, false
		}
		part, rest, ok = leadingNumber(rest)
		return disk, part, ok && rest == "" && part > 0
	}
	for _, prefix := range []string{"xvd", "sd", "vd", "hd"} {
		rest, found := strings.CutPrefix(name, prefix)
		if !found {
			continue
		}
		n := 0
		for n < len(rest) && rest[n] >= 'a' && rest[n] <= 'z' {
			n++
		}
		if n == 0 || n > 2 {
			return 0, 0, false
		}
		for _, c := range []byte(rest[:n]) { // a … z, aa …
			disk = disk*26 + int(c-'a') + 1
		}
		disk--
		if rest = rest[n:]; rest == "" {
			return disk, 0, true
		}
		part, rest, ok = leadingNumber(rest)
		return disk, part, ok && rest == "" && part > 0
	}
	return 0, 0, false
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
