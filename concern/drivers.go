package concern

import (
	"path"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/inspect"
)

// options are the names of drivers in the configuration of a kernel.
var options = map[string]string{
	"virtio_blk": "CONFIG_VIRTIO_BLK", "virtio_scsi": "CONFIG_SCSI_VIRTIO", "virtio_net": "CONFIG_VIRTIO_NET", "virtio_pci": "CONFIG_VIRTIO_PCI",
	"hv_vmbus": "CONFIG_HYPERV", "hv_storvsc": "CONFIG_HYPERV_STORAGE", "hv_netvsc": "CONFIG_HYPERV_NET",
	"nvme": "CONFIG_BLK_DEV_NVME", "ena": "CONFIG_ENA_ETHERNET",
}

// driver tells how a kernel has a driver: "builtin", "module" or "absent"; "" where
// nothing says which ones it has.
func (v *view) driver(k inspect.Kernel, name string) string {
	if how, ok := k.Virtio[name]; ok {
		return how
	}
	if k.Config != "" {
		if lines := v.lines(strings.TrimPrefix(k.Config, "/")); len(lines) > 0 {
			option := options[name] + "="
			for _, line := range lines {
				if rest, ok := strings.CutPrefix(line, option); ok {
					switch rest {
					case "y":
						return "builtin"
					case "m":
						return "module"
					}
				}
			}
			return "absent"
		}
	}
	if k.Modules == "" {
		return ""
	}
	dir := strings.TrimPrefix(k.Modules, "/")
	builtin, modules := v.lines(path.Join(dir, "modules.builtin")), v.lines(path.Join(dir, "modules.dep"))
	if len(modules) == 0 {
		modules = v.lines(path.Join(dir, "modules.order"))
	}
	for i, list := range [][]string{builtin, modules} {
		for _, line := range list {
			file, _, _ := strings.Cut(line, ":")
			base, _, _ := strings.Cut(path.Base(file), ".ko")
			if strings.ReplaceAll(base, "-", "_") == name {
				return [...]string{"builtin", "module"}[i]
			}
		}
	}
	if len(modules) > 0 {
		return "absent"
	}
	return ""
}

// lacks are the kernels that start and have none of some drivers.
func (v *view) lacks(f *finding, names ...string) {
	for _, k := range v.bootKernels() {
		has, absent := false, false
		for _, n := range names {
			switch v.driver(k, n) {
			case "builtin", "module":
				has = true
			case "absent":
				absent = true
			}
		}
		if !has && absent {
			e := inspect.Evidence{Path: k.Config, Detail: k.Version}
			if e.Path == "" {
				e.Path = k.Modules
			}
			f.say(e, "kernel %s has no %s", k.Version, strings.Join(names, " and no "))
		}
	}
}

// drivers finds kernels of Linux that have not all of some drivers.
func drivers(names ...string) func(v *view, f *finding) {
	return func(v *view, f *finding) {
		if v.sys.Type != inspect.TypeLinux {
			return
		}
		for _, n := range names {
			v.lacks(f, n)
		}
	}
}

// storage is drivers for those of the disk that holds the root: as modules they must
// be in the initramfs too.
func storage(names ...string) func(v *view, f *finding) {
	return func(v *view, f *finding) {
		drivers(names...)(v, f)
		for _, n := range names {
			v.initramfsLacks(f, n)
		}
	}
}

func (v *view) virtioStorage(f *finding) {
	risk("no-virtio-storage")(v, f)
	if v.sys.Type == inspect.TypeLinux {
		v.lacks(f, "virtio_blk", "virtio_scsi")
		v.initramfsLacks(f, "virtio_blk", "virtio_scsi")
	}
}

// initramfsLacks are the kernels that start, have some drivers as modules, and none
// of them in their initramfs: they find no root.
func (v *view) initramfsLacks(f *finding, names ...string) {
	if v.sys.Type != inspect.TypeLinux {
		return
	}
	for _, k := range v.bootKernels() {
		if k.Initramfs == nil || k.Initramfs.Modules == 0 {
			continue // not looked at, or of a kernel without modules
		}
		module, there := false, false
		for _, n := range names {
			how := v.driver(k, n)
			module = module || how == "module"
			there = there || how == "builtin" || slices.Contains(k.Initramfs.Drivers, n)
		}
		if module && !there {
			f.say(inspect.Evidence{Path: k.Initrd, Detail: k.Version}, "the initramfs of kernel %s has no %s", k.Version, strings.Join(names, " and no "))
		}
	}
}

func (v *view) virtioNetwork(f *finding) {
	risk("no-virtio-network")(v, f)
	if v.sys.Type == inspect.TypeLinux {
		v.lacks(f, "virtio_net")
	}
}

// tools are those of guests that are installed.
func (v *view) tools() []inspect.GuestTool {
	out := v.sys.Agents
	if w := v.sys.Windows; w != nil {
		out = append(out[:len(out):len(out)], w.GuestTools...)
	}
	return out
}

func (v *view) vmwareTools(f *finding) {
	for _, t := range v.tools() {
		if t.For == "vmware" {
			f.say(v.toolEvidence(t.Name), "%s", strings.TrimSpace(t.Name+" "+t.Version))
		}
	}
}

func (v *view) toolEvidence(name string) inspect.Evidence {
	for _, field := range []string{"agents", "windows.guest_tools"} {
		for _, e := range v.sys.Because(field) {
			if strings.HasPrefix(e.Detail, name) {
				return e
			}
		}
	}
	return inspect.Evidence{Detail: name}
}

func (v *view) noAgent(f *finding) {
	if v.sys.Type != inspect.TypeLinux && v.sys.Type != inspect.TypeWindows {
		return
	}
	for _, t := range v.tools() {
		if strings.Contains(strings.ToLower(t.Name), "qemu") {
			return
		}
	}
	f.say(inspect.Evidence{Detail: "qemu-guest-agent was not found"}, "no guest agent of QEMU was found")
}
