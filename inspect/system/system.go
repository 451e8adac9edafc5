// Package system has what an inspection says of one operating system: the types
// that the detectors of inspect/linux, inspect/windows and the others fill, and
// how they are called. Package inspect has them all under its own name.
package system

import (
	"errors"
	"time"

	"github.com/guestkit/guestkit/fs/vfs"
)

// A Type is a kind of operating system.
type Type string

// The types that are told apart. An operating system that was found and is
// none of them has TypeUnknown.
const (
	TypeUnknown Type = "unknown"
	TypeLinux   Type = "linux"
	TypeWindows Type = "windows"
	TypeFreeBSD Type = "freebsd"
	TypeNetBSD  Type = "netbsd"
	TypeOpenBSD Type = "openbsd"
	TypeDOS     Type = "dos"

	TypeDragonFly Type = "dragonfly"
	TypeIllumos   Type = "illumos" // and Solaris
	TypeHurd      Type = "hurd"
	TypeMinix     Type = "minix"
	TypeHaiku     Type = "haiku"
	TypeMacOS     Type = "macos"
	TypeESXi      Type = "esxi"
)

// BSD reports whether a system names its devices as the BSDs do.
func (t Type) BSD() bool {
	switch t {
	case TypeFreeBSD, TypeNetBSD, TypeOpenBSD, TypeDragonFly:
		return true
	}
	return false
}

// A SystemKind says whether a system was installed or is a medium.
type SystemKind string

// The kinds of systems.
const (
	KindInstalled SystemKind = "installed"
	KindLive      SystemKind = "live"      // runs from its medium, and mostly installs from it too
	KindInstaller SystemKind = "installer" // installs
)

// A Family is a group of Linux distributions that are run and patched alike.
type Family string

// The families. FamilyOther is a distribution that is known to stand on its
// own; FamilyUnknown one that no table and no ID_LIKE places.
const (
	FamilyUnknown   Family = "unknown"
	FamilyOther     Family = "other"
	FamilyDebian    Family = "debian"
	FamilyRHEL      Family = "rhel" // Fedora and all that descends from it
	FamilySUSE      Family = "suse"
	FamilyArch      Family = "arch"
	FamilyAlpine    Family = "alpine"
	FamilyGentoo    Family = "gentoo"
	FamilyMandriva  Family = "mandriva"
	FamilySlackware Family = "slackware"
)

// Firmware is what the disks can be booted by.
type Firmware string

// FirmwareNone means that no boot loader was found in any place where one
// would be; FirmwareUnknown, that one of those places could not be read.
const (
	FirmwareUnknown Firmware = "unknown"
	FirmwareNone    Firmware = "none"
	FirmwareBIOS    Firmware = "bios"
	FirmwareUEFI    Firmware = "uefi"
	FirmwareBoth    Firmware = "both"
)

// Unknown is the value of a text field that the guest does not state. An
// empty string is never used for it.
const Unknown = "unknown"

