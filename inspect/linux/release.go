package linux

import (
	"slices"
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
	{"etc/springdale-release", "springdale", (*root).fromRelease},
	{"etc/asianux-release", "asianux", (*root).fromRelease},
	{"etc/whitebox-release", "whitebox", (*root).fromRelease},
	{"etc/miraclelinux-release", "miraclelinux", (*root).fromRelease},
	{"etc/yellowdog-release", "yellowdog", (*root).fromRelease},
	{"etc/turbolinux-release", "turbolinux", (*root).fromRelease},
	{"etc/vine-release", "vine", (*root).fromRelease},
	{"etc/neokylin-release", "neokylin", (*root).fromRelease},
	{"etc/kylin-release", "kylin", (*root).fromRelease},
	{"etc/meego-release", "meego", (*root).fromRelease},
	{"etc/pld-release", "pld", (*root).fromRelease},
	{"etc/frugalware-release", "frugalware", (*root).fromRelease},
	{"etc/centos-release", "centos", (*root).fromRelease},
	{"etc/fedora-release", "", (*root).fromRelease},
	{"etc/mageia-release", "mageia", (*root).fromRelease},
	{"etc/openmandriva-release", "openmandriva", (*root).fromRelease},
	{"etc/mandriva-release", "mandriva", (*root).fromRelease},
	{"etc/mandrakelinux-release", "mandrake", (*root).fromRelease},
	{"etc/mandrake-release", "mandrake", (*root).fromRelease},
	{"etc/altlinux-release", "altlinux", (*root).fromRelease},
	{"etc/pardus-release", "pardus", (*root).fromRelease},
	{"etc/redhat-release", "", (*root).fromRelease},
	{"etc/system-release", "", (*root).fromRelease},
	{"etc/system-release-cpe", "", (*root).fromCPE},
	{"etc/photon-release", "photon", (*root).fromRelease},
	{"etc/mariner-release", "mariner", (*root).fromRelease},
	{"etc/azurelinux-release", "azurelinux", (*root).fromRelease},
	{"etc/novell-release", "", (*root).fromSuSE},
	{"etc/sles-release", "sles", (*root).fromSuSE},
	{"etc/UnitedLinux-release", "unitedlinux", (*root).fromSuSE},
	{"etc/SuSE-release", "", (*root).fromSuSE},
	{"etc/alpine-release", "alpine", (*root).fromVersionFile},
	{"etc/gentoo-release", "gentoo", (*root).fromRelease},
	{"etc/slackware-version", "slackware", (*root).fromRelease},
	{"etc/arch-release", "arch", (*root).fromMark},
	{"etc/debian_version", "debian", (*root).fromDebianVersion},
}

// products gives the ID of a product by how its name starts, in any case of
// letters, for the text that is all that release files have. The first that
// fits counts.
var products = [...]struct{ prefix, id string }{
	{"Red Hat Enterprise Linux", "rhel"}, {"Red Hat Linux Advanced", "rhel"}, {"Red Hat Linux", "redhat"}, {"Fedora", "fedora"}, {"CentOS", "centos"},
	{"Rocky Linux", "rocky"}, {"AlmaLinux", "almalinux"}, {"Scientific Linux", "scientific"}, {"Oracle Linux", "ol"},
	{"Oracle VM", "ol"}, {"Enterprise Linux Enterprise Linux", "ol"}, {"Amazon Linux", "amzn"}, {"Circle Linux", "circle"}, {"CloudLinux", "cloudlinux"},
	{"Virtuozzo", "virtuozzo"}, {"White Box Enterprise Linux", "whitebox"}, {"Springdale", "springdale"}, {"PUIAS", "puias"}, {"Asianux", "asianux"},
	{"MIRACLE LINUX", "miraclelinux"}, {"Yellow Dog", "yellowdog"}, {"Turbolinux", "turbolinux"}, {"Red Flag", "redflag"}, {"NeoKylin", "neokylin"},
	{"Kylin", "kylin"}, {"EuroLinux", "eurolinux"}, {"Anolis", "anolis"}, {"Alibaba Cloud Linux", "alinux"}, {"Navy Linux", "navy"}, {"ClearOS", "clearos"},
	{"openSUSE", "opensuse"}, {"SUSE Linux Enterprise Server", "sles"}, {"SUSE Linux Enterprise Desktop", "sled"}, {"SUSE SLES", "sles"}, {"SuSE Linux Openexchange", "suse"},
	{"Novell Linux Desktop", "nld"}, {"Novell Open Enterprise Server", "oes"}, {"Open Enterprise Server", "oes"}, {"UnitedLinux", "unitedlinux"}, {"SUSE", "suse"},
	{"Mageia", "mageia"}, {"Mandriva", "mandriva"}, {"Mandrake", "mandrake"}, {"Linux Mandrake", "mandrake"}, {"OpenMandriva", "openmandriva"}, {"ROSA", "rosa"},
	{"XenServer", "xenenterprise"}, {"Citrix Hypervisor", "xenenterprise"}, {"XCP-ng", "xcp-ng"},
	{"OpenCloudOS", "opencloudos"}, {"TencentOS", "tencentos"}, {"openEuler", "openeuler"}, {"ALT", "altlinux"}, {"PLD", "pld"}, {"MeeGo", "meego"},
	{"VMware Photon", "photon"}, {"Qubes", "qubes"}, {"Sangoma", "sangoma"},
}

