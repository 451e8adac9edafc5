package ova

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/charset"
	"github.com/guestkit/guestkit/internal/problem"
)

// A Package is an open OVA or OVF. It is immutable and safe for concurrent use.
type Package struct {
	// Version is that of the envelope, "1" or "2".
	Version string
	// Archive tells an OVA from a descriptor beside its files.
	Archive bool
	// Kind is that of the archive: "tar" (of an OVA, too), "zip", "xva" or "vma"; ""
	// for a descriptor beside its files.
	Kind string
	// Descriptor is the name of the OVF file in the archive, or Options.Name.
	Descriptor string
	// Certificate is the name of the file that holds a signature, which is not
	// judged; "" if there is none.
	Certificate string
	Machines    []Machine
	Disks       []*Disk // in the order of the DiskSection
	Files       []*File

	r        block.Reader
	o        Options
	archive  *archive               // nil if the descriptor lies alone
	found    map[fileKey]storedFile // in the archive
	sums     []Checksum
	noSums   error  // why the manifest could not be read
	text     []byte // of the descriptor
	problems problem.List
	inflated budget
}

// Open reads the index of the archive in r and its descriptor, or the
// descriptor that r is. The errors wrap block.ErrFormat if r is neither, or
// another class of package block. The Reader stays open.
func Open(r block.Reader, opts *Options) (*Package, error) {
	if opts == nil {
		opts = &Options{}
	}
	p := &Package{r: r, o: *opts, inflated: budget{left: opts.maxInflated()}}
	head, err := block.ReadBytes(r, 0, min(r.Size(), headLen), headLen)
	if err != nil {
		return nil, block.Locate(format, "header", 0, err)
	}
	if IsDescriptor(head) {
		p.text, err = block.ReadBytes(r, 0, r.Size(), MaxDescriptor)
	} else {
		err = p.openArchive()
	}
	if err != nil {
		return nil, block.Locate(format, "descriptor", 0, err)
	}
	if p.text != nil {
		e, err := parseEnvelope(p.text, p.problems.Add)
		if err != nil {
			return nil, err
		}
		p.Version, p.Machines, p.Disks, p.Files = e.version, e.machines, e.disks, e.files
	}
	if p.archive == nil {
		p.Descriptor = p.o.Name
	}
	if p.Descriptor != "" {
		if p.noSums = p.readManifest(); p.noSums != nil {
			p.problems.Add(p.noSums)
		}
	}
	if p.archive != nil {
		p.findFiles()
		p.compareFiles()
	}
	return p, nil
}

const headLen = 4096

// IsDescriptor reports whether a file that begins with head is an OVF
// descriptor: XML whose root element is an envelope.
func IsDescriptor(head []byte) bool {
	if s, ok := charset.Marked(head); ok {
		head = []byte(s)
	}
	head = bytes.TrimLeft(head, " \t\r\n")
	if !bytes.HasPrefix(head, []byte("<")) {
		return false
	}
	for len(head) > 0 && (bytes.HasPrefix(head, []byte("<?")) || bytes.HasPrefix(head, []byte("<!--"))) {
		end := []byte("?>")
		if head[1] == '!' {
			end = []byte("-->")
		}
		_, rest, ok := bytes.Cut(head, end)
		if !ok {
			return false
		}
		head = bytes.TrimLeft(rest, " \t\r\n")
	}
	tag, _, _ := bytes.Cut(head, []byte(">"))
	name, _, _ := bytes.Cut(bytes.TrimPrefix(tag, []byte("<")), []byte(" "))
	if _, local, ok := bytes.Cut(name, []byte(":")); ok {
		name = local
	}
	return string(bytes.TrimSpace(name)) == "Envelope" && bytes.Contains(tag, []byte("ovf"))
}

