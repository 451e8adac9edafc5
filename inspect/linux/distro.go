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
	{"parrot", system.FamilyDebian, "deb"}, {"endless", system.FamilyDebian, "deb"}, {"proxmox", system.FamilyDebian, "deb"},

	{"fedora", system.FamilyRHEL, "rpm"}, {"rhel", system.FamilyRHEL, "rpm"}, {"rhcos", system.FamilyRHEL, "rpm"},
	{"centos", system.FamilyRHEL, "rpm"}, {"rocky", system.FamilyRHEL, "rpm"}, {"almalinux", system.FamilyRHEL, "rpm"},
	{"ol", system.FamilyRHEL, "rpm"}, {"amzn", system.FamilyRHEL, "rpm"}, {"scientific", system.FamilyRHEL, "rpm"},
	{"circle", system.FamilyRHEL, "rpm"}, {"virtuozzo", system.FamilyRHEL, "rpm"}, {"cloudlinux", system.FamilyRHEL, "rpm"},
	{"xenenterprise", system.FamilyRHEL, "rpm"}, {"anolis", system.FamilyRHEL, "rpm"}, {"alinux", system.FamilyRHEL, "rpm"},
	{"opencloudos", system.FamilyRHEL, "rpm"}, {"tencentos", system.FamilyRHEL, "rpm"}, {"eurolinux", system.FamilyRHEL, "rpm"},
	{"neokylin", system.FamilyRHEL, "rpm"}, {"navy", system.FamilyRHEL, "rpm"},

	{"opensuse", system.FamilySUSE, "rpm"}, {"opensuse-leap", system.FamilySUSE, "rpm"}, {"opensuse-tumbleweed", system.FamilySUSE, "rpm"},
	{"opensuse-microos", system.FamilySUSE, "rpm"}, {"sles", system.FamilySUSE, "rpm"}, {"sled", system.FamilySUSE, "rpm"},
	{"sles_sap", system.FamilySUSE, "rpm"}, {"sle-micro", system.FamilySUSE, "rpm"}, {"sl-micro", system.FamilySUSE, "rpm"}, {"suse", system.FamilySUSE, "rpm"},

	{"arch", system.FamilyArch, "pacman"}, {"archarm", system.FamilyArch, "pacman"}, {"manjaro", system.FamilyArch, "pacman"},
	{"endeavouros", system.FamilyArch, "pacman"}, {"cachyos", system.FamilyArch, "pacman"}, {"artix", system.FamilyArch, "pacman"},
	{"steamos", system.FamilyArch, "pacman"},

	{"alpine", system.FamilyAlpine, "apk"}, {"postmarketos", system.FamilyAlpine, "apk"},
	{"gentoo", system.FamilyGentoo, "ebuild"}, {"funtoo", system.FamilyGentoo, "ebuild"},
	{"mageia", system.FamilyMandriva, "rpm"}, {"openmandriva", system.FamilyMandriva, "rpm"}, {"mandriva", system.FamilyMandriva, "rpm"}, {"rosa", system.FamilyMandriva, "rpm"},
	{"slackware", system.FamilySlackware, "pkgtools"}, {"salix", system.FamilySlackware, "pkgtools"},

	{"wolfi", system.FamilyOther, "apk"}, {"chainguard", system.FamilyOther, "apk"},
	{"void", system.FamilyOther, "xbps"}, {"nixos", system.FamilyOther, "nix"}, {"guix", system.FamilyOther, "guix"}, {"solus", system.FamilyOther, "eopkg"},
	{"photon", system.FamilyOther, "rpm"}, {"azurelinux", system.FamilyOther, "rpm"}, {"mariner", system.FamilyOther, "rpm"},
	{"openeuler", system.FamilyOther, "rpm"}, {"altlinux", system.FamilyOther, "rpm"}, {"pld", system.FamilyOther, "rpm"}, {"bottlerocket", system.FamilyOther, "rpm"},
	{"openwrt", system.FamilyOther, "opkg"}, {"flatcar", system.FamilyOther, ""}, {"coreos", system.FamilyOther, ""}, {"cos", system.FamilyOther, ""},
	{"talos", system.FamilyOther, ""}, {"buildroot", system.FamilyOther, ""}, {"cirros", system.FamilyOther, ""}, {"clear-linux-os", system.FamilyOther, ""},
	{"frugalware", system.FamilyOther, "pacman"}, {"meego", system.FamilyOther, "rpm"},
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
