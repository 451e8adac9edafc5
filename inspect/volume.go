package inspect

import (
	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/efivars"
	"github.com/guestkit/guestkit/partition"
	"github.com/guestkit/guestkit/volume"
)

// A Status says what became of a volume.
type Status string

// Every volume has one of these.
const (
	StatusRead        Status = "read"        // a filesystem that can be read
	StatusSwap        Status = "swap"        // swap space, nothing to read
	StatusEmpty       Status = "empty"       // zeros where a filesystem would be
	StatusContainer   Status = "container"   // divided into volumes that are listed themselves
	StatusReserved    Status = "reserved"    // its partition type or its content says that it holds no filesystem
	StatusEncrypted   Status = "encrypted"   // a key is needed
	StatusUnsupported Status = "unsupported" // known by name, and not readable by this version
	StatusIncomplete  Status = "incomplete"  // it lies on further disks, which are not there
	StatusDamaged     Status = "damaged"     // a filesystem that does not open
	StatusUnknown     Status = "unknown"     // nothing that is known
)

// Done reports whether nothing of such a volume is left unread.
func (s Status) Done() bool {
	switch s {
	case StatusRead, StatusSwap, StatusEmpty, StatusContainer, StatusReserved:
		return true
	}
	return false
}

// A Role is what a readable volume is for, as its content says.
type Role string

// RoleUnknown is an ordinary volume of data. A root is listed in
// Report.Systems as well.
const (
	RoleUnknown     Role = "unknown"
	RoleRoot        Role = "root"
	RoleBoot        Role = "boot"
	RoleESP         Role = "esp"
	RoleUsr         Role = "usr"
	RoleVar         Role = "var"
	RoleWindowsData Role = "windows data"
	RoleInstaller   Role = "installer" // installation or live media: no installed system
)

// A Volume is one place of the guest's disks that can hold a filesystem, and
// what was found there.
type Volume struct {
	Name   string `json:"name"`             // "disk", "gpt2", "mbr5": unique in the guest
	Parent string `json:"parent,omitempty"` // the name of the volume that it is a part of
	Kind   string `json:"kind"`             // "disk", "table", "partition", "extended", "lv" …; "subvolume", "boot" and "session" of Parts
	Disk   int    `json:"disk"`             // which disk it is on, from 0
	Offset int64  `json:"offset"`           // on the disk, in bytes
	Size   int64  `json:"size"`             // in bytes

	Content string `json:"content"`           // "ext4", "vfat", "swap", "crypto_LUKS" …, as blkid names it; "gpt", "mbr"; Unknown
	Version string `json:"version,omitempty"` // of that format: "FAT32", "2"
	Label   string `json:"label,omitempty"`
	UUID    string `json:"uuid,omitempty"`    // as blkid prints it; of a partition table too
	ReadBy  string `json:"read_by,omitempty"` // "guestfish" where that reads it (build tag libguestfs)

	// Features are those that its filesystem states, by its own names.
	Features []string `json:"features,omitempty"`

	// Facts are what else is known of it: of an encrypted volume its cipher, its
	// key slots and which of them opened it.
	Facts []volume.Fact `json:"facts,omitempty"`

	// Usage is how full its filesystem is, nil where there is none that was read.
	Usage *Usage `json:"usage,omitempty"`

	Status Status `json:"status"`
	Reason string `json:"reason,omitempty"` // for every status that is not StatusRead; with that, what else is on the volume
	Role   Role   `json:"role"`

	// Parts are what lies in its filesystem and is a volume of its own, in no other
	// list: the subvolumes of Btrfs ("btrfs:gpt2/@home"), what El Torito boots from a
	// disc ("disk:boot1"), and a disc before each of its later sessions
	// ("disk:session1"). They have none of their own. Size is 0 of a subvolume.
	Parts []*Volume `json:"parts,omitempty"`

	// Partition is its entry in the partition table, nil if it has none.
	Partition *partition.Partition `json:"-"`

	vol  *volume.Volume
	efi  *efivars.Store // where it is one
	fsys vfs.FS
	err  error // why there is no fsys

	of  *Volume // of a subvolume: that it lies in, at dir
	dir string
}

// A Usage is what a filesystem says of its space, after its journal: what df prints. A
// number that it does not keep is nil.
type Usage struct {
	Size       int64  `json:"size"` // in bytes
	Used       *int64 `json:"used,omitempty"`
	Free       *int64 `json:"free,omitempty"`
	Inodes     *int64 `json:"inodes,omitempty"`
	InodesFree *int64 `json:"inodes_free,omitempty"`
}

func usageOf(i vfs.Info) *Usage {
	u := &Usage{Size: i.Size - i.Overhead}
	if i.Free >= 0 && u.Size >= i.Free {
		used, free := u.Size-i.Free, i.Free
		u.Used, u.Free = &used, &free
	}
	if i.Inodes > 0 {
		inodes, free := i.Inodes, i.InodesFree
		u.Inodes, u.InodesFree = &inodes, &free
	}
	return u
}

// FS returns the filesystem of a volume whose status is StatusRead. For others
// the error says why there is none.
func (v *Volume) FS() (vfs.FS, error) {
	if v.fsys != nil {
		return v.fsys, nil
	}
	if v.of != nil {
		return vfs.Sub(v.of.fsys, v.dir)
	}
	return nil, &block.Error{What: "volume " + v.Name, Off: -1, Err: v.err}
}

// Device returns the bytes of the volume, of a subvolume those of the one that it
// lies in.
func (v *Volume) Device() block.Device { return v.vol.Device }

// partType is the type of the partition that the volume is, "" if it is none.
func (v *Volume) partType() string {
	if v.Partition == nil {
		return ""
	}
	return v.Partition.Type
}
