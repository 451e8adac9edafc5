package linux

import (
	"strings"

	"github.com/guestkit/guestkit/inspect/system"
)

// A distro is what a distribution's ID alone tells.
type distro struct {
	id     string
	family system.Family
	format string // of its packages
}

// distros places the IDs that do not say, or not rightly, what they are like.
// An ID that is missing here is placed by its ID_LIKE.
var distros = [...]distro{
	{"debian", system.FamilyDebian, "deb"}, {"ubuntu", system.FamilyDebian, "deb"}, {"devuan", system.FamilyDebian, "deb"},
	{"raspbian", system.FamilyDebian, "deb"}, {"linuxmint", system.FamilyDebian, "deb"}, {"kali", system.FamilyDebian, "deb"},
	{"pop", system.FamilyDebian, "deb"}, {"elementary", system.FamilyDebian, "deb"}, {"zorin", system.FamilyDebian, "deb"},
	{"deepin", system.FamilyDebian, "deb"}, {"uos", system.FamilyDebian, "deb"}, {"kylin", system.FamilyDebian, "deb"},
	{"pardus", system.FamilyDebian, "deb"}, {"vyos", system.FamilyDebian, "deb"}, {"gardenlinux", system.FamilyDebian, "deb"},
	{"pureos", system.FamilyDebian, "deb"}, {"neon", system.FamilyDebian, "deb"}, {"lmde", system.FamilyDebian, "deb"},
	{"peppermint", system.FamilyDebian, "deb"}, {"mx", system.FamilyDebian, "deb"}, {"antix", system.FamilyDebian, "deb"},
	{"knoppix", system.FamilyDebian, "deb"}, {"ubuntu-core", system.FamilyDebian, "snap"}, {"openkylin", system.FamilyDebian, "deb"},
	{"vyatta", system.FamilyDebian, "deb"}, {"trisquel", system.FamilyDebian, "deb"}, {"astra", system.FamilyDebian, "deb"},
	{"parrot", system.FamilyDebian, "deb"}, {"proxmox", system.FamilyDebian, "deb"},

	{"fedora", system.FamilyRHEL, "rpm"}, {"rhel", system.FamilyRHEL, "rpm"}, {"rhcos", system.FamilyRHEL, "rpm"},
	{"centos", system.FamilyRHEL, "rpm"}, {"rocky", system.FamilyRHEL, "rpm"}, {"almalinux", system.FamilyRHEL, "rpm"},
	{"ol", system.FamilyRHEL, "rpm"}, {"amzn", system.FamilyRHEL, "rpm"}, {"scientific", system.FamilyRHEL, "rpm"},
	{"circle", system.FamilyRHEL, "rpm"}, {"virtuozzo", system.FamilyRHEL, "rpm"}, {"cloudlinux", system.FamilyRHEL, "rpm"},
	{"xenenterprise", system.FamilyRHEL, "rpm"}, {"anolis", system.FamilyRHEL, "rpm"}, {"alinux", system.FamilyRHEL, "rpm"},
	{"opencloudos", system.FamilyRHEL, "rpm"}, {"tencentos", system.FamilyRHEL, "rpm"}, {"eurolinux", system.FamilyRHEL, "rpm"},
	{"neokylin", system.FamilyRHEL, "rpm"}, {"navy", system.FamilyRHEL, "rpm"},
	{"redhat", system.FamilyRHEL, "rpm"}, {"whitebox", system.FamilyRHEL, "rpm"}, {"springdale", system.FamilyRHEL, "rpm"},
	{"puias", system.FamilyRHEL, "rpm"}, {"asianux", system.FamilyRHEL, "rpm"}, {"miraclelinux", system.FamilyRHEL, "rpm"},
	{"redflag", system.FamilyRHEL, "rpm"}, {"turbolinux", system.FamilyRHEL, "rpm"}, {"yellowdog", system.FamilyRHEL, "rpm"},
	{"nobara", system.FamilyRHEL, "rpm"}, {"ultramarine", system.FamilyRHEL, "rpm"}, {"qubes", system.FamilyRHEL, "rpm"},
	{"bclinux", system.FamilyRHEL, "rpm"}, {"velinux", system.FamilyRHEL, "rpm"}, {"clearos", system.FamilyRHEL, "rpm"},
	{"sangoma", system.FamilyRHEL, "rpm"}, {"xcp-ng", system.FamilyRHEL, "rpm"}, {"vine", system.FamilyRHEL, "rpm"}, {"msvsphere", system.FamilyRHEL, "rpm"},

	{"opensuse", system.FamilySUSE, "rpm"}, {"opensuse-leap", system.FamilySUSE, "rpm"}, {"opensuse-tumbleweed", system.FamilySUSE, "rpm"},
	{"opensuse-microos", system.FamilySUSE, "rpm"}, {"sles", system.FamilySUSE, "rpm"}, {"sled", system.FamilySUSE, "rpm"},
	{"sles_sap", system.FamilySUSE, "rpm"}, {"sle-micro", system.FamilySUSE, "rpm"}, {"sl-micro", system.FamilySUSE, "rpm"}, {"suse", system.FamilySUSE, "rpm"},
	{"nld", system.FamilySUSE, "rpm"}, {"oes", system.FamilySUSE, "rpm"}, {"unitedlinux", system.FamilySUSE, "rpm"}, {"opensuse-leap-micro", system.FamilySUSE, "rpm"},

	{"arch", system.FamilyArch, "pacman"}, {"archarm", system.FamilyArch, "pacman"}, {"manjaro", system.FamilyArch, "pacman"},
	{"endeavouros", system.FamilyArch, "pacman"}, {"cachyos", system.FamilyArch, "pacman"}, {"artix", system.FamilyArch, "pacman"},
	{"steamos", system.FamilyArch, "pacman"}, {"blackarch", system.FamilyArch, "pacman"}, {"blendos", system.FamilyArch, "pacman"},
	{"arkane", system.FamilyArch, "pacman"},

	{"alpine", system.FamilyAlpine, "apk"}, {"postmarketos", system.FamilyAlpine, "apk"},
	{"gentoo", system.FamilyGentoo, "ebuild"}, {"funtoo", system.FamilyGentoo, "ebuild"},
	{"mageia", system.FamilyMandriva, "rpm"}, {"openmandriva", system.FamilyMandriva, "rpm"}, {"mandriva", system.FamilyMandriva, "rpm"}, {"mandrake", system.FamilyMandriva, "rpm"}, {"rosa", system.FamilyMandriva, "rpm"},
	{"slackware", system.FamilySlackware, "pkgtools"}, {"salix", system.FamilySlackware, "pkgtools"},

	{"wolfi", system.FamilyOther, "apk"}, {"chainguard", system.FamilyOther, "apk"},
	{"void", system.FamilyOther, "xbps"}, {"nixos", system.FamilyOther, "nix"}, {"guix", system.FamilyOther, "guix"}, {"solus", system.FamilyOther, "eopkg"},
	{"photon", system.FamilyOther, "rpm"}, {"azurelinux", system.FamilyOther, "rpm"}, {"mariner", system.FamilyOther, "rpm"},
	{"openeuler", system.FamilyOther, "rpm"}, {"altlinux", system.FamilyOther, "rpm"}, {"pld", system.FamilyOther, "rpm"}, {"bottlerocket", system.FamilyOther, "rpm"},
	{"android", system.FamilyOther, ""}, {"android-x86", system.FamilyOther, ""}, {"endless", system.FamilyDebian, "deb"},
	{"openwrt", system.FamilyOther, "opkg"}, {"flatcar", system.FamilyOther, ""}, {"coreos", system.FamilyOther, ""}, {"cos", system.FamilyOther, ""},
	{"talos", system.FamilyOther, ""}, {"buildroot", system.FamilyOther, ""}, {"cirros", system.FamilyOther, ""}, {"clear-linux-os", system.FamilyOther, ""},
	{"frugalware", system.FamilyOther, "pacman"}, {"meego", system.FamilyOther, "rpm"}, {"hce", system.FamilyOther, "rpm"},
	{"minimos", system.FamilyOther, "apk"}, {"wrlinux", system.FamilyOther, "rpm"}, {"aosc", system.FamilyOther, "deb"}, {"ubios", system.FamilyOther, ""},
}

