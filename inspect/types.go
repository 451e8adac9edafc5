package inspect

import "github.com/guestkit/guestkit/inspect/system"

// What a system is; package system says it in full.
type (
	User          = system.User
	HostKey       = system.HostKey
	Interface     = system.Interface
	CryptEntry    = system.CryptEntry
	SELinux       = system.SELinux
	SystemKind    = system.SystemKind
	Type          = system.Type
	Family        = system.Family
	Firmware      = system.Firmware
	System        = system.System
	Evidence      = system.Evidence
	Init          = system.Init
	Kernel        = system.Kernel
	BootLoader    = system.BootLoader
	BootEntry     = system.BootEntry
	Initramfs     = system.Initramfs
	Mount         = system.Mount
	PackageStatus = system.PackageStatus
	Packages      = system.Packages
	Package       = system.Package
	Windows       = system.Windows
	Drive         = system.Drive
	BootManager   = system.BootManager
	Driver        = system.Driver
	Service       = system.Service
	GuestTool     = system.GuestTool
	Update        = system.Update
	Membership    = system.Membership
	WindowsUser   = system.WindowsUser
	WSL           = system.WSL
	Risk          = system.Risk
)

// The values of Type, Family, Firmware and PackageStatus, and that of a text field
// which the guest does not state.
const (
	Unknown         = system.Unknown
	KindInstalled   = system.KindInstalled
	KindLive        = system.KindLive
	KindInstaller   = system.KindInstaller
	TypeUnknown     = system.TypeUnknown
	TypeLinux       = system.TypeLinux
	TypeWindows     = system.TypeWindows
	TypeFreeBSD     = system.TypeFreeBSD
	TypeNetBSD      = system.TypeNetBSD
	TypeOpenBSD     = system.TypeOpenBSD
	TypeDOS         = system.TypeDOS
	TypeDragonFly   = system.TypeDragonFly
	TypeIllumos     = system.TypeIllumos
	TypeHurd        = system.TypeHurd
	TypeMinix       = system.TypeMinix
	TypeHaiku       = system.TypeHaiku
	TypeMacOS       = system.TypeMacOS
	TypeESXi        = system.TypeESXi
	FamilyUnknown   = system.FamilyUnknown
	FamilyOther     = system.FamilyOther
	FamilyDebian    = system.FamilyDebian
	FamilyRHEL      = system.FamilyRHEL
	FamilySUSE      = system.FamilySUSE
	FamilyArch      = system.FamilyArch
	FamilyAlpine    = system.FamilyAlpine
	FamilyGentoo    = system.FamilyGentoo
	FamilyMandriva  = system.FamilyMandriva
	FamilySlackware = system.FamilySlackware
	FirmwareUnknown = system.FirmwareUnknown
	FirmwareNone    = system.FirmwareNone
	FirmwareBIOS    = system.FirmwareBIOS
	FirmwareUEFI    = system.FirmwareUEFI
	FirmwareBoth    = system.FirmwareBoth
	PackagesNone    = system.PackagesNone
	PackagesRead    = system.PackagesRead
	PackagesPartial = system.PackagesPartial
	PackagesNotRead = system.PackagesNotRead
)
