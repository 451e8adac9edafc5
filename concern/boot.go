package concern

import (
	"path"
	"strings"

	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/pattern"
)

// hardwareName is a name of a device that the kernel gives by the kind and the order
// of disks, or udev by the hardware.
var hardwareName = pattern.Of(`^/dev/(?:(?:sd|hd|vd|xvd|dasd|ubd)[a-z]+\d*|nvme\d+n\d+(?:p\d+)?|mmcblk\d+(?:p\d+)?|cciss/c\d+d\d+(?:p\d+)?|disk/by-(?:id|path|diskseq)/.+)$`)

// byHardware reports whether a name of a device changes with the hardware. LVM and
// device mapper have names of their own among by-id.
func byHardware(spec string) bool {
	base := path.Base(spec)
	for _, own := range []string{"dm-name-", "dm-uuid-", "lvm-pv-uuid-", "md-name-", "md-uuid-"} {
		if strings.HasPrefix(base, own) {
			return false
		}
	}
	return hardwareName().MatchString(spec)
}

// optional reports whether the start goes on without a mount.
func optional(m inspect.Mount) bool {
	if m.Type == "swap" || m.Path == "" {
		return true
	}
	for _, o := range strings.Split(m.Options, ",") {
		if o == "nofail" || o == "noauto" {
			return true
		}
	}
	return false
}

func (v *view) mountsByHardware(f *finding, wanted func(inspect.Mount) bool) {
	for _, m := range v.sys.Mounts {
		// What is no disk at all (a CD) has a reason and no volume.
		// The BSDs call a disk by its driver.
		if m.Line == 0 || !byHardware(m.Spec) && !(m.By == "device name" && v.sys.Type.BSD()) || m.By == "" && m.Volume == "" || !wanted(m) {
			continue
		}
		what := m.Path
		if what == "" {
			what = m.Type
		}
		f.say(inspect.Evidence{Path: "/etc/fstab", Line: m.Line, Detail: m.Spec}, "%s is mounted by %s", what, m.Spec)
	}
}

func (v *view) fstabNames(f *finding) {
	v.mountsByHardware(f, func(m inspect.Mount) bool { return !optional(m) })
}

func (v *view) fstabOptional(f *finding) { v.mountsByHardware(f, optional) }

// option is the value of the last option of a name in a kernel's command line.
func option(line, name string) (string, bool) {
	value, found := "", false
	for _, word := range strings.Fields(line) {
		if rest, ok := strings.CutPrefix(word, name+"="); ok {
			value, found = strings.Trim(rest, `"`), true
		}
	}
	return value, found
}

func kernelEvidence(k inspect.Kernel, detail string) inspect.Evidence {
	e := inspect.Evidence{Path: k.Image, Detail: detail}
	if k.Entry != "" {
		e.Detail = "the boot entry " + k.Entry + ": " + detail
	}
	return e
}

func (v *view) bootNames(f *finding) {
	for _, k := range v.bootKernels() {
		if root, ok := option(k.Options, "root"); ok && byHardware(root) {
			f.say(kernelEvidence(k, "root="+root), "kernel %s gets root=%s", k.Version, root)
		}
	}
	// The default of Debian and Red Hat for what is written next.
	for i, line := range v.lines("etc/default/grub") {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "GRUB_CMDLINE_LINUX")
		_, value, eq := strings.Cut(rest, "=")
		if !ok || !eq {
			continue
		}
		if root, ok := option(strings.Trim(value, `"'`), "root"); ok && byHardware(root) {
			f.say(inspect.Evidence{Path: "/etc/default/grub", Line: i + 1, Detail: "root=" + root}, "the default command line has root=%s", root)
		}
	}
}

func (v *view) resume(f *finding) {
	for _, k := range v.bootKernels() {
		spec, ok := option(k.Options, "resume")
		if !ok || spec == "" {
			continue
		}
		e := kernelEvidence(k, "resume="+spec)
		if byHardware(spec) {
			f.say(e, "kernel %s gets resume=%s", k.Version, spec)
			continue
		}
		uuid, ok := strings.CutPrefix(spec, "UUID=")
		if !ok {
			uuid, ok = strings.CutPrefix(spec, "/dev/disk/by-uuid/")
		}
		if ok && !v.hasUUID(uuid) {
			f.say(e, "kernel %s gets resume=%s, which no volume has", k.Version, spec)
		}
	}
}

func (v *view) hasUUID(uuid string) bool {
	for _, vol := range v.rep.Volumes {
		if strings.EqualFold(vol.UUID, uuid) {
			return true
		}
	}
	return false
}

func (v *view) crypttabNames(f *finding) {
	for _, c := range v.sys.Crypttab {
		if byHardware(c.Source) && !strings.Contains(c.Options, "nofail") && !strings.Contains(c.Options, "noauto") {
			f.say(inspect.Evidence{Path: "/etc/crypttab", Line: c.Line, Detail: c.Source}, "%s is unlocked from %s", c.Name, c.Source)
		}
	}
}

func (v *view) crypttabTPM(f *finding) {
	for _, c := range v.sys.Crypttab {
		if strings.Contains(c.Options, "tpm2-device=") || strings.Contains(c.Key, "tpm") {
			f.say(inspect.Evidence{Path: "/etc/crypttab", Line: c.Line, Detail: c.Options}, "%s is unlocked by a TPM", c.Name)
		}
	}
}

func (v *view) noBootLoader(f *finding) {
	if v.sys.Firmware == inspect.FirmwareNone {
		f.say(inspect.Evidence{Detail: "neither boot code nor a loader of EFI is on any disk"}, "no disk has a boot loader")
	}
}

func (v *view) firmware(f *finding, is inspect.Firmware, text string) {
	if v.sys.Firmware != is {
		return
	}
	why := v.sys.Because("firmware")
	if len(why) == 0 {
		why = []inspect.Evidence{{}}
	}
	for _, e := range why {
		f.say(e, "%s", text)
	}
}

func (v *view) uefi(f *finding) {
	v.firmware(f, inspect.FirmwareUEFI, "its only boot loaders are those of EFI")
}

func (v *view) bios(f *finding) {
	v.firmware(f, inspect.FirmwareBIOS, "its only boot loader is that of the first sector")
}
