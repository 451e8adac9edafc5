package main

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/guestkit/guestkit/format"
)

// A qemuInfoDoc has the keys of qemu-img info --output=json.
type qemuInfoDoc struct {
	BackingFormat string         `json:"backing-filename-format,omitempty"`
	Snapshots     []qemuSnapshot `json:"snapshots,omitempty"`
	VirtualSize   int64          `json:"virtual-size"`
	Filename      string         `json:"filename"`
	ClusterSize   int64          `json:"cluster-size,omitempty"`
	Format        string         `json:"format"`
	ActualSize    int64          `json:"actual-size"`
	Encrypted     bool           `json:"encrypted,omitempty"`
	Specific      *qemuSpecific  `json:"format-specific,omitempty"`
	FullBacking   string         `json:"full-backing-filename,omitempty"`
	Backing       string         `json:"backing-filename,omitempty"`
	Dirty         bool           `json:"dirty-flag"`
}

type qemuSpecific struct {
	Type string `json:"type"`
	Data any    `json:"data"`
}

type qemuQcow2 struct {
	Compat      string       `json:"compat"`
	Compression string       `json:"compression-type"`
	Lazy        *bool        `json:"lazy-refcounts,omitempty"`
	Bitmaps     []qemuBitmap `json:"bitmaps,omitempty"`
	Refcount    int          `json:"refcount-bits"`
	DataFile    string       `json:"data-file,omitempty"`
	DataFileRaw *bool        `json:"data-file-raw,omitempty"`
	Corrupt     *bool        `json:"corrupt,omitempty"`
	ExtendedL2  *bool        `json:"extended-l2,omitempty"`
	Encrypt     *qemuEncrypt `json:"encrypt,omitempty"`
}

type qemuEncrypt struct {
	Format string `json:"format"`
}

type qemuBitmap struct {
	Flags       []string `json:"flags"`
	Name        string   `json:"name"`
	Granularity int64    `json:"granularity"`
}

type qemuSnapshot struct {
	ICount  *int64 `json:"icount,omitempty"`
	ClockNs int64  `json:"vm-clock-nsec"`
	Name    string `json:"name"`
	DateSec int64  `json:"date-sec"`
	DateNs  int    `json:"date-nsec"`
	Clock   int64  `json:"vm-clock-sec"`
	ID      string `json:"id"`
	VMState int64  `json:"vm-state-size"`
}

type qemuVMDK struct {
	CID        uint32       `json:"cid"`
	ParentCID  uint32       `json:"parent-cid"`
	CreateType string       `json:"create-type"`
	Extents    []qemuExtent `json:"extents"`
}

type qemuExtent struct {
	Compressed  bool   `json:"compressed,omitempty"`
	VirtualSize int64  `json:"virtual-size"`
	Filename    string `json:"filename"`
	ClusterSize int64  `json:"cluster-size,omitempty"`
	Format      string `json:"format"`
}

// qemuInfo is info --compat=qemu.
func (a *app) qemuInfo(path string, o *format.Options, chain bool) error {
	if err := a.usable(path); err != nil {
		return err
	}
	if !chain {
		info, _, err := format.DescribeFile(path, o)
		if err != nil {
			return err
		}
		if info.VMDK != nil && info.ClusterSize == 0 { // the extents know
			if img, err := format.OpenFile(path, o); err == nil {
				defer img.Close()
				info = img.Info()
			}
		}
		return a.document(newQemuInfo(info, shownImage(path)))
	}
	img, err := format.OpenFile(path, o)
	if err != nil {
		return err
	}
	defer img.Close()
	docs := []qemuInfoDoc{}
	for _, i := range append([]*format.Info{img.Info()}, img.Info().Chain...) {
		d := newQemuInfo(i, path)
		docs = append(docs, d)
		path = d.FullBacking
	}
	return a.document(docs)
}