// A System is one operating system that was found in the guest. Text comes
// from the guest and is hostile: it is valid UTF-8 and bounded in length, and
// may hold anything else, control characters among it.
type System struct {
	Volume string `json:"volume"` // the name of the volume that holds the root
	Root   string `json:"root"`   // the root's directory in that volume: "/", or that of an ostree deployment

	Image string `json:"image,omitempty"` // the file in that volume that holds the root, of live media and such

	Type        Type       `json:"type"`
	Kind        SystemKind `json:"kind"`
	Family      Family     `json:"family"`
	Distro      string     `json:"distro"`  // the ID of os-release: "debian"
	IDLike      []string   `json:"id_like"` // the IDs that it says it is like, closest first
	ProductName string     `json:"product_name"`
	// Version is the most exact version that the guest states: "12.7".
	// VersionID is the one that its repositories are named by: "12".
	Version   string `json:"version"`
	VersionID string `json:"version_id"` // of Windows, the one it is sold by: "11", "2022"
	Codename  string `json:"codename"`
	Variant   string `json:"variant"` // "server", "coreos"
	BuildID   string `json:"build_id"`
	// Major and Minor are the numbers that Version begins with, 0 if it has none.
	Major int `json:"major"`
	Minor int `json:"minor"`
	// OSInfo is the short ID of libosinfo, as libguestfs makes it: "debian12",
	// "rhel9.4", "win2k22". It is that of the version stated; libosinfo need not
	// know it.
	OSInfo   string `json:"osinfo"`
	Arch     string `json:"arch"` // as libguestfs and uname name it: "x86_64", "aarch64", "i386"
	Hostname string `json:"hostname"`
	// OSRelease is all that the guest's os-release says, nil if it has none.
	OSRelease map[string]string `json:"os_release,omitempty"`

	TimeZone  string `json:"time_zone"`  // "Europe/Berlin"; of Windows "W. Europe Standard Time"
	Locale    string `json:"locale"`     // "en_US.UTF-8"
	Keymap    string `json:"keymap"`     // "us"
	MachineID string `json:"machine_id"` // of systemd and D-Bus

	// Installed is when the system was installed, LastBoot when it last started, where
	// the guest says so.
	Installed *time.Time `json:"installed,omitempty"`
	LastBoot  *time.Time `json:"last_boot,omitempty"`

	Init     Init     `json:"init"`
	Firmware Firmware `json:"firmware"` // of the guest's disks, not of this root alone
	Kernels  []Kernel `json:"kernels"`
	// BootLoaders are those whose configuration was found, with their entries and the
	// one that starts.
	BootLoaders []BootLoader `json:"boot_loaders,omitempty"`
	Mounts      []Mount      `json:"mounts"` // in the order of fstab, then those found by partition type

	// Missing are the mount points of local volumes without which the system
	// is not whole (/usr, /var, /boot, /home, or below), and whose volume was not
	// found or could not be read. Mounts says why.
	Missing []string `json:"missing,omitempty"`

	PackageFormat  string `json:"package_format"`  // "deb", "rpm", "apk" …
	PackageManager string `json:"package_manager"` // "apt", "dnf", "apk" …
	// PackageManagerGuess is what the distribution is usually managed by, where no
	// program of the guest tells.
	PackageManagerGuess string `json:"package_manager_guess,omitempty"`
	// Packages is the system's own package database; OtherPackages are
	// those of further package managers that were found beside it.
	Packages      Packages   `json:"packages"`
	OtherPackages []Packages `json:"other_packages,omitempty"`

	SELinux    *SELinux     `json:"selinux,omitempty"` // nil if there is no configuration of it
	Users      []User       `json:"users,omitempty"`   // of /etc/passwd, in its order
	HostKeys   []HostKey    `json:"host_keys,omitempty"`
	Interfaces []Interface  `json:"interfaces,omitempty"`
	Crypttab   []CryptEntry `json:"crypttab,omitempty"`
	// Agents are tools for the guests of a hypervisor or a cloud; those of Windows
	// are in Windows.GuestTools.
	Agents []GuestTool `json:"agents,omitempty"`

	// SystemRoot is the folder of Windows: "/Windows". Empty for others.
	SystemRoot string `json:"system_root,omitempty"`
	// Windows is what only Windows has, nil for others.
	Windows *Windows `json:"windows,omitempty"`

	// Risks are what can go wrong where the disks are moved to another
	// hypervisor, changed or read elsewhere. So far they are known of Windows
	// only.
	Risks []Risk `json:"risks,omitempty"`

	// Evidence says for each field above where its value comes from.
	Evidence []Evidence `json:"evidence"`

	// Files is the guest's own view of its files, nil where the system did not
	// come from an inspection of disks.
	Files vfs.FS `json:"-"`
}

// FS returns the guest's own view of its files: the root with the mounts of
// its fstab laid over it. Symbolic links resolve inside of it. What could not
// be merged is in Mounts, with the reason. It is valid until the disks are
// closed.
func (s *System) FS() (vfs.FS, error) {
	if s.Files == nil {
		return nil, errNoFS
	}
	return s.Files, nil
}

var errNoFS = errors.New("the system did not come from an inspection of disks")