func productID(product string) string {
	for _, p := range products {
		if len(product) >= len(p.prefix) && strings.EqualFold(product[:len(p.prefix)], p.prefix) {
			return p.id
		}
	}
	return ""
}

// familyWords are what the line of a product in no table may say of where it comes
// from: "… release 3 (based on CentOS 5.5)".
var familyWords = [...]struct {
	word   string
	family system.Family
}{
	{"Red Hat", system.FamilyRHEL}, {"RedHat", system.FamilyRHEL}, {"CentOS", system.FamilyRHEL}, {"Fedora", system.FamilyRHEL}, {"RHEL", system.FamilyRHEL}, {"Enterprise Linux", system.FamilyRHEL},
	{"SUSE", system.FamilySUSE}, {"SLES", system.FamilySUSE}, {"Mandriva", system.FamilyMandriva}, {"Mandrake", system.FamilyMandriva}, {"Ubuntu", system.FamilyDebian}, {"Debian", system.FamilyDebian},
}

// familyOf is the family that a line names, "" if none.
func familyOf(line string) system.Family {
	lower := strings.ToLower(line)
	if _, rest, ok := strings.Cut(lower, "based on "); ok {
		lower = rest
	}
	for _, w := range familyWords {
		if strings.Contains(lower, strings.ToLower(w.word)) {
			return w.family
		}
	}
	return ""
}

// identify sets what the guest says of itself: os-release first, then what
// the older files add.
func (r *root) identify() {
	r.fromOSRelease()
	r.fromDerived()
	for _, f := range releaseFiles {
		if f.id != "" && r.Sys.Distro != system.Unknown && f.id != r.Sys.Distro {
			continue // it was inherited from the distribution's parent
		}
		if b, ok := r.Text(f.path); ok {
			f.read(r, f, b)
		}
	}
	r.fromAppliance()
	r.fromVersionID()
	r.findVariant()
	r.placeFamily(nil)
}

// fromVersionID takes the version of the repositories where no file has a more
// exact one.
func (r *root) fromVersionID() {
	if s := r.Sys; s.Version == system.Unknown && s.VersionID != system.Unknown {
		s.Version = s.VersionID
		for _, e := range s.Because("version_id") {
			e.Field = "version"
			s.Evidence = append(s.Evidence, e)
		}
	}
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
			if f.id == "debian" { // whose os-release may have no codename before a release, nor a version in small images
				r.Set(&s.Codename, "codename", id.codename.text, f.path, id.codename.line)
				if s.VersionID == system.Unknown {
					r.Set(&s.Version, "version", id.version.text, f.path, id.version.line)
				}
			}
		}
		return
	}
	// A product in no table has no ID, but its own words.
	r.Set(&s.Distro, "distro", id.id.text, f.path, id.id.line)
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
		id := f.id
		if id == "" {
			id = productID(product)
		}
		before, _, _ := strings.Cut(rest, "(")
		version := versionIn(before)
		codename := codenameIn(guest.Parenthesised(rest))
		// "release 4 (Nahant Update 9)" was how RHEL wrote 4.9.
		if name, update, ok := strings.Cut(codename, " Update "); ok && guest.IsVersion(update) && guest.IsVersion(version) {
			codename, version = name, version+"."+update
		}
		r.take(f, identity{stated{id, line}, stated{text, line}, stated{version, line}, stated{codename, line}})
		return
	}
}

