package ova

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
)

// A Layout says what package to write: one machine with its disks. The zero
// value of every field but Sizes asks for a plain machine that VMware's
// products and VirtualBox take.
type Layout struct {
	// Name is that of the machine, and in it what is no letter, digit or any
	// of "._-" becomes "_", that of its files. "" means vm.
	Name  string
	Sizes []int64 // of the disks, in bytes; sectors of 512 are filled up

	OS         string // VMware's name of a guest system; "" means otherGuest64
	CPUs       int    // 0 means 1
	Memory     int64  // bytes, a whole number of MiB; 0 means 1 GiB
	Firmware   string // "bios" (also if empty) or "efi"
	SecureBoot bool   // needs efi
	Controller string // of the disks, one of Controllers; "" means lsilogic
	NICs       []NIC  // of which Network and Model count
	Hardware   string // "" means vmx-10, or vmx-13 for secure boot
}

// Controllers returns what disks can be attached to.
func Controllers() []string {
	return []string{"lsilogic", "lsilogicsas", "buslogic", "pvscsi", "sata", "ide"}
}

// Models returns the network adapters that a machine can have.
func Models() []string { return []string{"E1000", "E1000e", "VmxNet3", "PCNet32"} }

// A bus is how disks are attached to a controller.
type bus struct {
	resource, subtype string
	most              int // disks
	address           func(i int) int
}

func inOrder(i int) int { return i }

func pastSeven(i int) int { // a SCSI controller itself has the address 7
	if i >= 7 {
		i++
	}
	return i
}

func busOf(controller string) bus {
	switch controller {
	case "ide":
		return bus{typeIDE, "", 2, inOrder}
	case "sata":
		return bus{typeOther, "vmware.sata.ahci", 30, inOrder}
	case "pvscsi":
		return bus{typeSCSI, "VirtualSCSI", 15, pastSeven}
	}
	return bus{typeSCSI, controller, 15, pastSeven}
}

// withDefaults fills the fields that are zero.
func (l Layout) withDefaults() Layout {
	def := func(p *string, v string) {
		if *p == "" {
			*p = v
		}
	}
	def(&l.Name, "vm")
	def(&l.OS, "otherGuest64")
	def(&l.Firmware, "bios")
	def(&l.Controller, "lsilogic")
	if l.SecureBoot {
		def(&l.Hardware, "vmx-13")
	}
	def(&l.Hardware, "vmx-10")
	if l.CPUs == 0 {
		l.CPUs = 1
	}
	if l.Memory == 0 {
		l.Memory = 1 << 30
	}
	l.NICs = slices.Clone(l.NICs)
	for i := range l.NICs {
		def(&l.NICs[i].Network, "VM Network")
		def(&l.NICs[i].Model, "E1000")
	}
	l.Sizes = slices.Clone(l.Sizes)
	for i := range l.Sizes {
		l.Sizes[i] += -l.Sizes[i] & 511
	}
	return l
}

func (l *Layout) validate() error {
	invalid := func(detail string, args ...any) error {
		return fmt.Errorf("ova: %w: %s", block.ErrOption, fmt.Sprintf(detail, args...))
	}
	most := busOf(l.Controller).most
	switch {
	case len(l.Sizes) == 0:
		return invalid("a package without disks")
	case !slices.Contains(Controllers(), l.Controller):
		return invalid("the controller %q is none of %s", l.Controller, strings.Join(Controllers(), ", "))
	case len(l.Sizes) > most:
		return invalid("%d disks, at most %d are attached to a controller of %s", len(l.Sizes), most, l.Controller)
	case slices.Min(l.Sizes) < 0:
		return invalid("a disk of less than no bytes")
	case l.CPUs < 1 || l.CPUs > 4096:
		return invalid("%d processors", l.CPUs)
	case l.Memory < 1<<20 || l.Memory%(1<<20) != 0:
		return invalid("%d bytes of memory are no number of MiB", l.Memory)
	case l.Firmware != "bios" && l.Firmware != "efi":
		return invalid("the firmware %q is not bios or efi", l.Firmware)
	case l.SecureBoot && l.Firmware != "efi":
		return invalid("secure boot needs the firmware efi")
	case len(l.NICs) > 10:
		return invalid("%d network adapters", len(l.NICs))
	}
	for _, n := range l.NICs {
		if !slices.Contains(Models(), n.Model) {
			return invalid("the network adapter %q is none of %s", n.Model, strings.Join(Models(), ", "))
		}
	}
	return nil
}

