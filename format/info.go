package format

import (
	"time"

	"github.com/guestkit/guestkit/ova"
	"github.com/guestkit/guestkit/vhd"
	"github.com/guestkit/guestkit/vmdk"
)

// An Info is what an image says about itself. Sizes are in bytes. Fields that a
// format has not are zero.
type Info struct {
	Name        string // of the file, "" if it is not a host file
	Format      string // "raw", "qcow2"
	Stated      bool   // the caller or the image that names it stated the format; it was not probed
	Version     string // of the format
	Subformat   string // "streamOptimized", "fixed"
	Wrapper     string // how the file is compressed as a whole: "gz", "xz", "zst", "bz2"; "" if it is not
	ReadBy      string // "qemu-img" where that read the image (build tag qemu), "" where guestkit did
	VirtualSize int64
	FileSize    int64
	Allocated   int64 // what the file takes on the host, -1 if unknown
	SectorSize  int   // logical, of the virtual disk; 0 if the format does not say

	ClusterSize     int64  // the unit of allocation: cluster, grain or block
	Compat          string // qcow2: the first QEMU that reads it, "0.10" or "1.1"
	CompressionType string
	RefcountBits    int
	LazyRefcounts   bool
	ExtendedL2      bool
	Dirty           bool   // it was not closed
	Corrupt         bool   // a program marked it as damaged
	Encryption      string // the method, "" if its data is not encrypted

	// ID is the identity that an image upon this one is checked against, and
	// ParentID the one that the image below must have: of a VMDK the content ID, of
	// a VHD the unique ID, of a VHDX that of the data written, of a VDI its UUID.
	ID, ParentID string

	Backing     *Reference // nil if there is none
	DataFile    *Reference // nil if there is none
	DataFileRaw bool       // the data file is a raw image of the disk

	Features  []Feature
	Snapshots []Snapshot
	Bitmaps   []Bitmap

	// Parts are the files of an image that was split into NAME.001, NAME.002
	// and so on; nil for one that lies in one file.
	Parts []string

	// Disk and Member are the id and the file of the disk in the package of
	// that Name, where it was opened out of one.
	Disk, Member string
	// Machines and Disks describe a package, an OVA or OVF: what machines it
	// holds, and its disks in the order in which its only machine sees them.
	// VirtualSize is that of all disks together.
	Machines []ova.Machine
	Disks    []*Info

	VHD  *vhd.Info  // what such an image says besides, nil for others
	VMDK *vmdk.Info // what such an image says besides, nil for others

	// Files are the paths of the files that were opened besides that of the
	// name and hold a part of this disk: extents, a data file.
	Files []string

	// Chain describes the images behind this one, nearest first, as far as
	// they were opened. Their own Chain is empty.
	Chain []*Info
}

// A Reference is how an image names another file.
type Reference struct {
	Name   string // as the image says it
	Format string // as the image says it, "" if it does not
}

// A Feature is a feature bit that is set in the header.
type Feature struct {
	Type string // "incompatible", "compatible" or "autoclear"
	Bit  int
	Name string // "" if unknown
}

// A Snapshot is an internal snapshot.
type Snapshot struct {
	ID          string
	Name        string
	Date        time.Time
	VMClock     time.Duration // how long the guest had run
	VMStateSize int64
	DiskSize    int64 // of the virtual disk at that time
	ICount      int64 // instructions that the guest had executed, -1 if unknown
}

// A Bitmap is a persistent dirty bitmap.
type Bitmap struct {
	Name        string
	Granularity int64 // bytes of the disk that one bit stands for
	InUse       bool  // it was not closed, and its bits may be wrong
	Auto        bool  // it tracks writes as soon as the image is opened for writing
}