// newQemuInfo says of an image what qemu-img would, if it was opened by the name
// path.
func newQemuInfo(i *format.Info, path string) qemuInfoDoc {
	d := qemuInfoDoc{VirtualSize: i.VirtualSize, Filename: path, ClusterSize: i.ClusterSize, Format: i.Format,
		ActualSize: max(i.Allocated, 0), Encrypted: i.Encryption != "", Dirty: i.Dirty && i.Format == "qcow2"}
	if d.Format == "vhd" {
		d.Format = "vpc"
	}
	if i.Backing != nil {
		d.Backing, d.BackingFormat = i.Backing.Name, i.Backing.Format
		d.FullBacking = qemuPath(path, d.Backing)
	}
	for _, s := range i.Snapshots {
		q := qemuSnapshot{ClockNs: int64(s.VMClock % time.Second), Name: s.Name, DateSec: s.Date.Unix(), DateNs: s.Date.Nanosecond(),
			Clock: int64(s.VMClock / time.Second), ID: s.ID, VMState: s.VMStateSize}
		if s.ICount >= 0 {
			q.ICount = &s.ICount
		}
		d.Snapshots = append(d.Snapshots, q)
	}
	switch {
	case i.Format == "qcow2":
		d.Specific = &qemuSpecific{"qcow2", newQemuQcow2(i)}
		if i.DataFile != nil {
			d.ActualSize += takes(path, i.DataFile.Name)
		}
	case i.VMDK != nil:
		v := qemuVMDK{CID: i.VMDK.CID, ParentCID: i.VMDK.ParentCID, CreateType: i.VMDK.Subformat, Extents: []qemuExtent{}}
		for _, e := range i.VMDK.Extents {
			q := qemuExtent{VirtualSize: e.Size, Filename: path, Compressed: i.VMDK.Compressed}
			if !strings.HasPrefix(e.Kind, "FLAT") && e.Kind != "VMFS" {
				q.ClusterSize = i.ClusterSize
			}
			if v.CreateType != "monolithicSparse" && v.CreateType != "streamOptimized" {
				q.Filename, q.Format = qemuPath(path, e.Name), e.Kind
				d.ActualSize += takes(path, e.Name)
			}
			v.Extents = append(v.Extents, q)
		}
		d.Specific = &qemuSpecific{"vmdk", v}
	}
	return d
}

func newQemuQcow2(i *format.Info) qemuQcow2 {
	q := qemuQcow2{Compat: i.Compat, Compression: i.CompressionType, Refcount: i.RefcountBits}
	for _, b := range i.Bitmaps {
		x := qemuBitmap{Flags: []string{}, Name: b.Name, Granularity: b.Granularity}
		if b.InUse {
			x.Flags = append(x.Flags, "in-use")
		}
		if b.Auto {
			x.Flags = append(x.Flags, "auto")
		}
		q.Bitmaps = append(q.Bitmaps, x)
	}
	if i.Encryption != "" {
		q.Encrypt = &qemuEncrypt{strings.ToLower(i.Encryption)}
	}
	if i.Compat == "0.10" {
		return q
	}
	q.Lazy, q.Corrupt, q.ExtendedL2 = &i.LazyRefcounts, &i.Corrupt, &i.ExtendedL2
	if i.DataFile != nil {
		q.DataFile, q.DataFileRaw = i.DataFile.Name, &i.DataFileRaw
	}
	return q
}

// qemuPath is a name as qemu-img resolves it: in the folder of the image, whose
// name it keeps as the user wrote it.
func qemuPath(image, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	dir, _ := filepath.Split(image)
	return dir + name
}

// takes is how many bytes a file in the folder of an image takes on the disk, 0
// if that is unknown. It is not opened.
func takes(image, name string) int64 {
	if !filepath.IsLocal(name) {
		return 0
	}
	fi, err := os.Lstat(filepath.Join(filepath.Dir(image), name))
	if err != nil || !fi.Mode().IsRegular() {
		return 0
	}
	return max(format.Allocated(fi), 0)
}
