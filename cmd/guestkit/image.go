package main

import (
	"time"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/format"
)

// An imageDoc is what an image file says about itself.
type imageDoc struct {
	Path          string        `json:"path"`
	Format        string        `json:"format"`
	FormatStated  bool          `json:"format_stated"`     // by -f, or by the image that names this one; not probed
	Wrapper       string        `json:"wrapper,omitempty"` // gz, xz, zst or bz2, where the file is compressed as a whole
	Version       string        `json:"version,omitempty"`
	Subformat     string        `json:"subformat,omitempty"`
	ReadBy        string        `json:"read_by,omitempty"` // qemu-img, where guestkit did not read it itself
	VirtualSize   int64         `json:"virtual_size"`
	FileSize      int64         `json:"file_size"`
	Allocated     *int64        `json:"allocated,omitempty"` // absent where the system does not tell
	SectorSize    int           `json:"sector_size,omitempty"`
	ClusterSize   int64         `json:"cluster_size,omitempty"`
	VHD           *vhdDoc       `json:"vhd,omitempty"`
	Compat        string        `json:"compat,omitempty"`
	Compression   string        `json:"compression,omitempty"`
	RefcountBits  int           `json:"refcount_bits,omitempty"`
	LazyRefcounts bool          `json:"lazy_refcounts,omitempty"`
	ExtendedL2    bool          `json:"extended_l2,omitempty"`
	Dirty         bool          `json:"dirty,omitempty"`
	Corrupt       bool          `json:"corrupt,omitempty"`
	Encryption    string        `json:"encryption,omitempty"`
	Backing       *refDoc       `json:"backing,omitempty"`
	DataFile      *refDoc       `json:"data_file,omitempty"`
	Features      []featureDoc  `json:"features,omitempty"`
	Snapshots     []snapshotDoc `json:"snapshots,omitempty"`
	Bitmaps       []bitmapDoc   `json:"bitmaps,omitempty"`
	Parts         []string      `json:"parts,omitempty"`    // of a split file, in order
	Extents       []extentFile  `json:"extents,omitempty"`  // of a VMDK whose descriptor is a file of its own
	Disk          string        `json:"disk,omitempty"`     // its id in the package that path is
	Member        string        `json:"member,omitempty"`   // its file there
	Machines      []machineDoc  `json:"machines,omitempty"` // of a package
	Disks         []imageDoc    `json:"disks,omitempty"`    // of a package, in the order of its machine
	Chain         []imageDoc    `json:"chain,omitempty"`    // the images behind this one, nearest first, as far as they were opened
}

// A vhdDoc is what a VHD says of its size.
type vhdDoc struct {
	CurrentSize  int64  `json:"current_size"`
	GeometrySize int64  `json:"geometry_size"`
	Creator      string `json:"creator"`
}

type refDoc struct {
	Name   string `json:"name"`
	Format string `json:"format,omitempty"`
}

type extentFile struct {
	Name string `json:"name,omitempty"` // absent where it is zeros
	Kind string `json:"kind"`
	Size int64  `json:"size"`
}

type featureDoc struct {
	Type string `json:"type"`
	Bit  int    `json:"bit"`
	Name string `json:"name,omitempty"`
}

type snapshotDoc struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Date        time.Time `json:"date"`
	VMClockNsec int64     `json:"vm_clock_nsec"`
	VMStateSize int64     `json:"vm_state_size"`
	DiskSize    int64     `json:"disk_size"`
}

type bitmapDoc struct {
	Name        string `json:"name"`
	Granularity int64  `json:"granularity"`
	InUse       bool   `json:"in_use,omitempty"`
	Auto        bool   `json:"auto,omitempty"`
}

func newImageDoc(i *format.Info) imageDoc {
	d := imageDoc{
		Path: i.Name, Format: i.Format, FormatStated: i.Stated, Wrapper: i.Wrapper, Version: i.Version, Subformat: i.Subformat, ReadBy: i.ReadBy,
		VirtualSize: i.VirtualSize, FileSize: i.FileSize, SectorSize: i.SectorSize,
		ClusterSize: i.ClusterSize, Compat: i.Compat, Compression: i.CompressionType, RefcountBits: i.RefcountBits,
		LazyRefcounts: i.LazyRefcounts, ExtendedL2: i.ExtendedL2, Dirty: i.Dirty, Corrupt: i.Corrupt, Encryption: i.Encryption,
		Backing: newRefDoc(i.Backing), DataFile: newRefDoc(i.DataFile),
		Parts: i.Parts, Disk: i.Disk, Member: i.Member,
	}
	if v := i.VHD; v != nil {
		d.VHD = &vhdDoc{v.CurrentSize, v.GeometrySize, v.Creator}
	}
	for _, e := range extentFiles(i) {
		d.Extents = append(d.Extents, extentFile{e.Name, e.Kind, e.Size})
	}
	for _, m := range i.Machines {
		d.Machines = append(d.Machines, newMachineDoc(m))
	}
	for _, disk := range i.Disks {
		d.Disks = append(d.Disks, newImageDoc(disk))
	}
	if i.Allocated >= 0 {
		d.Allocated = &i.Allocated
	}
	for _, f := range i.Features {
		d.Features = append(d.Features, featureDoc(f))
	}
	for _, s := range i.Snapshots {
		d.Snapshots = append(d.Snapshots, snapshotDoc{s.ID, s.Name, s.Date.UTC(), s.VMClock.Nanoseconds(), s.VMStateSize, s.DiskSize})
	}
	for _, b := range i.Bitmaps {
		d.Bitmaps = append(d.Bitmaps, bitmapDoc(b))
	}
	for _, below := range i.Chain {
		d.Chain = append(d.Chain, newImageDoc(below))
	}
	return d
}

func newRefDoc(r *format.Reference) *refDoc {
	if r == nil {
		return nil
	}
	return &refDoc{r.Name, r.Format}
}

func imageDocs(g *guestkit.Guest) []imageDoc {
	out := []imageDoc{}
	for _, img := range g.Images() {
		out = append(out, newImageDoc(img.Info()))
	}
	return out
}
