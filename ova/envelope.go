package ova

import (
	"strings"

	"github.com/guestkit/guestkit/block"
)

// A File is a file that the descriptor names.
type File struct {
	ID          string
	Href        string // as the descriptor says it, may be hostile
	Size        int64  // bytes as stored, -1 if the descriptor does not say
	Compression string // "gzip", or "" if the file is stored as it is
	Chunked     bool   // it comes in pieces: Href with nine digits behind it
}

// A Disk is a disk of the package.
type Disk struct {
	ID       string
	File     *File  // nil for a disk that is blank
	Capacity int64  // bytes
	Format   string // "vmdk", "vhd", "vhdx", "qcow2", "vdi", "raw"; "" if the descriptor names no known one
	URI      string // by which the descriptor names the format
	Parent   string // id of the disk that this one holds the changes to, "" for a whole disk
	// Aside says that it is no disk of the guest, but what its firmware keeps or a
	// snapshot had.
	Aside bool
	// Unnamed says that neither a descriptor nor its name calls it a disk.
	Unnamed bool
}

// envelope is the descriptor, read.
type envelope struct {
	version  string
	files    []*File
	disks    []*Disk
	machines []Machine
}

const namespace = "http://schemas.dmtf.org/ovf/envelope/"

func parseEnvelope(text []byte, add func(error)) (*envelope, error) {
	root, err := parseXML(text)
	if err != nil {
		return nil, err
	}
	e := &envelope{}
	version, ok := strings.CutPrefix(strings.TrimRight(root.space, "/"), namespace) // oVirt has a slash behind it
	switch {
	case root.name != "Envelope":
		return nil, block.Errorf(format, "descriptor", 0, block.ErrFormat, "the root element is %.40q", root.name)
	case !ok || version != "1" && version != "2":
		return nil, block.Errorf(format, "descriptor", 0, block.ErrUnsupported, "an envelope of %.80q", root.space)
	}
	e.version = version
	odd := func(what string, class error, detail string, args ...any) {
		add(block.Errorf(format, what, -1, class, detail, args...))
	}
	ids := map[string]*File{}
	for _, n := range root.child("References").all("File") {
		f, err := readFile(n)
		if err != nil {
			odd("File "+quote(f.ID), err, "")
		}
		if ids[f.ID] != nil {
			odd("File "+quote(f.ID), block.ErrCorrupt, "a second one of that id, the first one counts")
			continue
		}
		if len(e.files) == maxFiles {
			return nil, block.Errorf(format, "References", -1, block.ErrLimit, "more than %d files", maxFiles)
		}
		ids[f.ID] = f
		e.files = append(e.files, f)
	}
	seen, dangling := map[string]bool{}, map[string]bool{}
	for _, n := range root.child("DiskSection").all("Disk") {
		d, err := readDisk(n)
		what := "Disk " + quote(d.ID)
		if err != nil {
			odd(what, err, "")
		}
		if ref := n.attr("fileRef"); ref != "" {
			if d.File = ids[ref]; d.File == nil { // the other disks are there
				odd(what, block.ErrCorrupt, "its file %.80q is not among the references; the disk is left out", ref)
				dangling[d.ID] = true
				continue
			}
		}
		if d.ID == "" {
			return nil, block.Errorf(format, what, -1, block.ErrCorrupt, "it has no diskId")
		}
		if seen[d.ID] {
			odd(what, block.ErrCorrupt, "a second one of that id, the first one counts")
			continue
		}
		if len(e.disks) == maxDisks {
			return nil, block.Errorf(format, "DiskSection", -1, block.ErrLimit, "more than %d disks", maxDisks)
		}
		seen[d.ID] = true
		e.disks = append(e.disks, d)
	}
	e.collect(root)
	for _, m := range e.machines {
		for _, a := range m.Disks {
			if !seen[a.Disk] && !dangling[a.Disk] {
				odd("machine "+quote(m.Name), block.ErrCorrupt, "its disk %.80q is not in the DiskSection", a.Disk)
			}
		}
	}
	return e, nil
}

// collect finds the machines, which collections may nest.
func (e *envelope) collect(n *node) {
	for _, c := range n.children {
		switch c.name {
		case "VirtualSystem":
			e.machines = append(e.machines, readMachine(c))
		case "VirtualSystemCollection":
			e.collect(c) // no deeper than parseXML allows
		}
	}
}

// readFile reads a File. The error is of a size that cannot be read.
func readFile(n *node) (*File, error) {
	f := &File{ID: n.attr("id"), Href: n.attr("href"), Size: -1, Chunked: n.attr("chunkSize") != ""}
	if c := n.attr("compression"); c != "identity" {
		f.Compression = c
	}
	if s := n.attr("size"); s != "" {
		size, err := bytesOf(s, "byte", "")
		if err != nil {
			return f, err
		}
		f.Size = size
	}
	return f, nil
}

// readDisk reads a Disk, but for its file. The error is of a capacity that
// cannot be read.
func readDisk(n *node) (*Disk, error) {
	d := &Disk{ID: n.attr("diskId"), URI: n.attr("format"), Parent: n.attr("parentRef")}
	d.Format = formatOf(d.URI)
	var err error
	if s := n.attr("capacity"); s != "" {
		d.Capacity, err = bytesOf(s, n.attr("capacityAllocationUnits"), "byte")
	}
	return d, err
}

// formats are what the URIs by which descriptors name formats have in them.
var formats = []struct{ part, format string }{
	{"vmdk", "vmdk"}, {"vhdx", "vhdx"}, {"vhd", "vhd"}, {"linkid=137171", "vhd"}, {"qcow", "qcow2"}, {"vdi", "vdi"}, {"/raw", "raw"},
}

func formatOf(uri string) string {
	uri = strings.ToLower(uri)
	for _, f := range formats {
		if strings.Contains(uri, f.part) {
			return f.format
		}
	}
	return ""
}
