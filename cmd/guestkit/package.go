package main

import (
	"fmt"
	"strings"

	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/terminal"
	"github.com/guestkit/guestkit/ova"
)

// A machineDoc is what a package of machines asks for.
type machineDoc struct {
	ID          string          `json:"id"`
	Name        string          `json:"name"`
	OS          string          `json:"os,omitempty"`
	Type        string          `json:"type,omitempty"`
	CPUs        int             `json:"cpus,omitempty"`
	Memory      int64           `json:"memory,omitempty"`
	Firmware    string          `json:"firmware,omitempty"`
	SecureBoot  bool            `json:"secure_boot,omitempty"`
	NICs        []nicDoc        `json:"nics"`
	Controllers []controllerDoc `json:"controllers"`
	Disks       []attachmentDoc `json:"disks"`
}

type nicDoc struct {
	Name    string `json:"name,omitempty"`
	Network string `json:"network,omitempty"`
	Model   string `json:"model,omitempty"`
	MAC     string `json:"mac,omitempty"`
}

type controllerDoc struct {
	ID    string `json:"id"`
	Name  string `json:"name,omitempty"`
	Bus   string `json:"bus"`
	Model string `json:"model,omitempty"`
}

type attachmentDoc struct {
	Disk       string `json:"disk"`
	Controller string `json:"controller,omitempty"`
	Address    int    `json:"address"`
}

func newMachineDoc(m ova.Machine) machineDoc {
	d := machineDoc{ID: m.ID, Name: m.Name, OS: m.OS, Type: m.Type, CPUs: m.CPUs, Memory: m.Memory, Firmware: m.Firmware, SecureBoot: m.SecureBoot,
		NICs: []nicDoc{}, Controllers: []controllerDoc{}, Disks: []attachmentDoc{}}
	for _, n := range m.NICs {
		d.NICs = append(d.NICs, nicDoc(n))
	}
	for _, c := range m.Controllers {
		d.Controllers = append(d.Controllers, controllerDoc(c))
	}
	for _, at := range m.Disks {
		d.Disks = append(d.Disks, attachmentDoc(at))
	}
	return d
}

// shownName names an image file, and the disk in it where it is a package.
func shownName(i *format.Info) string {
	if i.Disk == "" {
		return i.Name
	}
	name := i.Member
	if name == "" {
		name = i.Disk
	}
	return i.Name + " (" + name + ")"
}

// showMachines prints what a package holds.
func (a *app) showMachines(i *format.Info) {
	for _, m := range i.Machines {
		a.out.Printf("\n  %s\n", terminal.Bold.In(m.Name))
		t := &terminal.Table{Indent: 2}
		row := func(title, value string) {
			if value != "" {
				t.Row(terminal.Dim.In(title), value)
			}
		}
		row("system", m.OS)
		row("hardware", m.Type)
		row("processors", iff(m.CPUs > 0, fmt.Sprint(m.CPUs)))
		row("memory", iff(m.Memory > 0, terminal.Size(m.Memory)))
		row("firmware", m.Firmware+iff(m.SecureBoot, ", secure boot"))
		title := "network"
		for _, n := range m.NICs {
			t.Row(terminal.Dim.In(title), join(n.Model, iff(n.Network != "", "on "+n.Network), n.MAC))
			title = ""
		}
		title = "controllers"
		for _, c := range m.Controllers {
			t.Row(terminal.Dim.In(title), join(c.Bus, c.Model)+iff(len(attached(m, c)) > 0, ": "+strings.Join(attached(m, c), ", ")))
			title = ""
		}
		a.out.Table(t)
	}
	if len(i.Disks) > 0 {
		a.out.Printf("\n")
		t := &terminal.Table{Indent: 2, Right: "r---r"}
		t.Head("DISK", "ID", "FILE", "FORMAT", "SIZE")
		for n, d := range i.Disks {
			file := d.Member
			if file == "" {
				file = "none, it is blank"
			}
			t.Row(n+1, d.Disk, file, formatLine(&format.Info{Format: d.Format, Version: d.Version, Subformat: d.Subformat}), terminal.Size(d.VirtualSize))
		}
		a.out.Table(t)
	}
}

// attached lists the disks on a controller.
func attached(m ova.Machine, c ova.Controller) []string {
	var out []string
	for _, at := range m.Disks {
		if at.Controller == c.ID {
			out = append(out, at.Disk)
		}
	}
	return out
}

// partLine names the parts of a split file.
func partLine(parts []string) string {
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("%d, to %s", len(parts), parts[len(parts)-1])
}

// join puts words side by side, but for empty ones.
func join(words ...string) string {
	var out []string
	for _, w := range words {
		if w != "" {
			out = append(out, w)
		}
	}
	return strings.Join(out, " ")
}

// verifyPackage compares the files of the OVA or OVF at path with its manifest.
func (a *app) verifyPackage(path string, o *format.Options) ([]error, error) {
	p, faults, err := format.VerifyFile(a.ctx, path, o)
	if err != nil {
		return nil, err
	}
	a.note("%s: %d checksums of the manifest, %d faults", path, p.Checksums, len(faults))
	if p.Certificate != "" && !a.quiet {
		a.err.Printf("guestkit: %s: the signature in %s is not judged\n", path, p.Certificate)
	}
	return faults, nil
}
