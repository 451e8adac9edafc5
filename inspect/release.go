package inspect

import (
	"strings"
)

// A releaseFile is one of the files by which a distribution named itself
// before os-release, and still refines it.
type releaseFile struct {
	path string
	id   string // the distribution that has it, "" if the text tells
	read func(r *root, f releaseFile, b []byte)
}

// releaseFiles are in order: those of derived distributions come before the
// one of their parent, which they keep.
var releaseFiles = [...]releaseFile{
	{"etc/openwrt_release", "openwrt", (*root).fromLSB},
	{"etc/cirros/version", "cirros", (*root).fromVersionFile},
	{"etc/br-version", "buildroot", (*root).fromVersionFile},
	{"etc/lsb-release", "", (*root).fromLSB},
	{"etc/oracle-release", "ol", (*root).fromRelease},
	{"etc/enterprise-release", "ol", (*root).fromRelease},
	{"etc/rocky-release", "rocky", (*root).fromRelease},
	{"etc/almalinux-release", "almalinux", (*root).fromRelease},
	{"etc/centos-release", "centos", (*root).fromRelease},
	{"etc/fedora-release", "", (*root).fromRelease},
	{"etc/mageia-release", "mageia", (*root).fromRelease},
	{"etc/openmandriva-release", "openmandriva", (*root).fromRelease},
	{"etc/altlinux-release", "altlinux", (*root).fromRelease},
	{"etc/pardus-release", "pardus", (*root).fromRelease},
	{"etc/redhat-release", "", (*root).fromRelease},
	{"etc/system-release", "", (*root).fromRelease},
	{"etc/photon-release", "photon", (*root).fromRelease},
	{"etc/SuSE-release", "", (*root).fromSuSE},
	{"etc/alpine-release", "alpine", (*root).fromVersionFile},
	{"etc/gentoo-release", "gentoo", (*root).fromRelease},
	{"etc/slackware-version", "slackware", (*root).fromRelease},
	{"etc/arch-release", "arch", (*root).fromMark},
	{"etc/debian_version", "debian", (*root).fromDebianVersion},
}

// productIDs gives the ID of a product by how its name starts, for the text
// that is all that release files have.
var productIDs = [...]struct{ prefix, id string }{
	{"Red Hat Enterprise Linux", "rhel"}, {"Red Hat Linux", "redhat"}, {"Fedora", "fedora"}, {"CentOS", "centos"},
	{"Rocky Linux", "rocky"}, {"AlmaLinux", "almalinux"}, {"Scientific Linux", "scientific"}, {"Oracle Linux", "ol"},
	{"Enterprise Linux Enterprise Linux", "ol"}, {"Amazon Linux", "amzn"}, {"Circle Linux", "circle"}, {"CloudLinux", "cloudlinux"},
	{"Virtuozzo", "virtuozzo"}, {"openSUSE", "opensuse"}, {"SUSE Linux Enterprise Server", "sles"},
	{"SUSE Linux Enterprise Desktop", "sled"}, {"SUSE", "suse"}, {"Mageia", "mageia"}, {"XenServer", "xenenterprise"},
	{"OpenCloudOS", "opencloudos"}, {"TencentOS", "tencentos"}, {"openEuler", "openeuler"},
}

func productID(product string) string {
	for _, p := range productIDs {
		if strings.HasPrefix(product, p.prefix) {
			return p.id
		}
	}
	return ""
}

// identify sets what the guest says of itself: os-release first, then what
// the older files add.
func (r *root) identify() {
	r.fromOSRelease()
	for _, f := range releaseFiles {
		if f.id != "" && r.sys.Distro != Unknown && f.id != r.sys.Distro {
			continue // it was inherited from the distribution's parent
		}
		if b, ok := r.text(f.path); ok {
			f.read(r, f, b)
		}
	}
	if s := r.sys; s.Version == Unknown && s.VersionID != Unknown {
		s.Version = s.VersionID
		for _, e := range s.Because("version_id") {
			e.Field = "version"
			s.Evidence = append(s.Evidence, e)
		}
	}
	r.findVariant()
	r.placeFamily()
}

// identity is what a release file states; empty fields are not stated.
type identity struct {
	id, product, version, codename string
	line                           int
}

// take sets the identity from a release file if there is none yet; if os-release
// gave one, the version of the same distribution may still be more exact.
func (r *root) take(f releaseFile, id identity) {
	s := r.sys
	if s.Distro != Unknown {
		if id.id == s.Distro {
			r.refine(id.version, f.path, id.line)
		}
		return
	}
	if !r.set(&s.Distro, "distro", id.id, f.path, id.line) {
		return
	}
	r.set(&s.ProductName, "product_name", id.product, f.path, id.line)
	r.set(&s.VersionID, "version_id", id.version, f.path, id.line)
	r.set(&s.Codename, "codename", id.codename, f.path, id.line)
}

