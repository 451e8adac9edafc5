package ova

import (
	"strings"

	"github.com/guestkit/guestkit/internal/extentname"
	"github.com/guestkit/guestkit/internal/pattern"
)

// snapshotName is what VMware calls the changes of a snapshot.
var snapshotName = pattern.Of(`-[0-9]{6}\.vmdk$`)

// takeBare takes the members of an archive without a descriptor for the files of
// a package, and those that are called as images for its disks; a lone one of any
// name may be one. It reports whether there are any. An archive of many members is no package: a backup of a guest may
// hold images of all kinds.
func (p *Package) takeBare() bool {
	if len(p.archive.members) > maxBare {
		return false
	}
	for _, m := range p.archive.members {
		f := &File{ID: m.name, Href: m.name, Size: m.size}
		p.Files = append(p.Files, f)
		name := strings.ToLower(m.name)
		disk := &Disk{ID: m.name, File: f}
		switch ext := extension(name); ext {
		case ".img": // of any format
		case ".dd":
			disk.Format = "raw"
		case ".raw", ".qcow2", ".vmdk", ".vhd", ".vhdx", ".vdi":
			disk.Format = ext[1:]
		default:
			if len(p.archive.members) > 1 {
				continue
			}
			disk.Unnamed = true
		}
		if _, extent := extentname.Descriptor(name); !extent && !snapshotName().MatchString(name) {
			p.Disks = append(p.Disks, disk)
		}
	}
	return len(p.Disks) > 0
}