// fileName is the name of the package's files, without their extension.
func (l *Layout) fileName() string {
	clean := func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
			return r
		}
		return '_'
	}
	name := strings.TrimLeft(strings.Map(clean, l.Name), ".-")
	if name == "" {
		name = "vm"
	}
	return name[:min(len(name), 60)]
}

func (l *Layout) diskName(i int) string { return fmt.Sprintf("%s-disk%d.vmdk", l.fileName(), i+1) }

// osID is the number that the CIM has for a guest system: that of the family,
// since VMware's name says it better.
func osID(os string) int {
	s := strings.ToLower(os)
	switch {
	case strings.HasPrefix(s, "win"):
		return 103 // 64-bit Windows Server 2008 and what came after it
	case strings.Contains(s, "linux") || strings.Contains(s, "debian") || strings.Contains(s, "ubuntu") || strings.Contains(s, "rhel") ||
		strings.Contains(s, "centos") || strings.Contains(s, "fedora") || strings.Contains(s, "sles") || strings.Contains(s, "opensuse"):
		return 101 // 64-bit Linux
	}
	return 102 // another 64-bit system
}

func escape(s string) string {
	var b bytes.Buffer
	xml.EscapeText(&b, []byte(s)) // a Buffer takes all
	return b.String()
}

// descriptor is the OVF file, for disks whose files have these sizes.
func (l *Layout) descriptor(sizes []int64) []byte {
	var b bytes.Buffer
	p := func(format string, args ...any) {
		for i, a := range args {
			if s, ok := a.(string); ok {
				args[i] = escape(s)
			}
		}
		fmt.Fprintf(&b, format+"\n", args...)
	}
	p(`<?xml version="1.0" encoding="UTF-8"?>`)
	p(`<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"` +
		` xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"` +
		` xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"` +
		` xmlns:vmw="http://www.vmware.com/schema/ovf" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">`)
	p(`  <References>`)
	for i, size := range sizes {
		p(`    <File ovf:id="file%d" ovf:href="%s" ovf:size="%d"/>`, i+1, l.diskName(i), size)
	}
	p(`  </References>`)
	p(`  <DiskSection>`)
	p(`    <Info>The virtual disks</Info>`)
	for i, size := range l.Sizes {
		p(`    <Disk ovf:diskId="vmdisk%d" ovf:fileRef="file%d" ovf:capacity="%d" ovf:capacityAllocationUnits="byte" ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>`, i+1, i+1, size)
	}
	p(`  </DiskSection>`)
	if len(l.NICs) > 0 {
		p(`  <NetworkSection>`)
		p(`    <Info>The networks</Info>`)
		seen := map[string]bool{}
		for _, n := range l.NICs {
			if !seen[n.Network] {
				p(`    <Network ovf:name="%s"><Description>The network %s</Description></Network>`, n.Network, n.Network)
			}
			seen[n.Network] = true
		}
		p(`  </NetworkSection>`)
	}
	p(`  <VirtualSystem ovf:id="%s">`, l.fileName())
	p(`    <Info>A virtual machine</Info>`)
	p(`    <Name>%s</Name>`, l.Name)
	p(`    <OperatingSystemSection ovf:id="%d" vmw:osType="%s">`, osID(l.OS), l.OS)
	p(`      <Info>The guest operating system</Info>`)
	p(`    </OperatingSystemSection>`)
	p(`    <VirtualHardwareSection>`)
	p(`      <Info>The virtual hardware</Info>`)
	p(`      <System>`)
	p(`        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>`)
	p(`        <vssd:InstanceID>0</vssd:InstanceID>`)
	p(`        <vssd:VirtualSystemIdentifier>%s</vssd:VirtualSystemIdentifier>`, l.Name)
	p(`        <vssd:VirtualSystemType>%s</vssd:VirtualSystemType>`, l.Hardware)
	p(`      </System>`)
	instance := 0
	// The elements of an item are in the order of the alphabet.
	item := func(elements ...string) {
		instance++
		elements = append(elements, "InstanceID", fmt.Sprint(instance))
		p(`      <Item>`)
		names := map[string]string{}
		var order []string
		for i := 0; i < len(elements); i += 2 {
			if elements[i+1] != "" {
				names[elements[i]] = elements[i+1]
				order = append(order, elements[i])
			}
		}
		slices.Sort(order)
		for _, name := range order {
			p(`        <rasd:%s>%s</rasd:%s>`, name, names[name], name)
		}
		p(`      </Item>`)
	}
	item("AllocationUnits", "hertz * 10^6", "Description", "Number of virtual CPUs", "ElementName", fmt.Sprintf("%d virtual CPUs", l.CPUs),
		"ResourceType", typeCPU, "VirtualQuantity", fmt.Sprint(l.CPUs))
	item("AllocationUnits", "byte * 2^20", "Description", "Memory size", "ElementName", fmt.Sprintf("%d MB of memory", l.Memory>>20),
		"ResourceType", typeMemory, "VirtualQuantity", fmt.Sprint(l.Memory>>20))
	c := busOf(l.Controller)
	item("Address", "0", "Description", "Disk controller", "ElementName", "Disk controller 0", "ResourceSubType", c.subtype, "ResourceType", c.resource)
	controller := fmt.Sprint(instance)
	for i := range l.Sizes {
		item("AddressOnParent", fmt.Sprint(c.address(i)), "ElementName", fmt.Sprintf("Hard disk %d", i+1), "HostResource", fmt.Sprintf("ovf:/disk/vmdisk%d", i+1),
			"Parent", controller, "ResourceType", typeDisk)
	}
	for i, n := range l.NICs {
		item("AddressOnParent", fmt.Sprint(i), "AutomaticAllocation", "true", "Connection", n.Network, "ElementName", fmt.Sprintf("Network adapter %d", i+1),
			"ResourceSubType", n.Model, "ResourceType", typeNIC)
	}
	if l.Firmware == "efi" {
		p(`      <vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="efi"/>`)
	}
	if l.SecureBoot {
		p(`      <vmw:Config ovf:required="false" vmw:key="bootOptions.efiSecureBootEnabled" vmw:value="true"/>`)
	}
	p(`    </VirtualHardwareSection>`)
	p(`  </VirtualSystem>`)
	p(`</Envelope>`)
	return b.Bytes()
}