// fromRelease reads the one line "PRODUCT release VERSION (Codename)", with
// or without its parts.
func (r *root) fromRelease(f releaseFile, b []byte) {
	for line, text := range entries(b) {
		id := identity{id: f.id, product: text, line: line}
		product, rest, ok := strings.Cut(text, " release ")
		if !ok {
			product, rest = text, text
		}
		if id.id == "" {
			id.id = productID(product)
		}
		id.codename = parenthesised(rest)
		for _, word := range strings.Fields(rest) {
			if isVersion(word) {
				id.version = word
				break
			}
		}
		// "release 4 (Nahant Update 9)" was how RHEL wrote 4.9.
		if name, update, ok := strings.Cut(id.codename, " Update "); ok && isVersion(update) && isVersion(id.version) {
			id.codename, id.version = name, id.version+"."+update
		}
		r.take(f, id)
		return
	}
}

// fromLSB reads the variables DISTRIB_ID, _RELEASE, _CODENAME and
// _DESCRIPTION.
func (r *root) fromLSB(f releaseFile, b []byte) {
	vars := map[string]assignment{}
	for _, a := range assignments(b) {
		if strings.HasPrefix(a.name, "DISTRIB_") {
			vars[a.name] = a
		}
	}
	name := vars["DISTRIB_ID"].value
	if name == "" {
		return
	}
	id := identity{id: f.id, product: vars["DISTRIB_DESCRIPTION"].value, version: vars["DISTRIB_RELEASE"].value,
		codename: vars["DISTRIB_CODENAME"].value, line: vars["DISTRIB_ID"].line}
	if id.id == "" {
		id.id = strings.ToLower(strings.ReplaceAll(name, " ", ""))
	}
	if id.product == "" {
		id.product = strings.TrimSpace(name + " " + id.version)
	}
	r.take(f, id)
}

// fromSuSE reads a product line, then "VERSION = 11" and "PATCHLEVEL = 4".
func (r *root) fromSuSE(f releaseFile, b []byte) {
	var id identity
	for line, text := range entries(b) {
		key, val, isVar := strings.Cut(text, "=")
		switch key, val = strings.TrimSpace(key), strings.TrimSpace(val); {
		case !isVar && id.product == "":
			id.product, id.line, id.id = text, line, productID(text)
		case key == "VERSION":
			id.version = val
		case key == "PATCHLEVEL" && id.version != "" && val != "0":
			id.version += "." + val
		case key == "CODENAME" && val != "n/a":
			id.codename = val
		}
	}
	r.take(f, id)
}

// fromVersionFile reads a file that holds nothing but a version.
func (r *root) fromVersionFile(f releaseFile, b []byte) {
	for line, text := range entries(b) {
		r.take(f, identity{id: f.id, version: text, line: line})
		return
	}
}

// fromMark knows a distribution by a file that may be empty.
func (r *root) fromMark(f releaseFile, _ []byte) {
	r.take(f, identity{id: f.id})
}

// fromDebianVersion reads "6.0.10", or "trixie/sid" where there is no version
// yet. Derived distributions carry the file of their parent: it never says
// which distribution this is if anything else does.
func (r *root) fromDebianVersion(f releaseFile, b []byte) {
	for line, text := range entries(b) {
		id := identity{id: f.id, line: line}
		if isVersion(text) {
			id.version, id.product = text, "Debian GNU/Linux "+text
		} else {
			id.codename, _, _ = strings.Cut(text, "/")
		}
		r.take(f, id)
		return
	}
}

// variants are products that keep the os-release of the distribution they are
// built on, and the file that gives them away.
var variants = [...]struct{ distro, path, variant string }{
	{"debian", "usr/bin/pveversion", "proxmox-ve"},
	{"debian", "usr/sbin/proxmox-backup-manager", "proxmox-backup-server"},
	{"debian", "etc/rpi-issue", "raspberry-pi-os"},
}

func (r *root) findVariant() {
	for _, v := range variants {
		if r.sys.Distro == v.distro && r.sys.Variant == Unknown && r.isFile(v.path) {
			r.set(&r.sys.Variant, "variant", v.variant, v.path, 0)
		}
	}
}

// placeFamily finds the family by the ID, then by those that it is like.
func (r *root) placeFamily() {
	s := r.sys
	for _, field := range []struct {
		name string
		ids  []string
	}{{"distro", []string{s.Distro}}, {"id_like", s.IDLike}} {
		d, ok := knownDistro(field.ids...)
		if !ok {
			continue
		}
		s.Family = d.family
		for _, e := range s.Because(field.name) {
			e.Field, e.Detail = "family", "by "+field.name+" "+d.id
			s.Evidence = append(s.Evidence, e)
		}
		return
	}
}
