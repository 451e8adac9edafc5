package inspect

import (
	"strings"
	"testing"
	"testing/fstest"
)

// identityOf are the fields that a distribution's release files give.
type identityOf struct {
	distro, product, version, versionID, codename, variant string
	family                                                 Family
	format                                                 string
}

// distroTrees are the release files of real distributions, as they install
// them. The os-release of a tree is a link where it is one there.
var distroTrees = []struct {
	name string
	tree fstest.MapFS
	want identityOf
}{
	{"debian 12", fstest.MapFS{
		"etc/os-release": link("../usr/lib/os-release"),
		"usr/lib/os-release": file(`PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
HOME_URL="https://www.debian.org/"
SUPPORT_URL="https://www.debian.org/support"
BUG_REPORT_URL="https://bugs.debian.org/"
`),
		"etc/debian_version": file("12.7\n"),
	}, identityOf{"debian", "Debian GNU/Linux 12 (bookworm)", "12.7", "12", "bookworm", Unknown, FamilyDebian, "deb"}},

	{"debian sid", fstest.MapFS{
		"etc/os-release": file(`PRETTY_NAME="Debian GNU/Linux trixie/sid"
NAME="Debian GNU/Linux"
VERSION_CODENAME=trixie
ID=debian
HOME_URL="https://www.debian.org/"
`),
		"etc/debian_version": file("trixie/sid\n"),
	}, identityOf{"debian", "Debian GNU/Linux trixie/sid", Unknown, Unknown, "trixie", Unknown, FamilyDebian, "deb"}},

	{"debian 6", fstest.MapFS{
		"etc/debian_version": file("6.0.10\n"),
	}, identityOf{"debian", "Debian GNU/Linux 6.0.10", "6.0.10", "6.0.10", Unknown, Unknown, FamilyDebian, "deb"}},

	{"ubuntu 24.04", fstest.MapFS{
		"etc/os-release": link("../usr/lib/os-release"),
		"usr/lib/os-release": file(`PRETTY_NAME="Ubuntu 24.04.1 LTS"
NAME="Ubuntu"
VERSION_ID="24.04"
VERSION="24.04.1 LTS (Noble Numbat)"
VERSION_CODENAME=noble
ID=ubuntu
ID_LIKE=debian
HOME_URL="https://www.ubuntu.com/"
SUPPORT_URL="https://help.ubuntu.com/"
BUG_REPORT_URL="https://bugs.launchpad.net/ubuntu/"
PRIVACY_POLICY_URL="https://www.ubuntu.com/legal/terms-and-policies/privacy-policy"
UBUNTU_CODENAME=noble
LOGO=ubuntu-logo
`),
		"etc/debian_version": file("trixie/sid\n"),
		"etc/lsb-release": file(`DISTRIB_ID=Ubuntu
DISTRIB_RELEASE=24.04
DISTRIB_CODENAME=noble
DISTRIB_DESCRIPTION="Ubuntu 24.04.1 LTS"
`),
	}, identityOf{"ubuntu", "Ubuntu 24.04.1 LTS", "24.04.1", "24.04", "noble", Unknown, FamilyDebian, "deb"}},

	{"ubuntu 10.04", fstest.MapFS{
		"etc/debian_version": file("squeeze/sid\n"),
		"etc/lsb-release": file(`DISTRIB_ID=Ubuntu
DISTRIB_RELEASE=10.04
DISTRIB_CODENAME=lucid
DISTRIB_DESCRIPTION="Ubuntu 10.04.4 LTS"
`),
	}, identityOf{"ubuntu", "Ubuntu 10.04.4 LTS", "10.04", "10.04", "lucid", Unknown, FamilyDebian, "deb"}},

	{"linuxmint 21.3", fstest.MapFS{
		"etc/os-release": file(`NAME="Linux Mint"
VERSION="21.3 (Virginia)"
ID=linuxmint
ID_LIKE="ubuntu debian"
PRETTY_NAME="Linux Mint 21.3"
VERSION_ID="21.3"
HOME_URL="https://www.linuxmint.com/"
VERSION_CODENAME=virginia
UBUNTU_CODENAME=jammy
`),
		"etc/debian_version": file("bookworm/sid\n"),
	}, identityOf{"linuxmint", "Linux Mint 21.3", "21.3", "21.3", "virginia", Unknown, FamilyDebian, "deb"}},

	{"kali", fstest.MapFS{
		"etc/os-release": file(`PRETTY_NAME="Kali GNU/Linux Rolling"
NAME="Kali GNU/Linux"
VERSION_ID="2024.1"
VERSION="2024.1"
VERSION_CODENAME=kali-rolling
ID=kali
ID_LIKE=debian
HOME_URL="https://www.kali.org/"
ANSI_COLOR="1;31"
`),
		"etc/debian_version": file("kali-rolling\n"),
	}, identityOf{"kali", "Kali GNU/Linux Rolling", "2024.1", "2024.1", "kali-rolling", Unknown, FamilyDebian, "deb"}},

	{"proxmox ve 8", fstest.MapFS{
		"etc/os-release": file(`PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
`),
		"etc/debian_version": file("12.5\n"),
		"usr/bin/pveversion": file("#!/usr/bin/perl\n"),
	}, identityOf{"debian", "Debian GNU/Linux 12 (bookworm)", "12.5", "12", "bookworm", "proxmox-ve", FamilyDebian, "deb"}},

	{"fedora 40 server", fstest.MapFS{
		"etc/os-release": link("../usr/lib/os-release"),
		"usr/lib/os-release": file(`NAME="Fedora Linux"
VERSION="40 (Server Edition)"
ID=fedora
VERSION_ID=40
VERSION_CODENAME=""
PLATFORM_ID="platform:f40"
PRETTY_NAME="Fedora Linux 40 (Server Edition)"
ANSI_COLOR="0;38;2;60;110;180"
LOGO=fedora-logo-icon
CPE_NAME="cpe:/o:fedoraproject:fedora:40"
DEFAULT_HOSTNAME="fedora"
HOME_URL="https://fedoraproject.org/"
REDHAT_BUGZILLA_PRODUCT="Fedora"
REDHAT_BUGZILLA_PRODUCT_VERSION=40
SUPPORT_END=2025-05-13
VARIANT="Server Edition"
VARIANT_ID=server
`),
		"etc/fedora-release": file("Fedora release 40 (Forty)\n"),
		"etc/redhat-release": link("fedora-release"),
		"etc/system-release": link("fedora-release"),
	}, identityOf{"fedora", "Fedora Linux 40 (Server Edition)", "40", "40", Unknown, "server", FamilyRHEL, "rpm"}},

	{"rhel 9.3", fstest.MapFS{
		"etc/os-release": file(`NAME="Red Hat Enterprise Linux"
VERSION="9.3 (Plow)"
ID="rhel"
ID_LIKE="fedora"
VERSION_ID="9.3"
PLATFORM_ID="platform:el9"
PRETTY_NAME="Red Hat Enterprise Linux 9.3 (Plow)"
ANSI_COLOR="0;31"
LOGO="fedora-logo-icon"
CPE_NAME="cpe:/o:redhat:enterprise_linux:9::baseos"
HOME_URL="https://www.redhat.com/"
REDHAT_SUPPORT_PRODUCT_VERSION="9.3"
`),
		"etc/redhat-release": file("Red Hat Enterprise Linux release 9.3 (Plow)\n"),
	}, identityOf{"rhel", "Red Hat Enterprise Linux 9.3 (Plow)", "9.3", "9.3", "Plow", Unknown, FamilyRHEL, "rpm"}},

	{"rhel 6", fstest.MapFS{
		"etc/redhat-release": file("Red Hat Enterprise Linux Server release 6.10 (Santiago)\n"),
		"etc/system-release": link("redhat-release"),
		"etc/lsb-release":    file("LSB_VERSION=base-4.0-amd64:base-4.0-noarch:core-4.0-amd64:core-4.0-noarch\n"),
	}, identityOf{"rhel", "Red Hat Enterprise Linux Server release 6.10 (Santiago)", "6.10", "6.10", "Santiago", Unknown, FamilyRHEL, "rpm"}},

	{"rhel 4", fstest.MapFS{
		"etc/redhat-release": file("Red Hat Enterprise Linux AS release 4 (Nahant Update 9)\n"),
	}, identityOf{"rhel", "Red Hat Enterprise Linux AS release 4 (Nahant Update 9)", "4.9", "4.9", "Nahant", Unknown, FamilyRHEL, "rpm"}},

	{"centos 7", fstest.MapFS{
		"etc/os-release": file(`NAME="CentOS Linux"
VERSION="7 (Core)"
ID="centos"
ID_LIKE="rhel fedora"
VERSION_ID="7"
PRETTY_NAME="CentOS Linux 7 (Core)"
ANSI_COLOR="0;31"
CPE_NAME="cpe:/o:centos:centos:7"
HOME_URL="https://www.centos.org/"

CENTOS_MANTISBT_PROJECT="CentOS-7"
CENTOS_MANTISBT_PROJECT_VERSION="7"
REDHAT_SUPPORT_PRODUCT="centos"
REDHAT_SUPPORT_PRODUCT_VERSION="7"

`),
		"etc/centos-release": file("CentOS Linux release 7.9.2009 (Core)\n"),
		"etc/redhat-release": link("centos-release"),
	}, identityOf{"centos", "CentOS Linux 7 (Core)", "7.9.2009", "7", "Core", Unknown, FamilyRHEL, "rpm"}},

	{"rocky 9", fstest.MapFS{
		"etc/os-release": file(`NAME="Rocky Linux"
VERSION="9.4 (Blue Onyx)"
ID="rocky"
ID_LIKE="rhel centos fedora"
VERSION_ID="9.4"
PLATFORM_ID="platform:el9"
PRETTY_NAME="Rocky Linux 9.4 (Blue Onyx)"
SUPPORT_END="2032-05-31"
ROCKY_SUPPORT_PRODUCT="Rocky-Linux-9"
`),
		"etc/rocky-release":  file("Rocky Linux release 9.4 (Blue Onyx)\n"),
		"etc/redhat-release": link("rocky-release"),
	}, identityOf{"rocky", "Rocky Linux 9.4 (Blue Onyx)", "9.4", "9.4", "Blue Onyx", Unknown, FamilyRHEL, "rpm"}},

	{"almalinux 9", fstest.MapFS{
		"etc/os-release": file(`NAME="AlmaLinux"
VERSION="9.4 (Seafoam Ocelot)"
ID="almalinux"
ID_LIKE="rhel centos fedora"
VERSION_ID="9.4"
PLATFORM_ID="platform:el9"
PRETTY_NAME="AlmaLinux 9.4 (Seafoam Ocelot)"
`),
		"etc/almalinux-release": file("AlmaLinux release 9.4 (Seafoam Ocelot)\n"),
	}, identityOf{"almalinux", "AlmaLinux 9.4 (Seafoam Ocelot)", "9.4", "9.4", "Seafoam Ocelot", Unknown, FamilyRHEL, "rpm"}},

	{"oracle 8", fstest.MapFS{
		"etc/os-release": file(`NAME="Oracle Linux Server"
VERSION="8.9"
ID="ol"
ID_LIKE="fedora"
VARIANT="Server"
VARIANT_ID="server"
VERSION_ID="8.9"
PLATFORM_ID="platform:el8"
PRETTY_NAME="Oracle Linux Server 8.9"
`),
		"etc/oracle-release": file("Oracle Linux Server release 8.9\n"),
		"etc/redhat-release": file("Red Hat Enterprise Linux release 8.9 (Ootpa)\n"),
	}, identityOf{"ol", "Oracle Linux Server 8.9", "8.9", "8.9", Unknown, "server", FamilyRHEL, "rpm"}},

	{"oracle 6", fstest.MapFS{
		"etc/oracle-release": file("Oracle Linux Server release 6.10\n"),
		"etc/redhat-release": file("Red Hat Enterprise Linux Server release 6.10 (Santiago)\n"),
	}, identityOf{"ol", "Oracle Linux Server release 6.10", "6.10", "6.10", Unknown, Unknown, FamilyRHEL, "rpm"}},

	{"amazon linux 2023", fstest.MapFS{
		"etc/os-release": link("../usr/lib/os-release"),
		"usr/lib/os-release": file(`NAME="Amazon Linux"
VERSION="2023"
ID="amzn"
ID_LIKE="fedora"
VERSION_ID="2023"
PLATFORM_ID="platform:al2023"
PRETTY_NAME="Amazon Linux 2023.6.20241010"
ANSI_COLOR="0;33"
VENDOR_NAME="AWS"
SUPPORT_END="2028-03-15"
`),
		"etc/system-release": file("Amazon Linux release 2023.6.20241010 (Amazon Linux)\n"),
	}, identityOf{"amzn", "Amazon Linux 2023.6.20241010", "2023.6.20241010", "2023", Unknown, Unknown, FamilyRHEL, "rpm"}},

	{"opensuse leap 15.6", fstest.MapFS{
		"etc/os-release": link("../usr/lib/os-release"),
		"usr/lib/os-release": file(`NAME="openSUSE Leap"
VERSION="15.6"
ID="opensuse-leap"
ID_LIKE="suse opensuse"
VERSION_ID="15.6"
PRETTY_NAME="openSUSE Leap 15.6"
ANSI_COLOR="0;32"
CPE_NAME="cpe:/o:opensuse:leap:15.6"
`),
	}, identityOf{"opensuse-leap", "openSUSE Leap 15.6", "15.6", "15.6", Unknown, Unknown, FamilySUSE, "rpm"}},

	{"opensuse tumbleweed", fstest.MapFS{
		"etc/os-release": link("../usr/lib/os-release"),
		"usr/lib/os-release": file(`NAME="openSUSE Tumbleweed"
# VERSION="20240801"
ID="opensuse-tumbleweed"
ID_LIKE="opensuse suse"
VERSION_ID="20240801"
PRETTY_NAME="openSUSE Tumbleweed"
ANSI_COLOR="0;32"
# CPE 2.3 format, boo#1217921
CPE_NAME="cpe:2.3:o:opensuse:tumbleweed:20240801:*:*:*:*:*:*:*"
`),
	}, identityOf{"opensuse-tumbleweed", "openSUSE Tumbleweed", "20240801", "20240801", Unknown, Unknown, FamilySUSE, "rpm"}},

	{"sles 15 sp5", fstest.MapFS{
		"etc/os-release": file(`NAME="SLES"
VERSION="15-SP5"
VERSION_ID="15.5"
PRETTY_NAME="SUSE Linux Enterprise Server 15 SP5"
ID="sles"
ID_LIKE="suse"
ANSI_COLOR="0;32"
CPE_NAME="cpe:/o:suse:sles:15:sp5"
DOCUMENTATION_URL="https://documentation.suse.com/"
`),
	}, identityOf{"sles", "SUSE Linux Enterprise Server 15 SP5", "15.5", "15.5", Unknown, Unknown, FamilySUSE, "rpm"}},

	{"sles 12 sp5", fstest.MapFS{
		"etc/os-release": file(`NAME="SLES"
VERSION="12-SP5"
VERSION_ID="12.5"
PRETTY_NAME="SUSE Linux Enterprise Server 12 SP5"
ID="sles"
ANSI_COLOR="0;32"
CPE_NAME="cpe:/o:suse:sles:12:sp5"
`),
		"etc/SuSE-release": file(`SUSE Linux Enterprise Server 12 (x86_64)
VERSION = 12
PATCHLEVEL = 5
# This file is deprecated and will be removed in a future service pack or release.
# Please check /etc/os-release for details about this release.
`),
	}, identityOf{"sles", "SUSE Linux Enterprise Server 12 SP5", "12.5", "12.5", Unknown, Unknown, FamilySUSE, "rpm"}},

	{"sles 11 sp4", fstest.MapFS{
		"etc/SuSE-release": file("SUSE Linux Enterprise Server 11 (x86_64)\nVERSION = 11\nPATCHLEVEL = 4\n"),
	}, identityOf{"sles", "SUSE Linux Enterprise Server 11 (x86_64)", "11.4", "11.4", Unknown, Unknown, FamilySUSE, "rpm"}},

	{"opensuse 13.1", fstest.MapFS{
		"etc/SuSE-release": file("openSUSE 13.1 (x86_64)\nVERSION = 13.1\nCODENAME = Bottle\n# /etc/SuSE-release is deprecated and will be removed in the future, use /etc/os-release instead\n"),
	}, identityOf{"opensuse", "openSUSE 13.1 (x86_64)", "13.1", "13.1", "Bottle", Unknown, FamilySUSE, "rpm"}},

	{"alpine 3.20", fstest.MapFS{
		"etc/os-release": link("../usr/lib/os-release"),
		"usr/lib/os-release": file(`NAME="Alpine Linux"
ID=alpine
VERSION_ID=3.20.3
PRETTY_NAME="Alpine Linux v3.20"
HOME_URL="https://alpinelinux.org/"
BUG_REPORT_URL="https://gitlab.alpinelinux.org/alpine/aports/-/issues"
`),
		"etc/alpine-release": file("3.20.3\n"),
	}, identityOf{"alpine", "Alpine Linux v3.20", "3.20.3", "3.20.3", Unknown, Unknown, FamilyAlpine, "apk"}},

	{"arch", fstest.MapFS{
		"etc/os-release": link("../usr/lib/os-release"),
		"usr/lib/os-release": file(`NAME="Arch Linux"
PRETTY_NAME="Arch Linux"
ID=arch
BUILD_ID=rolling
ANSI_COLOR="38;2;23;147;209"
HOME_URL="https://archlinux.org/"
LOGO=archlinux-logo
`),
		"etc/arch-release": file(""),
	}, identityOf{"arch", "Arch Linux", Unknown, Unknown, Unknown, Unknown, FamilyArch, "pacman"}},

	{"manjaro", fstest.MapFS{
		"etc/os-release": file(`NAME="Manjaro Linux"
PRETTY_NAME="Manjaro Linux"
ID=manjaro
ID_LIKE=arch
BUILD_ID=rolling
`),
		"etc/arch-release": file(""),
		"etc/lsb-release":  file("DISTRIB_ID=\"ManjaroLinux\"\nDISTRIB_RELEASE=\"24.0.1\"\nDISTRIB_CODENAME=\"Wynsdey\"\nDISTRIB_DESCRIPTION=\"Manjaro Linux\"\n"),
	}, identityOf{"manjaro", "Manjaro Linux", Unknown, Unknown, Unknown, Unknown, FamilyArch, "pacman"}},

	{"void", fstest.MapFS{
		"etc/os-release": file(`NAME="Void"
ID="void"
PRETTY_NAME="Void Linux"
HOME_URL="https://voidlinux.org/"
DOCUMENTATION_URL="https://docs.voidlinux.org/"
LOGO="void-logo"
ANSI_COLOR="0;38;2;71;128;97"

DISTRIB_ID="void"
`),
	}, identityOf{"void", "Void Linux", Unknown, Unknown, Unknown, Unknown, FamilyOther, "xbps"}},

	{"gentoo", fstest.MapFS{
		"etc/os-release": link("../usr/lib/os-release"),
		"usr/lib/os-release": file(`NAME=Gentoo
ID=gentoo
PRETTY_NAME="Gentoo Linux"
VERSION="2.15"
VERSION_ID="2.15"
HOME_URL="https://www.gentoo.org/"
ANSI_COLOR="1;32"
`),
		"etc/gentoo-release": file("Gentoo Base System release 2.15\n"),
	}, identityOf{"gentoo", "Gentoo Linux", "2.15", "2.15", Unknown, Unknown, FamilyGentoo, "ebuild"}},

	{"nixos 24.05", fstest.MapFS{
		"etc/os-release":        link("/etc/static/os-release"),
		"etc/static":            link("/nix/store/aaa-etc/etc"),
		"nix/store/aaa-etc/etc": dir(),
		"nix/store/aaa-etc/etc/os-release": file(`ANSI_COLOR="1;34"
BUG_REPORT_URL="https://github.com/NixOS/nixpkgs/issues"
BUILD_ID="24.05.3130.d3d2d80a2191"
DOCUMENTATION_URL="https://nixos.org/learn.html"
ID=nixos
IMAGE_ID=""
IMAGE_VERSION=""
LOGO="nix-snowflake"
NAME=NixOS
PRETTY_NAME="NixOS 24.05 (Uakari)"
VERSION="24.05 (Uakari)"
VERSION_CODENAME=uakari
VERSION_ID="24.05"
`),
		"nix/var/nix/profiles/system": link("system-1-link"),
	}, identityOf{"nixos", "NixOS 24.05 (Uakari)", "24.05", "24.05", "uakari", Unknown, FamilyOther, "nix"}},

	{"nixos before its first boot", fstest.MapFS{
		"nix/var/nix/profiles/system":              link("system-1-link"),
		"nix/var/nix/profiles/system-1-link":       link("/nix/store/bbb-nixos-system"),
		"nix/store/bbb-nixos-system/etc":           link("/nix/store/aaa-etc/etc"),
		"nix/store/aaa-etc/etc/os-release":         file("ID=nixos\nNAME=NixOS\nPRETTY_NAME=\"NixOS 24.05 (Uakari)\"\nVERSION_ID=\"24.05\"\nVERSION_CODENAME=uakari\n"),
		"nix/store/bbb-nixos-system/nixos-version": file("24.05"),
	}, identityOf{"nixos", "NixOS 24.05 (Uakari)", "24.05", "24.05", "uakari", Unknown, FamilyOther, "nix"}},

	{"photon 5", fstest.MapFS{
		"etc/os-release": link("../usr/lib/os-release"),
		"usr/lib/os-release": file(`NAME="VMware Photon OS"
VERSION="5.0"
ID=photon
VERSION_ID=5.0
PRETTY_NAME="VMware Photon OS/Linux"
ANSI_COLOR="1;34"
HOME_URL="https://vmware.github.io/photon/"
`),
		"etc/photon-release": file("VMware Photon OS 5.0\nPHOTON_BUILD_NUMBER=dde71ec57\n"),
		"etc/lsb-release":    file("DISTRIB_ID=\"VMware Photon OS\"\nDISTRIB_RELEASE=\"5.0\"\nDISTRIB_CODENAME=Photon\nDISTRIB_DESCRIPTION=\"VMware Photon OS 5.0\"\n"),
	}, identityOf{"photon", "VMware Photon OS/Linux", "5.0", "5.0", Unknown, Unknown, FamilyOther, "rpm"}},

	{"azure linux 3", fstest.MapFS{
		"etc/os-release": link("../usr/lib/os-release"),
		"usr/lib/os-release": file(`NAME="Microsoft Azure Linux"
VERSION="3.0.20240727"
ID=azurelinux
VERSION_ID="3.0"
PRETTY_NAME="Microsoft Azure Linux 3.0"
ANSI_COLOR="1;34"
HOME_URL="https://aka.ms/azurelinux"
`),
	}, identityOf{"azurelinux", "Microsoft Azure Linux 3.0", "3.0.20240727", "3.0", Unknown, Unknown, FamilyOther, "rpm"}},

	{"flatcar", fstest.MapFS{
		"etc/os-release": link("../usr/lib/os-release"),
		"usr/lib/os-release": file(`NAME="Flatcar Container Linux by Kinvolk"
ID=flatcar
ID_LIKE=coreos
VERSION=3815.2.0
VERSION_ID=3815.2.0
BUILD_ID=2024-02-05-2010
SYSEXT_LEVEL=1.0
PRETTY_NAME="Flatcar Container Linux by Kinvolk 3815.2.0 (Oklo)"
ANSI_COLOR="38;5;75"
HOME_URL="https://flatcar.org/"
FLATCAR_BOARD="amd64-usr"
`),
	}, identityOf{"flatcar", "Flatcar Container Linux by Kinvolk 3815.2.0 (Oklo)", "3815.2.0", "3815.2.0", Unknown, Unknown, FamilyOther, Unknown}},

	{"fedora coreos", fstest.MapFS{
		"etc/os-release": link("../usr/lib/os-release"),
		"usr/lib/os-release": file(`NAME="Fedora Linux"
VERSION="40.20240519.3.0 (CoreOS)"
ID=fedora
VERSION_ID=40
VERSION_CODENAME=""
PRETTY_NAME="Fedora CoreOS 40.20240519.3.0"
VARIANT="CoreOS"
VARIANT_ID=coreos
OSTREE_VERSION='40.20240519.3.0'
`),
	}, identityOf{"fedora", "Fedora CoreOS 40.20240519.3.0", "40.20240519.3.0", "40", Unknown, "coreos", FamilyRHEL, "rpm"}},

	{"slackware 15", fstest.MapFS{
		"etc/slackware-version": file("Slackware 15.0\n"),
	}, identityOf{"slackware", "Slackware 15.0", "15.0", "15.0", Unknown, Unknown, FamilySlackware, "pkgtools"}},

	{"openwrt", fstest.MapFS{
		"etc/os-release": link("../usr/lib/os-release"),
		"usr/lib/os-release": file(`NAME="OpenWrt"
VERSION="23.05.3"
ID="openwrt"
ID_LIKE="lede openwrt"
PRETTY_NAME="OpenWrt 23.05.3"
VERSION_ID="23.05.3"
HOME_URL="https://openwrt.org/"
BUILD_ID="r23809-234f1a2efa"
OPENWRT_BOARD="x86/64"
OPENWRT_ARCH="x86_64"
`),
		"etc/openwrt_release": file("DISTRIB_ID='OpenWrt'\nDISTRIB_RELEASE='23.05.3'\nDISTRIB_DESCRIPTION='OpenWrt 23.05.3 r23809-234f1a2efa'\n"),
	}, identityOf{"openwrt", "OpenWrt 23.05.3", "23.05.3", "23.05.3", Unknown, Unknown, FamilyOther, "opkg"}},

	{"a distribution that is in no table", fstest.MapFS{
		"etc/os-release": file("ID=newdistro\nID_LIKE=\"alsonew arch\"\nPRETTY_NAME='New Distro'\nVERSION_ID=1\n"),
	}, identityOf{"newdistro", "New Distro", "1", "1", Unknown, Unknown, FamilyArch, "pacman"}},

	{"nothing is stated", fstest.MapFS{
		"etc/passwd": file("root:x:0:0:root:/root:/bin/sh\n"),
	}, identityOf{Unknown, Unknown, Unknown, Unknown, Unknown, Unknown, FamilyUnknown, Unknown}},
}