// cpeVendors are the IDs of the distributions of a vendor, as it is called in a name of
// the Common Platform Enumeration.
var cpeVendors = map[string]string{"redhat": "rhel", "centos": "centos", "fedoraproject": "fedora", "oracle": "ol", "amazon": "amzn", "rocky": "rocky", "almalinux": "almalinux", "scientificlinux": "scientific"}

// fromCPE reads "cpe:/o:VENDOR:PRODUCT:VERSION" of version 2.2 of that name, or
// "cpe:2.3:o:…", for a system that has nothing else.
func (r *root) fromCPE(f releaseFile, b []byte) {
	if r.Sys.Distro != system.Unknown || r.Sys.ProductName != system.Unknown {
		return
	}
	for line, text := range guest.Entries(b) {
		rest, ok := strings.CutPrefix(text, "cpe:/o:")
		if !ok {
			rest, ok = strings.CutPrefix(text, "cpe:2.3:o:")
		}
		if parts := strings.Split(rest, ":"); ok && len(parts) > 2 {
			r.take(f, identity{id: stated{cpeVendors[parts[0]], line}, version: stated{versionIn(parts[2]), line}})
		}
		return
	}
}

// versionIn returns the version in a text: that of the first word which begins with
// a digit, up to what follows its numbers: "2.1" of "2.1AS", "6.2.0" of
// "6.2.0-70446c", "10" of "V10".
func versionIn(text string) string {
	for _, word := range strings.Fields(text) {
		if len(word) > 1 && (word[0] == 'V' || word[0] == 'v') {
			word = word[1:]
		}
		n := 0
		for n < len(word) && (word[n] >= '0' && word[n] <= '9' || word[n] == '.') {
			n++
		}
		if n > 0 && word[0] != '.' {
			return strings.TrimRight(word[:n], ".")
		}
		if rest, ok := strings.CutPrefix(word, "SLES-"); ok && guest.IsVersion(rest) { // "SUSE SLES-8"
			return rest
		}
	}
	return ""
}

// codenameIn is what stands in parentheses, unless it is another thing.
func codenameIn(s string) string {
	switch strings.ToLower(s) {
	case "i386", "i486", "i586", "i686", "x86-64", "x86_64", "ia64", "ppc", "ppc64", "ppc64le", "s390", "s390x", "aarch64", "official", "community", "final":
		return ""
	}
	if strings.HasPrefix(strings.ToLower(s), "based on ") || s == "LTS" || strings.HasPrefix(s, "LTS-SP") { // of openEuler
		return ""
	}
	return s
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
		id.id.text = lsbID(name.text)
	}
	if id.product.text == "" {
		id.product = stated{name.text + " " + id.version.text, name.line}
	}
	r.take(f, id)
}

// lsbID turns a DISTRIB_ID into the ID that os-release would have.
func lsbID(name string) string {
	id := strings.ToLower(strings.ReplaceAll(name, " ", ""))
	if known, ok := aliases[id]; ok {
		return known
	}
	return id
}

