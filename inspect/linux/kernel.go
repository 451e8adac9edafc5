package linux

import (
	"cmp"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// maxKernels bounds how many kernels of a system are listed.
const maxKernels = 64

// kernelDirs are where kernel images lie; /boot first.
var kernelDirs = [...]string{"boot", "efi", "boot/efi"}

// imagePrefixes are how the names of kernel images start; the version, or
// what the distribution calls the kernel, follows, or nothing.
var imagePrefixes = [...]string{"vmlinuz", "vmlinux", "kernel", "Image", "bzImage", "zImage"}

// imageSuffix is what the name of a file that may be a kernel says behind that.
func imageSuffix(name string) (string, bool) {
	for _, prefix := range imagePrefixes {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok || strings.HasSuffix(rest, ".hmac") || strings.HasSuffix(rest, ".sig") {
			continue
		}
		if rest == "" {
			return "", true
		}
		if rest[0] == '-' && len(rest) > 1 {
			return rest[1:], true
		}
	}
	return "", false
}

// findKernels lists the kernels in /boot, those that only have modules, and
// those that a boot loader entry names.
func (r *root) findKernels() {
	for _, dir := range kernelDirs[:1] {
		r.kernelImages(dir)
	}
	r.kernelModules()
	r.findBootLoaders()
	r.bootEntries()
	r.kernelsByEntries()
	for i := range r.Sys.Kernels {
		r.virtio(&r.Sys.Kernels[i])
	}
	if r.O.Initramfs {
		r.listInitramfs()
	}
}

// kernel returns the kernel of a version, a new one if there is none yet, or
// nil past the limit.
func (r *root) kernel(version, evidence string) *system.Kernel {
	for i := range r.Sys.Kernels {
		if r.Sys.Kernels[i].Version == version {
			return &r.Sys.Kernels[i]
		}
	}
	if r.noKernel(evidence) {
		return nil
	}
	r.Sys.Kernels = append(r.Sys.Kernels, system.Kernel{Version: version})
	r.Because("kernels", evidence, 0, "")
	return &r.Sys.Kernels[len(r.Sys.Kernels)-1]
}

// noKernel reports whether there is room for no further kernel, and says so once.
func (r *root) noKernel(name string) bool {
	if len(r.Sys.Kernels) < maxKernels {
		return false
	}
	if !r.manyKernels {
		r.manyKernels = true
		r.Problem(block.Errorf("", "/"+name, -1, block.ErrLimit, "more than %d kernels; this and what follows is not listed", maxKernels))
	}
	return true
}

// kernelImages lists the images in a directory. Their version is the one in the
// image, which uname prints; the name of the file may say something else.
func (r *root) kernelImages(dir string) {
	seen := map[string]bool{}
	es := r.List(dir)
	for _, links := range [...]bool{false, true} { // a link is another name of an image
		for _, e := range es {
			name := path.Join(dir, e.Name())
			suffix, ok := imageSuffix(e.Name())
			if !ok || (e.Type()&fs.ModeSymlink != 0) != links || !r.IsFile(name) {
				continue
			}
			real := r.Real(name)
			if seen[real] {
				continue
			}
			seen[real] = true
			version := r.versionOf(name, suffix)
			if version == "" {
				continue
			}
			if r.noKernel(name) {
				return
			}
			k := system.Kernel{Version: version, Image: guest.Shown(name)}
			r.Because("kernels", name, 0, "")
			for _, initrd := range initrdNames(suffix) {
				if f := path.Join(dir, initrd); k.Initrd == "" && r.IsFile(f) {
					k.Initrd = guest.Shown(f)
				}
			}
			for _, config := range [...]string{"config-" + suffix, "config-" + version} {
				if f := path.Join(dir, config); k.Config == "" && r.IsFile(f) {
					k.Config = guest.Shown(f)
				}
			}
			r.Sys.Kernels = append(r.Sys.Kernels, k)
		}
	}
}

// initrdNames are how the initial RAM disk of a kernel may be called.
func initrdNames(suffix string) []string {
	if suffix == "" {
		return []string{"initrd.img", "initrd", "initrd.gz", "initramfs", "initramfs.img"}
	}
	return []string{"initrd.img-" + suffix, "initramfs-" + suffix + ".img", "initrd-" + suffix, "initramfs-" + suffix, "initrd-" + suffix + ".img"}
}

// versionOf returns the version of an image: that in its header, or the suffix of
// its name if modules have it or there is no other.
func (r *root) versionOf(name, suffix string) string {
	head := r.Head(name, 16<<10)
	if v := imageVersion(head); v != "" {
		return v
	}
	if len(head) > 0x206 && string(head[0x202:0x206]) == "HdrS" { // the text is further on
		if v := imageVersion(r.Head(name, maxImageHead)); v != "" {
			return v
		}
	}
	for _, dir := range [...]string{"usr/lib/modules", "lib/modules"} {
		if suffix != "" && r.IsDir(path.Join(dir, suffix)) {
			return suffix
		}
	}
	if len(head) < 64 {
		return suffix
	}
	f, err := r.FS.Open(name)
	if err != nil {
		r.Fail(name, err)
		return suffix
	}
	defer f.Close()
	at, ok := f.(io.ReaderAt)
	fi, err := f.Stat()
	if !ok || err != nil {
		return suffix
	}
	if v := bannerVersion(at, fi.Size()); v != "" {
		return v
	}
	return suffix
}

// kernelModules joins the kernels with their modules. Where the image is
// named after its package ("vmlinuz-linux"), the file pkgbase in the modules
// has that name, or the version ends with it ("6.6.31-0-lts").
func (r *root) kernelModules() {
	for _, dir := range []string{"usr/lib/modules", "lib/modules", "run/current-system/kernel-modules/lib/modules", "nix/var/nix/profiles/system/kernel-modules/lib/modules"} {
		es := r.List(dir)
		for _, e := range es {
			name := path.Join(dir, e.Name())
			if !r.IsDir(name) || !strings.Contains(e.Name(), ".") {
				continue
			}
			k := r.ownKernel(name, e.Name())
			if k == nil {
				if k = r.kernel(e.Name(), name); k == nil {
					return
				}
			}
			k.Version = e.Name()
			for i := range r.Sys.Kernels { // a rescue image has the version of another
				if other := &r.Sys.Kernels[i]; other.Version == k.Version {
					other.Modules = guest.Shown(name)
				}
			}
			if f := path.Join(name, "vmlinuz"); k.Image == "" && r.IsFile(f) {
				k.Image = guest.Shown(f)
			}
			for _, initrd := range []string{"initramfs.img", "initrd"} {
				if f := path.Join(name, initrd); k.Initrd == "" && r.IsFile(f) {
					k.Initrd = guest.Shown(f)
				}
			}
			if f := path.Join(name, "config"); k.Config == "" && r.IsFile(f) {
				k.Config = guest.Shown(f)
			}
		}
		if len(es) > 0 {
			return // /lib/modules is the same folder, or there are no others
		}
	}
}

// ownKernel finds the kernel that modules belong to by another name than
// their version.
func (r *root) ownKernel(modules, version string) *system.Kernel {
	base := ""
	if r.IsFile(path.Join(modules, "pkgbase")) {
		b, _ := r.Text(path.Join(modules, "pkgbase"))
		base = strings.TrimSpace(string(b))
	}
	for i := range r.Sys.Kernels {
		k := &r.Sys.Kernels[i]
		if k.Modules == "" && (k.Version == base || !strings.Contains(k.Version, ".") && strings.HasSuffix(version, "-"+k.Version)) {
			return k
		}
	}
	return nil
}

// bootEntries adds to the kernels what the entries of the Boot Loader Specification say.
func (r *root) bootEntries() {
	for _, dir := range kernelDirs {
		for _, e := range r.typeOne(dir).entries {
			if r.Ctx.Err() != nil {
				return
			}
			if !e.linux || e.program == "" {
				continue
			}
			image := r.bootFile(dir, e.program)
			var k *system.Kernel
			for i := range r.Sys.Kernels {
				if x := &r.Sys.Kernels[i]; x.Image == guest.Shown(image) {
					k = x
					break
				} else if k == nil && x.Version == e.Version {
					k = x
				}
			}
			if k == nil {
				// "vmlinuz-" alone has no version to cut off.
				version := cmp.Or(e.Version, strings.TrimPrefix(path.Base(image), "vmlinuz-"), path.Base(image))
				if r.IsFile(image) {
					version = r.versionOf(image, version)
				}
				if k = r.kernel(version, guest.Name(e.Path)); k == nil {
					return
				}
			}
			if k.Entry != "" {
				continue
			}
			k.Entry, k.Options = strings.TrimSuffix(e.ID, ".conf"), r.asStarted(e.BootEntry).Options
			if k.Image == "" && r.IsFile(image) {
				k.Image = guest.Shown(image)
			}
			if k.Initrd == "" && len(e.initrd) > 0 && !hasVariable(e.initrd[0]) {
				if f := r.bootFile(dir, e.initrd[0]); r.IsFile(f) {
					k.Initrd = guest.Shown(f)
				}
			}
		}
	}
}

// asStarted is an entry as the first loader that lists it has it: GRUB replaces the
// variables.
func (r *root) asStarted(e system.BootEntry) system.BootEntry {
	for _, l := range r.Sys.BootLoaders {
		for _, x := range l.Entries {
			if x.Path == e.Path {
				return x
			}
		}
	}
	return e
}

// virtioDrivers are what a guest of KVM needs to find its disk and network,
// by the option of the kernel and the name of the module.
var virtioDrivers = [...]struct{ option, module string }{
	{"CONFIG_VIRTIO_PCI", "virtio_pci"}, {"CONFIG_VIRTIO_BLK", "virtio_blk"},
	{"CONFIG_SCSI_VIRTIO", "virtio_scsi"}, {"CONFIG_VIRTIO_NET", "virtio_net"},
}

// virtio reads the kernel's configuration; without one, the lists of its
// modules.
func (r *root) virtio(k *system.Kernel) {
	if k.Config != "" {
		if b, ok := r.Text(guest.Name(k.Config)); ok {
			k.Virtio = virtioConfig(b)
			return
		}
	}
	if k.Modules == "" {
		return
	}
	dir := guest.Name(k.Modules)
	if !r.IsFile(path.Join(dir, "modules.builtin")) || !r.IsFile(path.Join(dir, "modules.order")) {
		return
	}
	builtin, ok1 := r.Text(path.Join(dir, "modules.builtin"))
	order, ok2 := r.Text(path.Join(dir, "modules.order"))
	if !ok1 || !ok2 {
		return
	}
	k.Virtio = map[string]string{}
	for _, d := range virtioDrivers {
		k.Virtio[d.module] = "absent"
	}
	for _, list := range [...]struct {
		how  string
		text []byte
	}{{"module", order}, {"builtin", builtin}} {
		for _, line := range guest.Lines(list.text) {
			module := strings.TrimSuffix(path.Base(line), ".ko")
			if _, ok := k.Virtio[module]; ok {
				k.Virtio[module] = list.how
			}
		}
	}
}

func virtioConfig(b []byte) map[string]string {
	out := map[string]string{}
	for _, d := range virtioDrivers {
		out[d.module] = "absent"
	}
	for _, text := range guest.Lines(b) {
		option, val, _ := strings.Cut(text, "=")
		for _, d := range virtioDrivers {
			switch {
			case option != d.option:
			case val == "y":
				out[d.module] = "builtin"
			case val == "m":
				out[d.module] = "module"
			}
		}
	}
	return out
}