func TestDistributions(t *testing.T) {
	for _, d := range distroTrees {
		t.Run(d.name, func(t *testing.T) {
			tree := fstest.MapFS{"etc": dir(), "usr/bin": dir(), "bin": link("usr/bin")}
			for name, f := range d.tree {
				tree[name] = f
			}
			if tree["etc/os-release"] == nil && tree["etc/passwd"] == nil {
				tree["etc/fstab"] = file("")
			}
			s, rep := one(t, tree)
			got := identityOf{s.Distro, s.ProductName, s.Version, s.VersionID, s.Codename, s.Variant, s.Family, s.PackageFormat}
			if got != d.want {
				t.Errorf("got  %+v\nwant %+v", got, d.want)
			}
			if s.Type != TypeLinux {
				t.Errorf("type %s", s.Type)
			}
			for _, err := range rep.Problems() {
				t.Errorf("problem: %v", err)
			}
			checkEvidence(t, s, tree)
		})
	}
}

// checkEvidence checks that each field that is known has evidence, and that
// the line of it holds the value.
func checkEvidence(t *testing.T, s *System, tree fstest.MapFS) {
	t.Helper()
	for field, value := range map[string]string{
		"distro": s.Distro, "product_name": s.ProductName, "version": s.Version, "version_id": s.VersionID,
		"codename": s.Codename, "variant": s.Variant, "build_id": s.BuildID, "hostname": s.Hostname,
	} {
		ev := s.Because(field)
		if (value != Unknown) != (len(ev) > 0) {
			t.Errorf("%s is %q with the evidence %v", field, value, ev)
			continue
		}
		for _, e := range ev {
			f := tree[strings.TrimPrefix(e.Path, "/")]
			if f == nil || e.Line == 0 || field == "distro" && !strings.Contains(string(f.Data), value) || f.Mode&0o111 == 0o111 {
				continue // a file of which it is not the text that tells, or a link
			}
			line := strings.Split(string(f.Data), "\n")[e.Line-1]
			if field != "product_name" && field != "version" && field != "version_id" && !strings.Contains(line, value) {
				t.Errorf("%s is %q; line %d of %s is %q", field, value, e.Line, e.Path, line)
			}
		}
	}
}