// fromDerived takes the identity from lsb-release where os-release is that of the
// distribution which this one is derived from, and was not changed.
func (r *root) fromDerived() {
	const name = "etc/lsb-release"
	s := r.Sys
	base := s.Distro
	if !bases[base] {
		return
	}
	b, ok := r.Text(name)
	if !ok {
		return
	}
	vars := map[string]guest.Assignment{}
	for _, a := range guest.Assignments(b) {
		vars[a.Name] = a
	}
	id := lsbID(vars["DISTRIB_ID"].Value)
	if id == "" || id == base || bases[id] || strings.HasPrefix(id, base) || strings.HasPrefix(base, id) {
		return
	}
	for _, like := range s.IDLike {
		if like == id {
			return // the file is that of its parent
		}
	}
	replace := func(dst *string, field, variable string) {
		if a := vars[variable]; a.Value != "" {
			*dst = system.Unknown
			value := a.Value
			if field == "distro" {
				value = id
			}
			r.Set(dst, field, value, name, a.Line)
		}
	}
	s.IDLike = append([]string{base}, s.IDLike...)
	r.Because("id_like", name, vars["DISTRIB_ID"].Line, "os-release is that of "+base)
	replace(&s.Distro, "distro", "DISTRIB_ID")
	replace(&s.ProductName, "product_name", "DISTRIB_DESCRIPTION")
	replace(&s.VersionID, "version_id", "DISTRIB_RELEASE")
	replace(&s.Codename, "codename", "DISTRIB_CODENAME")
	s.Version = system.Unknown
}

// fromSuSE reads a product line, then "VERSION = 11" and "PATCHLEVEL = 4".
func (r *root) fromSuSE(f releaseFile, b []byte) {
	var id identity
	for line, text := range guest.Entries(b) {
		key, val, isVar := strings.Cut(text, "=")
		switch key, val = strings.TrimSpace(key), strings.TrimSpace(val); {
		case !isVar && id.product.text == "":
			id.product, id.id = stated{text, line}, stated{productID(text), line}
			if id.id.text == "" && f.id != "" {
				id.id.text = f.id
			}
			product, _, _ := strings.Cut(text, "(")
			id.version = stated{versionIn(product), line}
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

// platforms are what PLATFORM_ID begins with: that of distributions whose rpm
// packages have modules, as Fedora made them.
const platform = "platform:"

// placeFamily finds the family, by the rule that docs/inspection.md has: what a
// package database that was read can belong to bounds the choice; then ID_LIKE
// counts, PLATFORM_ID, the table of IDs, and last what the line of a release file
// says. found are the databases.
func (r *root) placeFamily(found []system.Packages) {
	s := r.Sys
	var possible []system.Family
	var db string
	for _, p := range found {
		if fs, ok := formatFamilies[p.Format]; ok && len(p.Items) > 0 && (possible == nil || p.Format == s.PackageFormat) {
			possible, db = fs, p.Database
		}
	}
	place := func(f system.Family, of, detail string) bool {
		if f == "" || f == system.FamilyUnknown || possible != nil && !slices.Contains(possible, f) {
			return false
		}
		s.Family = f
		s.Evidence = slices.DeleteFunc(s.Evidence, func(e system.Evidence) bool { return e.Field == "family" })
		for _, e := range s.Because(of) {
			e.Field, e.Detail = "family", detail
			s.Evidence = append(s.Evidence, e)
		}
		return true
	}
	if d, ok := knownDistro(s.IDLike...); ok && place(d.family, "id_like", "by id_like "+d.id) {
		return
	}
	if strings.HasPrefix(s.OSRelease["PLATFORM_ID"], platform) && place(system.FamilyRHEL, "distro", "by PLATFORM_ID "+s.OSRelease["PLATFORM_ID"]) {
		return
	}
	if d, ok := knownDistro(s.Distro); ok && place(d.family, "distro", "by distro "+d.id) {
		return
	}
	if place(familyOf(s.ProductName), "product_name", "by the words of its name") {
		return
	}
	for _, e := range s.Because("product_name") {
		if e.Path == "/etc/redhat-release" && place(system.FamilyRHEL, "product_name", "by the file that says its name") {
			return
		}
	}
	if possible != nil {
		s.Evidence = slices.DeleteFunc(s.Evidence, func(e system.Evidence) bool { return e.Field == "family" })
		s.Family = possible[0]
		if len(possible) > 1 {
			s.Family = system.FamilyOther
		}
		r.Because("family", guest.Name(db), 0, "by the package database")
	}
}
