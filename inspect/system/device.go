package system

// A Device is how a guest names a place of its disks: in the first field of
// fstab, or where Windows keeps its letters.
type Device struct {
	// By is what Value is: "uuid", "label", "partuuid", "partlabel", "device
	// name", "volume name", "lvm uuid", "array uuid", "array number", "disk
	// signature", "label uid" (of OpenBSD's label), "root disk" (Letter on the disk of
	// the root) or "root" (the root itself). It is empty if the name is that of no volume.
	By    string
	Value string
	// Reason says why no volume of these disks is meant, where By is empty or
	// nothing has the name.
	Reason string
	// DiskName, Disk and Partition are the parts of a device name, the numbers
	// from 0 and from 1. A disk of -1 is one whose name tells no order, a
	// partition of 0 the whole disk. Partition is that of an array, too.
	DiskName        string
	Disk, Partition int
	// Letter is that of a partition of a BSD label: in the slice that Partition is
	// the number of, or on the disk if that is 0.
	Letter string
	// Unlocked says that not the device is meant but what is in it once its key
	// was given, and how often that is to be done: 2 is what is in an encrypted
	// volume that lies in another one.
	Unlocked int
	Offset   int64 // on the disk of a signature
}

// A Place is a directory of a volume that an operating system has as its root.
type Place struct {
	Dir    string // as io/fs names it: "." if the volume is the root
	Type   Type
	Marker string // the file that gave it away
	Finder string // the rule that did: "linux", "ostree"
	Entry  string // the boot entry that leads to it, empty if none is known
	// Image is a file with the filesystem that is the root, as io/fs names it;
	// empty if Dir is.
	Image string
	Kind  SystemKind // empty if it is an installed system
}
