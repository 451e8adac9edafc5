package system

// New returns a System of which nothing is known.
func New(typ Type) *System {
	return &System{
		Root: "/", Type: typ, Kind: KindInstalled, Family: FamilyUnknown, Distro: Unknown, IDLike: []string{}, ProductName: Unknown,
		Version: Unknown, VersionID: Unknown, Codename: Unknown, Variant: Unknown, BuildID: Unknown,
		Arch: Unknown, Hostname: Unknown, OSInfo: Unknown, TimeZone: Unknown, Locale: Unknown, Keymap: Unknown, MachineID: Unknown, Init: Init{Unknown, Unknown}, Firmware: FirmwareUnknown,
		Kernels: []Kernel{}, Mounts: []Mount{}, PackageFormat: Unknown, PackageManager: Unknown,
		Packages: Packages{Status: PackagesNone}, Evidence: []Evidence{},
	}
}
