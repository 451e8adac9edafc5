package concern

import (
	"path"
	"strings"

	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/pattern"
)

func (v *view) hibernated(f *finding) {
	risk("hibernated")(v, f)
	for _, vol := range v.rep.Volumes {
		if vol.Content == "swsuspend" && v.mine(vol.Name) {
			f.say(inspect.Evidence{Volume: vol.Name, Detail: vol.Reason}, "%s holds the memory of a hibernated system", vol.Name)
		}
	}
}

func (v *view) dirty(f *finding) {
	risk("dirty-volume")(v, f)
	if v.sys.Type == inspect.TypeWindows {
		return
	}
	for _, m := range v.sys.Mounts {
		vol := v.volume(m.Volume)
		if vol == nil {
			continue
		}
		if fsys, err := vol.FS(); err == nil && fsys.Info().Dirty {
			f.say(inspect.Evidence{Volume: vol.Name}, "%s (%s) was not unmounted", vol.Name, vol.Content)
		}
	}
}

func (v *view) missing(f *finding) {
	for _, m := range v.sys.Mounts {
		// A name that is one of a volume, and none of these disks has it.
		if m.Volume == "" && m.By != "" && m.Line > 0 {
			f.say(inspect.Evidence{Path: "/etc/fstab", Line: m.Line, Detail: m.Reason}, "%s is mounted from %s, which was not found", where(m), m.Spec)
		}
	}
	for _, p := range v.sys.Missing {
		found := false
		for _, m := range v.sys.Mounts {
			found = found || m.Path == p && (m.Volume != "" || m.By != "")
		}
		if !found {
			f.say(inspect.Evidence{Path: "/etc/fstab", Detail: p}, "the volume of %s was not found", p)
		}
	}
}

func where(m inspect.Mount) string {
	if m.Path == "" {
		return m.Type
	}
	return m.Path
}

func (v *view) unread(f *finding) {
	for _, vol := range v.rep.Unread() {
		if v.mine(vol.Name) {
			f.say(inspect.Evidence{Volume: vol.Name, Detail: vol.Reason}, "%s (%s) is %s", vol.Name, vol.Content, vol.Status)
		}
	}
}

// hasLVM reports whether there are logical volumes, or LVM is there at all while
// nothing else tells.
func (v *view) hasLVM() bool {
	for _, vol := range v.rep.Volumes {
		if vol.Kind == "lv" || strings.HasPrefix(vol.Content, "LVM") {
			return true
		}
	}
	return false
}

// filterWord is an element of a filter: "a|^/dev/sda|".
var filterWord = pattern.Of(`"([ar])(.)([^"]*)"`)

func (v *view) lvmFilter(f *finding) {
	if v.sys.Type != inspect.TypeLinux || !v.hasLVM() {
		return
	}
	for i, line := range v.lines("etc/lvm/lvm.conf") {
		text := strings.TrimSpace(line)
		name, value, ok := strings.Cut(text, "=")
		name = strings.TrimSpace(name)
		if !ok || name != "filter" && name != "global_filter" {
			continue
		}
		for _, m := range filterWord().FindAllStringSubmatch(value, -1) {
			pattern := strings.TrimSuffix(m[3], m[2])
			if all := pattern == "" || pattern == ".*" || pattern == "^.*$" || pattern == ".*/"; m[1] == "a" && all {
				break // everything that was not named before is taken
			} else if m[1] == "a" || all {
				f.say(inspect.Evidence{Path: "/etc/lvm/lvm.conf", Line: i + 1, Detail: text}, "%s is %s", name, strings.TrimSpace(value))
				break
			}
		}
	}
}

func (v *view) lvmDevices(f *finding) {
	if v.sys.Type != inspect.TypeLinux || !v.hasLVM() {
		return
	}
	const name = "etc/lvm/devices/system.devices"
	for i, line := range v.lines(name) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		for _, word := range fields {
			if typ, ok := strings.CutPrefix(word, "IDTYPE="); ok && typ != "lvmlv_uuid" && typ != "md_uuid" && typ != "crypt_uuid" {
				f.say(inspect.Evidence{Path: "/" + name, Line: i + 1, Detail: line}, "/%s names devices by %s", name, typ)
			}
		}
	}
}

// Interfaces are named by the slot that the firmware tells. VMware numbers the slots
// of its adapters from 32 upwards, by 32 and 1: ens32, ens33, ens160, ens192.
var (
	vmwareName = pattern.Of(`^(?:ens(?:3[2-9]|160|161|192|193|224|225|256|257)|eno(?:16777736|33554984|50332208|67109432|83886080))$`)
	slotName   = pattern.Of(`^(?:en|wl)(?:o\d+|s\d+|p\d+s\d+|P\d+p\d+s\d+|x[0-9a-f]{12}).*$`)
)

func (v *view) interfaces(f *finding, wanted func(i inspect.Interface) (string, bool)) {
	for _, i := range v.sys.Interfaces {
		if text, ok := wanted(i); ok {
			f.say(inspect.Evidence{Path: i.Path, Detail: text}, "%s is configured in %s", text, i.Path)
		}
	}
}

func (v *view) vmwareNames(f *finding) {
	v.interfaces(f, func(i inspect.Interface) (string, bool) { return i.Name, vmwareName().MatchString(i.Name) })
}

func (v *view) slotNames(f *finding) {
	v.interfaces(f, func(i inspect.Interface) (string, bool) {
		return i.Name, slotName().MatchString(i.Name) && !vmwareName().MatchString(i.Name)
	})
}

func (v *view) macs(f *finding) {
	v.interfaces(f, func(i inspect.Interface) (string, bool) { return i.MAC, i.MAC != "" && v.sys.Windows == nil })
}

// staticAddresses are those of Windows, which keeps them for the adapter: another one
// begins with DHCP.
func (v *view) staticAddresses(f *finding) {
	v.interfaces(f, func(i inspect.Interface) (string, bool) {
		return strings.TrimSpace(i.Name + " " + strings.Join(i.Addresses, " ")), v.sys.Windows != nil && len(i.Addresses) > 0
	})
}

func (v *view) netRules(f *finding) {
	const dir = "etc/udev/rules.d"
	for _, n := range v.names(dir) {
		if !strings.HasSuffix(n, "persistent-net.rules") {
			continue
		}
		name := path.Join(dir, n)
		for i, line := range v.lines(name) {
			if text := strings.TrimSpace(line); !strings.HasPrefix(text, "#") && strings.Contains(text, "ATTR{address}==") {
				f.say(inspect.Evidence{Path: "/" + name, Line: i + 1, Detail: text}, "/%s names interfaces", name)
			}
		}
	}
}
