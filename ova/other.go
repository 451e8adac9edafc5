package ova

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/problem"
	"github.com/guestkit/guestkit/internal/tarhead"
	"github.com/guestkit/guestkit/internal/vma"
	"github.com/guestkit/guestkit/internal/wrapped"
	"github.com/guestkit/guestkit/internal/xva"
	"github.com/guestkit/guestkit/internal/zipfile"
)

// kind tells what archive the package is in; others than tar only where Options.Bare
// takes them.
func (p *Package) kind() (string, error) {
	head, err := block.ReadBytes(p.r, 0, min(p.r.Size(), headLen), headLen)
	if err != nil {
		return "", block.Locate(format, "archive", 0, err)
	}
	switch {
	case !p.o.Bare:
	case bytes.HasPrefix(head, []byte(vma.Magic)):
		return "vma", nil
	case zipfile.IsMagic(head):
		return "zip", nil
	case IsXVA(head):
		return "xva", nil
	}
	return "tar", nil
}

// IsXVA reports whether a tar archive that begins with head is one of XenServer. Headers
// of the pax format may come before its first member.
func IsXVA(head []byte) bool {
	return tarhead.First(head) == xva.Descriptor
}

// readZip reads the directory of a zip archive. A member that cannot be read is a
// problem.
func readZip(r block.Reader, most int64, problems *problem.List) (*archive, error) {
	members, err := zipfile.Read(r)
	if err != nil {
		return nil, err
	}
	a := &archive{kind: "zip", r: r, byName: map[string]int{}}
	for _, z := range members {
		if z.Dir {
			continue
		}
		data, err := z.Data(r)
		if err != nil {
			problems.Add(err)
			continue
		}
		m := member{name: strings.TrimPrefix(strings.ReplaceAll(z.Name, "\\", "/"), "./"), size: z.Size, device: &zipped{Device: data, crc: z.CRC}}
		if z.Method == zipfile.Deflated {
			f, err := wrapped.OpenDeflate(data, z.Size, z.CRC, wrapped.Limits{Size: most})
			if err != nil {
				problems.Add(block.Locate("zip", "member "+quote(z.Name), -1, err))
				continue
			}
			m.device = &zipped{Device: &inflated{f, data}, crc: z.CRC}
		}
		a.take(m, problems)
	}
	return a, nil
}

// openVMA opens an archive of Proxmox VE.
func (p *Package) openVMA() error {
	v, err := vma.Open(p.r)
	if err != nil {
		return err
	}
	p.archive = &archive{kind: "vma", r: p.r, byName: map[string]int{}}
	m := Machine{ID: "vm", Type: "Proxmox VE"}
	for line := range strings.Lines(string(v.Configs["qemu-server.conf"])) {
		if strings.HasPrefix(line, "[") {
			break // the snapshots
		}
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		m.setting(key, value)
	}
	for _, d := range v.Devices {
		disk := p.addDisk(d.Name, d)
		if disk == nil {
			continue
		}
		if disk.Aside = strings.Contains(d.Name, "efidisk") || strings.Contains(d.Name, "tpmstate"); !disk.Aside {
			m.Disks = append(m.Disks, Attachment{Disk: disk.ID})
		}
	}
	p.Machines = []Machine{m}
	return nil
}

// setting takes a line of a configuration of Proxmox VE.
func (m *Machine) setting(key, value string) {
	n, _ := strconv.ParseInt(value, 10, 32)
	switch key {
	case "name":
		m.Name = value
	case "ostype":
		m.OS = value
	case "memory":
		m.Memory = n << 20
	case "cores":
		m.CPUs = int(n) * max(m.CPUs, 1)
	case "sockets":
		m.CPUs = int(n) * max(m.CPUs, 1)
	case "bios":
		if m.Firmware = "bios"; value == "ovmf" {
			m.Firmware = "efi"
		}
	}
}

// addDisk adds a raw disk, whose file has its name; nil if there is another one of
// that name, which is a problem.
func (p *Package) addDisk(name string, d block.Device) *Disk {
	// Its name is no path, so that it may have a colon, as "Ref:12" has.
	if _, ok := p.archive.byName[name]; ok || name == "" || len(name) > maxName {
		p.problems.Add(block.Errorf(format, "disk "+quote(name), -1, block.ErrCorrupt, "another one has the same name, or it has none"))
		return nil
	}
	p.archive.byName[name] = len(p.archive.members)
	p.archive.members = append(p.archive.members, member{name: name, size: d.Size(), device: d})
	f := &File{ID: name, Href: name, Size: d.Size()}
	disk := &Disk{ID: name, File: f, Format: "raw"}
	p.Files = append(p.Files, f)
	p.Disks = append(p.Disks, disk)
	return disk
}