// openArchive finds the descriptor in the archive, which is its first member.
func (p *Package) openArchive() error {
	p.Archive = true
	var err error
	switch p.Kind, err = p.kind(); {
	case err != nil:
		return err
	case p.Kind == "vma":
		return p.openVMA()
	case p.Kind == "xva":
		return p.openXVA()
	case p.Kind == "zip":
		p.archive, err = readZip(p.r, p.o.maxInflated(), &p.problems)
	default:
		p.archive, err = readArchive(p.r, &p.problems)
	}
	if err != nil && !p.o.Bare {
		return block.Errorf(format, "archive", 0, fmt.Errorf("%w: %w", block.ErrFormat, err), "")
	}
	if err != nil {
		return err
	}
	for i, m := range p.archive.members {
		switch strings.ToLower(extension(m.name)) {
		case ".ovf":
			if p.Descriptor != "" {
				p.problems.Add(block.Errorf(format, "member "+quote(m.name), m.off, block.ErrCorrupt, "a second descriptor, which is not used"))
				continue
			}
			if i > 0 {
				p.problems.Add(block.Errorf(format, "member "+quote(m.name), m.off, block.ErrCorrupt, "the descriptor is not the first member"))
			}
			p.Descriptor = m.name
			text, _ := p.archive.open(m.name)
			if p.text, err = block.ReadBytes(text, 0, m.size, MaxDescriptor); err != nil {
				return block.Locate(format, "descriptor", m.off, err)
			}
		case ".cert":
			p.Certificate = m.name
		}
	}
	switch {
	case p.Descriptor != "":
		return nil
	case p.o.Bare && p.takeBare():
		return nil
	default:
		if odd := p.problems.All(); p.o.Bare && len(odd) > 0 {
			return odd[0] // such as a member that is stored sparse
		}
		return block.Errorf(format, "archive", 0, block.ErrFormat, "there is no OVF descriptor in it")
	}
}

func extension(name string) string { return name[max(strings.LastIndexByte(name, '.'), 0):] }

// compareFiles notes the files that are not in the archive, or have another
// size there.
func (p *Package) compareFiles() {
	for _, f := range p.Files {
		r, err := p.stored(f)
		if err != nil {
			p.problems.Add(err)
			continue
		}
		if f.Size >= 0 && f.Size != r.Size() {
			p.problems.Add(block.Errorf(format, "File "+quote(f.ID), -1, block.ErrCorrupt, "it has %d bytes, and the descriptor says %d", r.Size(), f.Size))
		}
	}
}

// Problems lists what is odd about the package and does not keep it from being
// read.
func (p *Package) Problems() []error { return p.problems.All() }

// Guest returns the disks of a machine in the order in which it sees them;
// disks of the package that no machine has come last. With several machines in
// the package the error names them.
func (p *Package) Guest() ([]*Disk, error) {
	if len(p.Machines) > 1 {
		var names []string
		for _, m := range p.Machines {
			names = append(names, quote(m.Name))
		}
		return nil, block.Errorf(format, "package", -1, block.ErrUnsupported, "it holds %d machines, %s: take their disks one by one", len(names), strings.Join(names[:min(len(names), 20)], ", "))
	}
	var out []*Disk
	taken := map[string]bool{}
	take := func(d *Disk) {
		if d != nil && !taken[d.ID] && !p.isParent(d) {
			taken[d.ID] = true
			out = append(out, d)
		}
	}
	for _, m := range p.Machines {
		for _, a := range m.Disks {
			take(p.disk(a.Disk))
		}
	}
	for _, d := range p.Disks {
		if !d.Aside {
			take(d)
		}
	}
	return out, nil
}

// isParent reports whether another disk of the package holds changes to d.
func (p *Package) isParent(d *Disk) bool {
	for _, c := range p.Disks {
		if c.Parent != "" && c.Parent == d.ID && c != d {
			return true
		}
	}
	return false
}

func (p *Package) disk(id string) *Disk {
	for _, d := range p.Disks {
		if d.ID == id {
			return d
		}
	}
	return nil
}

// Disk returns a disk by its id, the name of its file, or its number from 1 on
// in the order of Guest, or of Disks where there are several machines.
func (p *Package) Disk(name string) (*Disk, error) {
	if d := p.disk(name); d != nil {
		return d, nil
	}
	for _, d := range p.Disks {
		if d.File != nil && d.File.Href == name {
			return d, nil
		}
	}
	disks, err := p.Guest()
	if err != nil {
		disks = p.Disks
	}
	for i, d := range disks {
		if fmt.Sprint(i+1) == name {
			return d, nil
		}
	}
	return nil, fmt.Errorf("ova: there is no disk %.80q; there are %s", name, Names(disks))
}

// Names lists disks for a person, by number, id and file.
func Names(disks []*Disk) string {
	var out []string
	for i, d := range disks {
		name := fmt.Sprintf("%d (%s", i+1, quote(d.ID))
		if d.File != nil {
			name += ", " + quote(d.File.Href)
		}
		out = append(out, name+")")
	}
	if out == nil {
		return "none"
	}
	return strings.Join(out, ", ")
}
