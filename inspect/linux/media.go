package linux

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// liveImages are where live media keep the image of the root that they run.
var liveImages = [...]string{
	"casper/filesystem.squashfs", "casper/minimal.squashfs", "casper/ubuntu-server-minimal.squashfs", "casper/*.squashfs",
	"live/filesystem.squashfs", "live/*.squashfs", "LiveOS/squashfs.img", "LiveOS/rootfs.img", "arch/x86_64/airootfs.sfs", "arch/x86_64/airootfs.erofs",
	"slax/*.sb", "porteus/base/*.xzm",
}

// findMedia takes a volume as a medium if it has the mark of one.
func findMedia(t *guest.Tree) []system.Place {
	marker := guest.Installer(t)
	if marker == "" || isInstalled(t) {
		return nil
	}
	if strings.HasPrefix(marker, "sources/") {
		return []system.Place{{Dir: ".", Type: system.TypeWindows, Marker: marker, Finder: "media", Kind: system.KindInstaller}}
	}
	p := system.Place{Dir: ".", Type: system.TypeLinux, Marker: marker, Finder: "media", Kind: system.KindInstaller}
	for _, name := range liveImages {
		dir, pattern := path.Split(name)
		if !strings.Contains(pattern, "*") {
			if t.IsFile(name) {
				p.Image = name
			}
		} else if t.IsDir(strings.TrimSuffix(dir, "/")) {
			for _, e := range t.List(strings.TrimSuffix(dir, "/")) {
				if ok, _ := path.Match(pattern, e.Name()); ok && p.Image == "" {
					p.Image = dir + e.Name()
				}
			}
		}
		if p.Image != "" {
			p.Kind = system.KindLive
			break
		}
	}
	return []system.Place{p}
}

// findImages finds systems that were installed as images: VyOS and Vyatta keep
// each version in a folder of /boot, Android-x86 in one of the root.
func findImages(t *guest.Tree) []system.Place {
	var out []system.Place
	for _, e := range t.List("boot") {
		if name := path.Join("boot", e.Name(), e.Name()+".squashfs"); e.IsDir() && t.IsFile(name) {
			out = append(out, system.Place{Dir: ".", Type: system.TypeLinux, Marker: name, Finder: "image", Image: name})
		}
	}
	for _, e := range t.List(".") {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), "android-") {
			continue
		}
		for _, image := range [...]string{"system.sfs", "system.efs", "system.img"} {
			if name := path.Join(e.Name(), image); t.IsFile(name) {
				out = append(out, system.Place{Dir: e.Name(), Type: system.TypeLinux, Marker: name, Finder: "image", Image: name})
				break
			}
		}
	}
	slices.SortStableFunc(out, func(a, b system.Place) int { return compareVersions(path.Dir(b.Image), path.Dir(a.Image)) })
	return out
}

// appliances are systems without a root in the usual form, and the file that gives
// each away.
var appliances = [...]struct{ path, contains string }{
	{"system-data/var/lib/snapd/modeenv", "base="}, // Ubuntu Core
	{"system/build.prop", "ro.build."}, {"system/system/build.prop", "ro.build."}, {"build.prop", "ro.build."},
	{"grub/grub.cfg", "Talos v"},
}

func findAppliances(t *guest.Tree) []system.Place {
	for _, a := range appliances {
		if !t.IsFile(a.path) {
			continue
		}
		if b, ok := t.Text(a.path); ok && strings.Contains(string(b), a.contains) {
			dir := "."
			if strings.HasPrefix(a.path, "system-data/") {
				dir = "system-data"
			}
			return []system.Place{{Dir: dir, Type: system.TypeLinux, Marker: a.path, Finder: "appliance"}}
		}
	}
	return nil
}

