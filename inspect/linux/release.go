package linux

import (
	"strings"

	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
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
		if f.id != "" && r.Sys.Distro != system.Unknown && f.id != r.Sys.Distro {
			continue // it was inherited from the distribution's parent
		}
		if b, ok := r.Text(f.path); ok {
			f.read(r, f, b)
		}
	}
	if s := r.Sys; s.Version == system.Unknown && s.VersionID != system.Unknown {
		s.Version = s.VersionID
		for _, e := range s.Because("version_id") {
			e.Field = "version"
			s.Evidence = append(s.Evidence, e)
		}
	}
	r.findVariant()
	r.placeFamily()
}

// identity is what a release file states, each with its line; what is empty is
// not stated.
type identity struct {
	id, product, version, codename stated
}

type stated struct {
	text string
	line int
}

// take sets the identity from a release file if there is none yet; if os-release
// gave one, the version of the same distribution may still be more exact.
func (r *root) take(f releaseFile, id identity) {
	s := r.Sys
	if s.Distro != system.Unknown {
		if id.id.text == s.Distro {
			r.refine(id.version.text, f.path, id.version.line)
		}
		return
	}
	if !r.Set(&s.Distro, "distro", id.id.text, f.path, id.id.line) {
		return
	}
	r.Set(&s.ProductName, "product_name", id.product.text, f.path, id.product.line)
	r.Set(&s.VersionID, "version_id", id.version.text, f.path, id.version.line)
	r.Set(&s.Codename, "codename", id.codename.text, f.path, id.codename.line)
}

// fromRelease reads the one line "PRODUCT release VERSION (Codename)", with
// or without its parts.
func (r *root) fromRelease(f releaseFile, b []byte) {
	for line, text := range guest.Entries(b) {
		product, rest, ok := strings.Cut(text, " release ")
		if !ok {
			product, rest = text, text
		}
		id, version, codename := f.id, "", guest.Parenthesised(rest)
		if id == "" {
			id = productID(product)
		}
		for _, word := range strings.Fields(rest) {
			if guest.IsVersion(word) {
				version = word
				break
			}
		}
		// "release 4 (Nahant Update 9)" was how RHEL wrote 4.9.
		if name, update, ok := strings.Cut(codename, " Update "); ok && guest.IsVersion(update) && guest.IsVersion(version) {
			codename, version = name, version+"."+update
		}
		r.take(f, identity{stated{id, line}, stated{text, line}, stated{version, line}, stated{codename, line}})
		return
	}
}

// fromLSB reads the variables DISTRIB_ID, _RELEASE, _CODENAME and
// _DESCRIPTION.
func (r *root) fromLSB(f releaseFile, b []byte) {
	vars := map[string]stated{}
	for _, a := range guest.Assignments(b) {
		vars[a.Name] = stated{a.Value, a.Line}
	}
	name := vars["DISTRIB_ID"]
	if name.text == "" {
		return
	}
	id := identity{stated{f.id, name.line}, vars["DISTRIB_DESCRIPTION"], vars["DISTRIB_RELEASE"], vars["DISTRIB_CODENAME"]}
	if f.id == "" {
		id.id.text = strings.ToLower(strings.ReplaceAll(name.text, " ", ""))
	}
	if id.product.text == "" {
		id.product = stated{name.text + " " + id.version.text, name.line}
	}
	r.take(f, id)
}

// fromSuSE reads a product line, then "VERSION = 11" and "PATCHLEVEL = 4".
func (r *root) fromSuSE(f releaseFile, b []byte) {
	var id identity
	for line, text := range guest.Entries(b) {
		key, val, isVar := strings.Cut(text, "=")
		switch key, val = strings.TrimSpace(key), strings.TrimSpace(val); {
		case !isVar && id.product.text == "":
			id.product, id.id = stated{text, line}, stated{productID(text), line}
		case key == "VERSION":
			id.version = stated{val, line}
		case key == "PATCHLEVEL" && id.version.text != "" && val != "0":
			id.version.text += "." + val
		case key == "CODENAME" && val != "n/a":
			id.codename = stated{val, line}
		}
	}
	r.take(f, id)
}

// fromVersionFile reads a file that holds nothing but a version.
func (r *root) fromVersionFile(f releaseFile, b []byte) {
	for line, text := range guest.Entries(b) {
		r.take(f, identity{id: stated{f.id, 0}, version: stated{text, line}})
		return
	}
}

// fromMark knows a distribution by a file that may be empty.
func (r *root) fromMark(f releaseFile, _ []byte) {
	r.take(f, identity{id: stated{f.id, 0}})
}

// fromDebianVersion reads "6.0.10", or "trixie/sid" where there is no version
// yet. Derived distributions carry the file of their parent: it never says
// which distribution this is if anything else does.
func (r *root) fromDebianVersion(f releaseFile, b []byte) {
	for line, text := range guest.Entries(b) {
		id := identity{id: stated{f.id, 0}}
		if guest.IsVersion(text) {
			id.version, id.product = stated{text, line}, stated{"Debian GNU/Linux " + text, line}
		} else {
			name, _, _ := strings.Cut(text, "/")
			id.codename = stated{name, line}
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
		if r.Sys.Distro == v.distro && r.Sys.Variant == system.Unknown && r.IsFile(v.path) {
			r.Set(&r.Sys.Variant, "variant", v.variant, v.path, 0)
		}
	}
}

// placeFamily finds the family by the ID, then by those that it is like.
func (r *root) placeFamily() {
	s := r.Sys
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
