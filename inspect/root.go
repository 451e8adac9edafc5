package inspect

// A root is an operating system while it is looked at: its files and what is
// known so far. The tree is first that of the root's volume and, once fstab
// was read, that of the whole guest.
type root struct {
	tree
	sys *System
	win *windows // nil if it is not Windows
}

// newSystem returns a System of which nothing is known.
func newSystem(typ Type) *System {
	return &System{
		Root: "/", Type: typ, Family: FamilyUnknown, Distro: Unknown, IDLike: []string{}, ProductName: Unknown,
		Version: Unknown, VersionID: Unknown, Codename: Unknown, Variant: Unknown, BuildID: Unknown,
		Arch: Unknown, Hostname: Unknown, Init: Init{Unknown, Unknown}, Firmware: FirmwareUnknown,
		Kernels: []Kernel{}, Mounts: []Mount{}, PackageFormat: Unknown, PackageManager: Unknown,
		Packages: Packages{Status: PackagesNone}, Evidence: []Evidence{},
	}
}

// because records that a field's value comes from a line of a file, or from
// the file as a whole if line is 0.
func (r *root) because(field, name string, line int, detail string) {
	r.sys.Evidence = append(r.sys.Evidence, Evidence{Field: field, Path: shown(name), Line: line, Detail: detail})
}

// set gives a text field its value, unless it has one already or the value is
// empty. It reports whether it did.
func (r *root) set(dst *string, field, value, name string, line int) bool {
	if *dst != Unknown {
		return false
	}
	value = r.value(value, name, line)
	if value == "" {
		return false
	}
	*dst = value
	r.because(field, name, line, "")
	return true
}
