package ova

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/xva"
)

// openXVA opens an archive of XenServer. Its descriptor is a document of XML-RPC: an
// array of the objects of the machine, of which the VM, its VBDs (what its disks are
// attached by) and VDIs (the disks) matter.
func (p *Package) openXVA() error {
	x, err := xva.Open(p.r)
	if err != nil {
		return err
	}
	root, err := parseXML(x.Text)
	if err != nil {
		return block.Locate("xva", xva.Descriptor, -1, err)
	}
	for _, err := range x.Odd {
		p.problems.Add(err)
	}
	p.archive = &archive{kind: "xva", r: p.r, byName: map[string]int{}}
	objects := rpcObjects(root)
	if objects == nil {
		p.problems.Add(block.Errorf("xva", xva.Descriptor, -1, block.ErrUnsupported, "it names no objects; the disks are in the order of the archive"))
	}
	snapshots := map[string]bool{} // references of machines
	for _, o := range objects {
		if o.class != "VM" || o.field("is_control_domain") == "1" {
			continue
		}
		if o.field("is_a_snapshot") == "1" {
			snapshots[o.id] = true
			continue
		}
		m := Machine{ID: o.id, Name: o.field("name_label"), Type: "XenServer", Firmware: o.member("HVM_boot_params", "firmware")}
		if m.Firmware == "uefi" {
			m.Firmware = "efi"
		}
		m.CPUs, _ = strconv.Atoi(o.field("VCPUs_max"))
		m.Memory, _ = strconv.ParseInt(o.field("memory_static_max"), 10, 64)
		p.Machines = append(p.Machines, m)
	}
	p.attachVBDs(objects, snapshots)
	aside := map[string]bool{}
	for _, o := range objects {
		if o.class == "VBD" && snapshots[o.field("VM")] {
			aside[o.field("VDI")] = true
		}
	}
	for _, o := range objects {
		d := x.Disk(o.id)
		if o.class != "VDI" || d == nil {
			continue
		}
		if n, err := strconv.ParseInt(o.field("virtual_size"), 10, 64); err == nil {
			if err := d.Sized(n); err != nil {
				return err
			}
		}
		if disk := p.addDisk(d.Name, d); disk != nil {
			disk.Aside = aside[d.Name]
		}
	}
	for _, d := range x.Disks { // of which the descriptor says nothing
		if p.disk(d.Name) == nil {
			p.addDisk(d.Name, d)
		}
	}
	for _, m := range p.Machines {
		for _, at := range m.Disks {
			if p.disk(at.Disk) == nil {
				p.problems.Add(block.Errorf("xva", "disk "+quote(at.Disk), -1, block.ErrMissing, "the machine has it, and it is not in the archive"))
			}
		}
	}
	return nil
}

// attachVBDs gives the machines their disks in the order of their device numbers.
func (p *Package) attachVBDs(objects []*rpcObject, snapshots map[string]bool) {
	for _, o := range objects {
		vm := o.field("VM")
		if o.class != "VBD" || o.field("type") == "CD" || o.field("empty") == "1" || snapshots[vm] {
			continue
		}
		for i := range p.Machines {
			if m := &p.Machines[i]; m.ID == vm || len(p.Machines) == 1 {
				n, _ := strconv.Atoi(o.field("userdevice"))
				m.Disks = append(m.Disks, Attachment{Disk: o.field("VDI"), Address: n})
				break
			}
		}
	}
	for _, m := range p.Machines {
		slices.SortStableFunc(m.Disks, func(a, b Attachment) int { return cmp.Compare(a.Address, b.Address) })
	}
}

// An rpcObject is an object of the descriptor.
type rpcObject struct {
	class, id string
	snapshot  *node // its fields
}

func (o *rpcObject) field(name string) string { return rpcText(rpcMember(o.snapshot, name)) }

func (o *rpcObject) member(name, key string) string {
	return rpcText(rpcMember(rpcMember(o.snapshot, name), key))
}

// rpcObjects returns the objects: those of the array "objects".
func rpcObjects(root *node) []*rpcObject {
	list := rpcMember(root, "objects").child("array").child("data")
	if list == nil {
		return nil
	}
	var out []*rpcObject
	for _, v := range list.children {
		if v.name != "value" {
			continue
		}
		o := &rpcObject{class: rpcText(rpcMember(v, "class")), id: rpcText(rpcMember(v, "id")), snapshot: rpcMember(v, "snapshot")}
		out = append(out, o)
	}
	return out
}

// rpcMember returns the value of a member of a struct, nil if there is none.
func rpcMember(value *node, name string) *node {
	s := value.child("struct")
	if s == nil {
		return nil
	}
	for _, m := range s.children {
		if n := m.child("name"); n != nil && n.text == name {
			return m.child("value")
		}
	}
	return nil
}

// rpcText is a simple value: text, or an element of its type around it.
func rpcText(value *node) string {
	switch {
	case value == nil:
		return ""
	case len(value.children) > 0:
		return value.children[0].text
	}
	return value.text
}
