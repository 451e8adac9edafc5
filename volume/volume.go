package volume

import (
	"errors"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/partition"
	"github.com/guestkit/guestkit/volume/luks"
	"github.com/guestkit/guestkit/volume/probe"
)

// A Kind says what makes a volume.
type Kind string

const (
	Disk      Kind = "disk"      // a whole disk without a partition table
	Table     Kind = "table"     // a whole disk with a partition table
	Partition Kind = "partition" // a primary or logical partition
	Whole     Kind = "whole"     // an ISO on a whole disk that has a partition table too
	Extended  Kind = "extended"  // holds the logical partitions of an MBR
	Logical   Kind = "lv"        // a logical volume of LVM
	Array     Kind = "array"     // of RAID
	Decrypted Kind = "decrypted" // the content of an encrypted volume
)

// Options says how disks are scanned. The zero value, or nil, is safe.
type Options struct {
	// SectorSize is the size in bytes of the sectors of all disks, 0 to take
	// what each disk states, or to find it out; see package partition.
	SectorSize int
	// Unlock gives the keys of encrypted volumes; nil leaves them locked.
	Unlock block.Unlock
	// KeyCost bounds what may be spent on keys that are made of passphrases; the
	// zero value stands for the defaults of package volume/luks.
	KeyCost luks.Limits
	// LUKSHeaders are the headers of volumes that lie elsewhere than they do. A
	// volume that one is stated for is taken to be encrypted, whatever it looks like.
	LUKSHeaders []LUKSHeader
	// Layers are asked before those of this package: formats that it does not
	// know, or a reader of one that is to be used instead.
	Layers []Layer
}

// A LUKSHeader is a header of LUKS that is detached from what it belongs to.
type LUKSHeader struct {
	Volume string // a name of this package, "gpt3", or a guest's, "/dev/sda3", but not "all"
	Header block.Reader
}

// A Volume is a run of bytes that may hold a filesystem or other volumes.
type Volume struct {
	Name      string // "disk", "gpt2", "disk2:mbr5", "lvm:vg/lv"; unique in its tree
	Kind      Kind
	DiskIndex int // of its disk in the arguments of Scan: the first of several
	// Parents are the volumes that it lies on: none of a disk, one of a
	// partition, any number of what a layer makes. Children are those that
	// have it among their parents.
	Parents, Children []*Volume
	// Device is the content. It is never nil, and may be empty where the
	// table is damaged or a member is missing.
	Device block.Device
	// Off and Size are in bytes; Off is on the disk, or on the volume of a
	// layer that the partition lies in.
	Off, Size int64
	// UUID is what the layer that made it knows it by for good: of a logical
	// volume the UUIDs of its group and its own, one behind the other.
	UUID      string
	Table     *partition.Table     // that divides it
	Partition *partition.Partition // of a partition
	// Found is what it holds, by its content; the zero value where nobody
	// looked, since Err or Table says more.
	Found probe.Found
	// Facts are what a layer tells of a member besides, in words: its cipher, its
	// key slots, which of them opened it. Nothing in them is secret.
	Facts []Fact
	// Shared says that others read its bytes as well, or that they lie in several
	// places or in another form: the origin of a snapshot, a mirror, what is
	// encrypted. What is written over bytes of a volume that is not shared changes
	// it and its parents alone.
	Shared bool
	// Spare is what of a member of a layer no volume lies on, in rising order: the
	// free extents of a physical volume. SpareErr says why that cannot be told.
	Spare    []Span
	SpareErr error
	// Problems are the faults of this volume: those of its table that belong
	// to no single partition, or those of its entry in one.
	Problems []error
	// Err says why the volume cannot be looked into: its partition table is
	// one and cannot be trusted, nothing of the partition is on the disk, a
	// member or a key is missing (block.ErrMissing, block.ErrEncrypted).
	Err error
	// Hidden says that other volumes are made of it: a leg of a RAID, the data
	// of a pool. It is in no list, is no leaf, and can be looked up by name.
	Hidden bool

	taken bool // by a layer, whatever came of it
}

// A Span is a run of bytes of a volume.
type Span struct{ Off, Len int64 }