// knownDistro finds the first of the IDs in the table.
func knownDistro(ids ...string) (distro, bool) {
	for _, id := range ids {
		for _, d := range distros {
			if strings.EqualFold(d.id, id) {
				return d, true
			}
		}
	}
	return distro{family: system.FamilyUnknown}, false
}

// aliases are the names by which distributions call themselves in lsb-release, in
// small letters and without spaces, where that is not their ID.
var aliases = map[string]string{
	"mandrivalinux": "mandriva", "mandrakelinux": "mandrake", "redhatenterpriseserver": "rhel", "redhatenterpriseworkstation": "rhel",
	"redhatenterpriseclient": "rhel", "redhatenterprise": "rhel", "redhatenterpriselinux": "rhel", "oracleserver": "ol", "enterpriseenterpriseserver": "ol",
	"amazonami": "amzn", "suselinux": "suse", "opensuseproject": "opensuse", "manjarolinux": "manjaro", "archlinux": "arch",
	"scientificsl": "scientific", "elementaryos": "elementary", "openmandrivalinux": "openmandriva", "pardusgnu/linux": "pardus", "centosstream": "centos",
}

// bases are distributions whose os-release derived ones have kept.
var bases = map[string]bool{"debian": true, "ubuntu": true, "arch": true, "fedora": true, "gentoo": true, "centos": true}

// formatFamilies are the families that a package format can belong to, the most
// likely first. That of a format which is not here is FamilyOther.
var formatFamilies = map[string][]system.Family{
	"deb": {system.FamilyDebian}, "rpm": {system.FamilyRHEL, system.FamilySUSE, system.FamilyMandriva, system.FamilyOther},
	"pacman": {system.FamilyArch, system.FamilyOther}, "apk": {system.FamilyAlpine, system.FamilyOther}, "ebuild": {system.FamilyGentoo, system.FamilyOther},
	"pkgtools": {system.FamilySlackware},
}