// fromAppliance reads what systems say that have no release file.
func (r *root) fromAppliance() {
	if r.Sys.Distro != system.Unknown {
		return
	}
	const modeenv = "var/lib/snapd/modeenv"
	if r.IsFile(modeenv) {
		b, _ := r.Text(modeenv)
		for line, text := range guest.Entries(b) {
			if base, ok := strings.CutPrefix(text, "base="); ok { // core22_1380.snap
				r.Set(&r.Sys.Distro, "distro", "ubuntu-core", modeenv, line)
				r.Set(&r.Sys.VersionID, "version_id", versionIn(strings.TrimPrefix(base, "core")), modeenv, line)
				r.Set(&r.Sys.ProductName, "product_name", "Ubuntu Core "+versionIn(strings.TrimPrefix(base, "core")), modeenv, line)
			}
			if model, ok := strings.CutPrefix(text, "model="); ok {
				r.Set(&r.Sys.Variant, "variant", model, modeenv, line)
			}
		}
		return
	}
	for _, name := range [...]string{"system/build.prop", "system/system/build.prop", "build.prop"} {
		if r.IsFile(name) {
			r.fromBuildProp(name)
			return
		}
	}
	const grub = "grub/grub.cfg"
	if r.IsFile(grub) {
		b, _ := r.Text(grub)
		for line, text := range guest.Entries(b) {
			if _, rest, ok := strings.Cut(text, "Talos v"); ok { // menuentry "A - Talos v1.7.0" {
				version, _, _ := strings.Cut(rest, `"`)
				r.Set(&r.Sys.Distro, "distro", "talos", grub, line)
				r.Set(&r.Sys.VersionID, "version_id", "v"+version, grub, line)
				r.Set(&r.Sys.ProductName, "product_name", "Talos v"+version, grub, line)
				return
			}
		}
	}
}

// fromBuildProp reads the properties of Android.
func (r *root) fromBuildProp(name string) {
	b, _ := r.Text(name)
	for line, text := range guest.Entries(b) {
		key, val, _ := strings.Cut(text, "=")
		switch key {
		case "ro.build.version.release":
			r.Set(&r.Sys.Distro, "distro", "android", name, line)
			r.Set(&r.Sys.VersionID, "version_id", val, name, line)
			r.Set(&r.Sys.ProductName, "product_name", "Android "+val, name, line)
		case "ro.build.id", "ro.build.display.id":
			r.Set(&r.Sys.BuildID, "build_id", val, name, line)
		case "ro.product.cpu.abi":
			if arch, ok := map[string]string{"arm64-v8a": "aarch64", "armeabi-v7a": "arm", "x86": "i386", "x86_64": "x86_64", "riscv64": "riscv64"}[val]; ok && r.Sys.Arch == system.Unknown {
				r.Sys.Arch = arch
				r.Because("arch", name, line, "")
			}
		}
	}
}

// fromMedium reads what an installation medium says it installs.
func (r *root) fromMedium() {
	if r.Sys.Distro != system.Unknown {
		return
	}
	if b, ok := r.textIf(".treeinfo"); ok {
		section := ""
		for line, text := range guest.Entries(b) {
			if strings.HasPrefix(text, "[") {
				section = text
				continue
			}
			key, val, _ := strings.Cut(text, "=")
			val = strings.TrimSpace(val)
			if section != "[general]" && section != "[release]" {
				continue
			}
			switch strings.TrimSpace(key) {
			case "name":
				r.Set(&r.Sys.ProductName, "product_name", val, ".treeinfo", line)
				fallthrough
			case "family":
				if id := productID(val); id != "" {
					r.Set(&r.Sys.Distro, "distro", id, ".treeinfo", line)
				}
			case "version":
				r.Set(&r.Sys.VersionID, "version_id", val, ".treeinfo", line)
			case "arch":
				if r.Sys.Arch == system.Unknown && val != "" {
					r.Set(&r.Sys.Arch, "arch", val, ".treeinfo", line)
				}
			}
		}
	}
	if b, ok := r.textIf(".disk/info"); ok { // Debian GNU/Linux 12.5.0 "Bookworm" - Official amd64 NETINST with firmware 20240210-11:27
		for line, text := range guest.Entries(b) {
			r.Set(&r.Sys.ProductName, "product_name", text, ".disk/info", line)
			before, rest, _ := strings.Cut(text, `"`)
			code, after, _ := strings.Cut(rest, `"`)
			id := ""
			for _, d := range [...]struct{ word, id string }{{"Ubuntu", "ubuntu"}, {"Debian", "debian"}, {"Linux Mint", "linuxmint"}, {"Kali", "kali"}, {"Pop_OS", "pop"}, {"Kubuntu", "ubuntu"}, {"Xubuntu", "ubuntu"}, {"Lubuntu", "ubuntu"}, {"Zorin", "zorin"}, {"elementary", "elementary"}} {
				if strings.HasPrefix(text, d.word) {
					id = d.id
					break
				}
			}
			r.Set(&r.Sys.Distro, "distro", cmp.Or(id, productID(text)), ".disk/info", line)
			r.Set(&r.Sys.VersionID, "version_id", versionIn(strings.ReplaceAll(before, "-", " ")), ".disk/info", line)
			r.Set(&r.Sys.Codename, "codename", code, ".disk/info", line)
			for _, word := range strings.Fields(after) {
				r.mediumArch(word, ".disk/info", line)
			}
			break
		}
	}
	r.fromDiscInfo()
	r.fromSUSEMedium()
	if b, ok := r.textIf("arch/version"); ok {
		r.Set(&r.Sys.Distro, "distro", "arch", "arch/version", 1)
		r.Set(&r.Sys.ProductName, "product_name", "Arch Linux", "arch/version", 1)
		r.Set(&r.Sys.VersionID, "version_id", versionIn(string(b)), "arch/version", 1)
	}
}