// A Fact is one thing that a layer tells of a member.
type Fact struct {
	Name  string `json:"name"` // "cipher", "key slot 0", "opened by"
	Value string `json:"value"`
}

// A Status says what there is to do with a volume.
type Status string

const (
	Leaf        Status = "leaf"        // it holds what Found says
	Container   Status = "container"   // its content is that of other volumes
	Incomplete  Status = "incomplete"  // members are missing: block.ErrMissing
	Encrypted   Status = "encrypted"   // a key is missing: block.ErrEncrypted
	Unsupported Status = "unsupported" // a version or feature, named: block.ErrUnsupported
	Damaged     Status = "damaged"     // all other errors
)

// Status tells the class of Err, or what the volume is for.
func (v *Volume) Status() Status {
	switch {
	case v.Err == nil && v.Leaf():
		return Leaf
	case v.Err == nil:
		return Container
	case errors.Is(v.Err, block.ErrMissing):
		return Incomplete
	case errors.Is(v.Err, block.ErrEncrypted):
		return Encrypted
	case errors.Is(v.Err, block.ErrUnsupported):
		return Unsupported
	}
	return Damaged
}

// Leaf reports whether the volume holds content of its own: it is not divided
// further, and nothing is known to be wrong with it.
func (v *Volume) Leaf() bool {
	return v.Err == nil && v.Kind != Extended && !v.taken && !v.Hidden && len(v.Children) == 0
}

// parent returns the first parent, nil of a disk.
func (v *Volume) parent() *Volume {
	if len(v.Parents) == 0 {
		return nil
	}
	return v.Parents[0]
}

// A Tree is all volumes of the disks of a guest.
type Tree struct {
	// Volumes are in order: parents before children, the disks and their
	// partitions disk by disk, then what layers made, as it was found.
	Volumes []*Volume
	// Problems are the faults of layers above the disks: of volume groups.
	Problems []error

	made   []*Volume // by layers, whose devices are to be closed
	hidden map[string]*Volume
}

// Close closes what layers opened, the last first. The disks stay open. It may
// be called again.
func (t *Tree) Close() error {
	var errs []error
	for len(t.made) > 0 {
		last := t.made[len(t.made)-1]
		t.made = t.made[:len(t.made)-1]
		errs = append(errs, block.Close(last.Device))
	}
	return errors.Join(errs...)
}

// CleanName is a name of a volume as the volume has it: "disk1:" may stand before
// the names of the first disk.
func CleanName(name string) string {
	if name == "disk1" {
		return "disk"
	}
	if rest, ok := strings.CutPrefix(name, "disk1:"); ok && !strings.HasPrefix(rest, "disk") {
		return rest
	}
	return name
}

// Lookup returns the volume of that name, which is cleaned.
func (t *Tree) Lookup(name string) (*Volume, bool) {
	name = CleanName(name)
	for _, v := range t.Volumes {
		if v.Name == name {
			return v, true
		}
	}
	v, ok := t.hidden[name]
	return v, ok
}

// ByPartUUID returns the partitions whose UUID is id, in any case of letters:
// what PARTUUID= in a guest's fstab names. More than one means a copied disk.
func (t *Tree) ByPartUUID(id string) []*Volume {
	return t.partitions(func(p *partition.Partition) bool { return id != "" && strings.EqualFold(p.UUID, id) })
}

// ByPartLabel returns the partitions of that name in a GPT: PARTLABEL=.
func (t *Tree) ByPartLabel(label string) []*Volume {
	return t.partitions(func(p *partition.Partition) bool { return label != "" && p.Name == label })
}

func (t *Tree) partitions(match func(*partition.Partition) bool) []*Volume {
	var out []*Volume
	for _, v := range t.Volumes {
		if v.Partition != nil && match(v.Partition) {
			out = append(out, v)
		}
	}
	return out
}

// Leaves returns the volumes that may hold a filesystem, in the order of the
// tree.
func (t *Tree) Leaves() []*Volume {
	var out []*Volume
	for _, v := range t.Volumes {
		if v.Leaf() {
			out = append(out, v)
		}
	}
	return out
}
