package system

// A Device is how a guest names a place of its disks: in the first field of
// fstab, or where Windows keeps its letters.
type Device struct {
	// By is what Value is: "uuid", "label", "partuuid", "partlabel", "device
	// name", "volume name" or "disk signature"; empty if it is none, and
	// Reason says why no volume of these disks is meant.
	By     string
	Value  string
	Reason string
	// Disk and Partition are what a device name says, from 0 and from 1; a
	// partition of 0 is the whole disk.
	Disk, Partition int
	Offset          int64 // on the disk of a signature
}

// A Place is a directory of a volume that an operating system has as its root.
type Place struct {
	Dir    string // as io/fs names it: "." if the volume is the root
	Type   Type
	Marker string // the file that gave it away
	Finder string // the rule that did: "linux", "ostree"
}
