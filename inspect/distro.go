package inspect

import "strings"

// A distro is what a distribution's ID alone tells.
type distro struct {
	id     string
	family Family
	format string // of its packages
}

// distros places the IDs that do not say, or not rightly, what they are like.
// An ID that is missing here is placed by its ID_LIKE.
var distros = [...]distro{
	{"debian", FamilyDebian, "deb"}, {"ubuntu", FamilyDebian, "deb"}, {"devuan", FamilyDebian, "deb"},
	{"raspbian", FamilyDebian, "deb"}, {"linuxmint", FamilyDebian, "deb"}, {"kali", FamilyDebian, "deb"},
	{"pop", FamilyDebian, "deb"}, {"elementary", FamilyDebian, "deb"}, {"zorin", FamilyDebian, "deb"},
	{"deepin", FamilyDebian, "deb"}, {"uos", FamilyDebian, "deb"}, {"kylin", FamilyDebian, "deb"},
	{"pardus", FamilyDebian, "deb"}, {"vyos", FamilyDebian, "deb"}, {"gardenlinux", FamilyDebian, "deb"},
	{"parrot", FamilyDebian, "deb"}, {"endless", FamilyDebian, "deb"}, {"proxmox", FamilyDebian, "deb"},

	{"fedora", FamilyRHEL, "rpm"}, {"rhel", FamilyRHEL, "rpm"}, {"rhcos", FamilyRHEL, "rpm"},
	{"centos", FamilyRHEL, "rpm"}, {"rocky", FamilyRHEL, "rpm"}, {"almalinux", FamilyRHEL, "rpm"},
	{"ol", FamilyRHEL, "rpm"}, {"amzn", FamilyRHEL, "rpm"}, {"scientific", FamilyRHEL, "rpm"},
	{"circle", FamilyRHEL, "rpm"}, {"virtuozzo", FamilyRHEL, "rpm"}, {"cloudlinux", FamilyRHEL, "rpm"},
	{"xenenterprise", FamilyRHEL, "rpm"}, {"anolis", FamilyRHEL, "rpm"}, {"alinux", FamilyRHEL, "rpm"},
	{"opencloudos", FamilyRHEL, "rpm"}, {"tencentos", FamilyRHEL, "rpm"}, {"eurolinux", FamilyRHEL, "rpm"},
	{"neokylin", FamilyRHEL, "rpm"}, {"navy", FamilyRHEL, "rpm"},

	{"opensuse", FamilySUSE, "rpm"}, {"opensuse-leap", FamilySUSE, "rpm"}, {"opensuse-tumbleweed", FamilySUSE, "rpm"},
	{"opensuse-microos", FamilySUSE, "rpm"}, {"sles", FamilySUSE, "rpm"}, {"sled", FamilySUSE, "rpm"},
	{"sles_sap", FamilySUSE, "rpm"}, {"sle-micro", FamilySUSE, "rpm"}, {"sl-micro", FamilySUSE, "rpm"}, {"suse", FamilySUSE, "rpm"},

	{"arch", FamilyArch, "pacman"}, {"archarm", FamilyArch, "pacman"}, {"manjaro", FamilyArch, "pacman"},
	{"endeavouros", FamilyArch, "pacman"}, {"cachyos", FamilyArch, "pacman"}, {"artix", FamilyArch, "pacman"},
	{"steamos", FamilyArch, "pacman"},

	{"alpine", FamilyAlpine, "apk"}, {"postmarketos", FamilyAlpine, "apk"},
	{"gentoo", FamilyGentoo, "ebuild"}, {"funtoo", FamilyGentoo, "ebuild"},
	{"mageia", FamilyMandriva, "rpm"}, {"openmandriva", FamilyMandriva, "rpm"}, {"mandriva", FamilyMandriva, "rpm"}, {"rosa", FamilyMandriva, "rpm"},
	{"slackware", FamilySlackware, "pkgtools"}, {"salix", FamilySlackware, "pkgtools"},

	{"wolfi", FamilyOther, "apk"}, {"chainguard", FamilyOther, "apk"},
	{"void", FamilyOther, "xbps"}, {"nixos", FamilyOther, "nix"}, {"guix", FamilyOther, "guix"}, {"solus", FamilyOther, "eopkg"},
	{"photon", FamilyOther, "rpm"}, {"azurelinux", FamilyOther, "rpm"}, {"mariner", FamilyOther, "rpm"},
	{"openeuler", FamilyOther, "rpm"}, {"altlinux", FamilyOther, "rpm"}, {"pld", FamilyOther, "rpm"}, {"bottlerocket", FamilyOther, "rpm"},
	{"openwrt", FamilyOther, "opkg"}, {"flatcar", FamilyOther, ""}, {"coreos", FamilyOther, ""}, {"cos", FamilyOther, ""},
	{"talos", FamilyOther, ""}, {"buildroot", FamilyOther, ""}, {"cirros", FamilyOther, ""}, {"clear-linux-os", FamilyOther, ""},
	{"frugalware", FamilyOther, "pacman"}, {"meego", FamilyOther, "rpm"},
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
	return distro{family: FamilyUnknown}, false
}