// Because returns the evidence for one field, named as in JSON: "distro".
func (s *System) Because(field string) []Evidence {
	var out []Evidence
	for _, e := range s.Evidence {
		if e.Field == field {
			out = append(out, e)
		}
	}
	return out
}

// Evidence is a place that a value of a field comes from.
type Evidence struct {
	Field string `json:"field"` // as in JSON: "hostname"
	// Path is the file in the guest, from its root: "/etc/os-release". If
	// Volume is set, it counts from the root of that volume instead, or is
	// empty where it is no file that tells: a boot sector, a partition's type.
	Path   string `json:"path,omitempty"`
	Volume string `json:"volume,omitempty"`
	Line   int    `json:"line,omitempty"`   // from 1, 0 if the whole file
	Offset int64  `json:"offset,omitempty"` // in bytes, of binary files
	// Key and Value name a value of the registry, of which Path is the hive:
	// `HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion`, "ProductName".
	Key    string `json:"key,omitempty"`
	Value  string `json:"value,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// Init is the program that starts a system's services.
type Init struct {
	Name    string `json:"name"`    // "systemd", "openrc", "sysvinit", "upstart", "busybox", "runit", "s6", "dinit"
	Version string `json:"version"` // of its package, Unknown if that is not known
}

// A Kernel is one that a system can boot or has modules for. A path that does
// not exist is empty.
type Kernel struct {
	Version string `json:"version"` // "6.1.0-18-amd64"
	Image   string `json:"image,omitempty"`
	Initrd  string `json:"initrd,omitempty"`
	Config  string `json:"config,omitempty"`
	Modules string `json:"modules,omitempty"` // the directory
	Entry   string `json:"entry,omitempty"`   // the boot loader entry that names it
	Options string `json:"options,omitempty"` // the command line of that entry
	Default bool   `json:"default"`           // the boot loader's configuration chooses it
	// Virtio tells how each driver that a KVM guest boots by is there:
	// "builtin", "module" or "absent". It is nil if nothing tells.
	Virtio map[string]string `json:"virtio,omitempty"`
	// Initramfs is what the file Initrd holds; nil unless Options ask for it.
	Initramfs *Initramfs `json:"initramfs,omitempty"`
}

// An Initramfs is what a kernel starts with, before it has its disks.
type Initramfs struct {
	Compression string `json:"compression"`         // "zstd", "gzip", "none" …
	Generator   string `json:"generator,omitempty"` // "dracut", "initramfs-tools", "mkinitcpio" …
	Files       int    `json:"files"`
	Modules     int    `json:"modules"` // of the kernel
	// Drivers are the modules in it that a disk or a network adapter of a
	// hypervisor may need: "virtio_blk", "hv_storvsc", "nvme" …, in order. What is
	// built into the kernel is not among them.
	Drivers []string `json:"drivers"`
}

// A Mount is one entry of fstab, or a partition whose type alone says where
// systemd mounts it.
type Mount struct {
	Spec    string `json:"spec"`           // as the guest says it: "UUID=…", "/dev/sda1"
	Path    string `json:"path,omitempty"` // where it is mounted, from the root; empty for swap
	Type    string `json:"type"`           // as the guest says it: "ext4", "swap", "auto"
	Options string `json:"options,omitempty"`
	Volume  string `json:"volume,omitempty"` // the volume that it is, empty if that is not known
	// By is how the volume was found: "uuid", "label", "partuuid",
	// "partlabel", "device name", "volume name", "lvm uuid", "array uuid",
	// "array number", "partition type", "content", "root".
	By string `json:"by,omitempty"`
	// Guess says that the name is one which the guest's kernel gave by the
	// order of disks or by the hardware: it may mean another volume elsewhere,
	// and a risk to the boot on other virtual hardware. Or the guest names no
	// volume, and this one fits.
	Guess  bool   `json:"guess,omitempty"`
	Merged bool   `json:"merged"`           // it is part of System.FS
	Reason string `json:"reason,omitempty"` // why it has no volume, is not merged, or is this one
	Line   int    `json:"line,omitempty"`   // in fstab
}