// mediumArch takes a word that names an architecture.
func (r *root) mediumArch(word, file string, line int) {
	arch, ok := map[string]string{"amd64": "x86_64", "x86_64": "x86_64", "i386": "i386", "i586": "i386", "i686": "i386", "arm64": "aarch64", "aarch64": "aarch64",
		"ppc64": "ppc64", "ppc64el": "ppc64le", "ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64"}[word]
	if ok && r.Sys.Arch == system.Unknown {
		r.Sys.Arch = arch
		r.Because("arch", file, line, "")
	}
}

// fromDiscInfo reads what Anaconda's media say where they have no .treeinfo: a time,
// the product, the architecture.
func (r *root) fromDiscInfo() {
	b, ok := r.textIf(".discinfo")
	if !ok || r.Sys.Distro != system.Unknown {
		return
	}
	for line, text := range guest.Entries(b) {
		switch line {
		case 2: // Fedora 8, Red Hat Enterprise Linux 5.11, Fedora-S-40
			r.Set(&r.Sys.ProductName, "product_name", text, ".discinfo", line)
			r.Set(&r.Sys.Distro, "distro", productID(text), ".discinfo", line)
			r.Set(&r.Sys.VersionID, "version_id", versionIn(strings.ReplaceAll(text, "-", " ")), ".discinfo", line)
		case 3:
			r.mediumArch(text, ".discinfo", line)
		}
	}
}

// suseMedia are the products of SUSE's media, by how their names start.
var suseMedia = [...]struct{ prefix, id string }{
	{"openSUSE Leap", "opensuse-leap"}, {"openSUSE Tumbleweed", "opensuse-tumbleweed"}, {"openSUSE", "opensuse"}, {"SLED", "sled"}, {"SLE", "sles"},
}

// fromSUSEMedium reads the second line of media.1/media: the product, its version and
// what the medium is, such as openSUSE-Leap-15.5-DVD-x86_64-Build491.1,
// SLE-15-SP5-Full-x86_64-GM and openSUSE-Tumbleweed-DVD-x86_64-Snapshot20240501.
func (r *root) fromSUSEMedium() {
	const name = "media.1/media"
	b, ok := r.textIf(name)
	if !ok || r.Sys.Distro != system.Unknown {
		return
	}
	for line, text := range guest.Entries(b) {
		if line != 2 {
			continue
		}
		product, version, named := "", "", false
		for _, word := range strings.Split(text, "-") {
			snapshot, rolling := strings.CutPrefix(word, "Snapshot")
			pack, later := strings.CutPrefix(word, "SP")
			switch {
			case rolling:
				version = snapshot
			case later && version != "" && guest.IsVersion(pack):
				product, version = product+" "+word, version+"."+pack
			case word == "DVD" || word == "NET" || word == "CD":
				named = true
			case !named:
				product = strings.TrimSpace(product + " " + word)
				if guest.IsVersion(word) {
					version, named = word, true
				}
			}
			r.mediumArch(word, name, line)
		}
		for _, p := range suseMedia {
			if strings.HasPrefix(product, p.prefix) {
				r.Set(&r.Sys.Distro, "distro", p.id, name, line)
				r.Set(&r.Sys.ProductName, "product_name", product, name, line)
				r.Set(&r.Sys.VersionID, "version_id", version, name, line)
				return
			}
		}
	}
}

// textIf reads a file that may well not be there.
func (r *root) textIf(name string) ([]byte, bool) {
	if !r.IsFile(name) {
		return nil, false
	}
	return r.Text(name)
}