// Layout returns a layout with the hardware that a machine of another package
// asks for, as far as a package that is written can ask for it.
func (m *Machine) Layout() Layout {
	l := Layout{Name: m.Name, CPUs: min(m.CPUs, 4096), Memory: m.Memory &^ (1<<20 - 1), Firmware: m.Firmware, SecureBoot: m.SecureBoot && m.Firmware == "efi"}
	if strings.HasSuffix(m.OS, "Guest") || strings.HasSuffix(m.OS, "Guest64") {
		l.OS = m.OS
	}
	if strings.HasPrefix(m.Type, "vmx-") {
		l.Hardware = m.Type
	}
	for _, n := range m.NICs[:min(len(m.NICs), 10)] {
		model := ""
		for _, known := range Models() {
			if strings.EqualFold(known, n.Model) {
				model = known
			}
		}
		l.NICs = append(l.NICs, NIC{Network: n.Network, Model: model})
	}
	for _, a := range m.Disks {
		for _, c := range m.Controllers {
			if c.ID != a.Controller || l.Controller != "" {
				continue
			}
			switch {
			case c.Bus == "sata" || c.Bus == "ide":
				l.Controller = c.Bus
			case strings.EqualFold(c.Model, "VirtualSCSI"):
				l.Controller = "pvscsi"
			case slices.Contains(Controllers(), strings.ToLower(c.Model)):
				l.Controller = strings.ToLower(c.Model)
			}
		}
	}
	return l
}
