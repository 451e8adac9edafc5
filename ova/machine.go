package ova

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// A Machine is what a VirtualSystem asks for. What the descriptor does not say
// is zero.
type Machine struct {
	ID, Name    string
	OS          string // as the descriptor says it
	Type        string // of virtual hardware: "vmx-13", "virtualbox-2.2"
	CPUs        int
	Memory      int64  // bytes
	Firmware    string // "bios" or "efi"; "" if unsaid, which means BIOS as a rule
	SecureBoot  bool
	NICs        []NIC
	Controllers []Controller
	Disks       []Attachment // in the order of controllers and their addresses
}

// A NIC is a network adapter.
type NIC struct {
	Name    string
	Network string
	Model   string // "E1000", "VmxNet3"
	MAC     string
}

// A Controller is what disks are attached to.
type Controller struct {
	ID    string // InstanceID
	Name  string
	Bus   string // "ide", "scsi", "sata", "nvme", "usb", or "other"
	Model string // "lsilogic", "AHCI"
}

// An Attachment is a disk of a machine.
type Attachment struct {
	Disk       string // its id in the DiskSection
	Controller string // ID of its controller, "" if unsaid
	Address    int    // on the controller
}

// The resource types of the CIM that matter here.
const (
	typeCPU    = "3"
	typeMemory = "4"
	typeIDE    = "5"
	typeSCSI   = "6"
	typeNIC    = "10"
	typeDisk   = "17"
	typeOther  = "20" // storage: SATA and NVMe
	typeUSB    = "23"
)

// readMachine reads a VirtualSystem. Of several alternative hardware sections
// the first counts.
func readMachine(n *node) Machine {
	m := Machine{ID: n.attr("id"), Name: n.textOf("Name")}
	if m.Name == "" {
		m.Name = m.ID
	}
	if os := n.child("OperatingSystemSection"); os != nil {
		m.OS = cmp.Or(os.attr("osType"), os.textOf("Description"), os.textOf("OSType"))
	}
	hw := n.child("VirtualHardwareSection")
	if hw == nil {
		return m
	}
	m.Type = hw.child("System").textOf("VirtualSystemType")
	for _, item := range hw.children {
		switch item.name {
		case "Item", "StorageItem", "EthernetPortItem":
			m.take(item)
		case "Config", "ExtraConfig":
			m.configure(item)
		}
	}
	if vb := n.child("Machine"); vb != nil { // VirtualBox's own description
		if f := vb.child("Hardware").child("Firmware"); f != nil && m.Firmware == "" {
			m.Firmware = firmware(f.attr("type"))
		}
	}
	m.sortDisks()
	return m
}

// take takes in a hardware item.
func (m *Machine) take(item *node) {
	typ, sub := item.textOf("ResourceType"), item.textOf("ResourceSubType")
	name := item.textOf("ElementName")
	quantity := item.textOf("VirtualQuantity")
	controller := func(bus string) {
		m.Controllers = append(m.Controllers, Controller{ID: item.textOf("InstanceID"), Name: name, Bus: bus, Model: sub})
	}
	switch typ {
	case typeCPU:
		n, err := strconv.Atoi(quantity)
		if err == nil && n > 0 && n < 1<<20 {
			m.CPUs += n
		}
	case typeMemory:
		if n, err := bytesOf(quantity, item.textOf("AllocationUnits"), "byte * 2^20"); err == nil {
			m.Memory = n
		}
	case typeIDE:
		controller("ide")
	case typeSCSI:
		controller("scsi")
	case typeUSB:
		controller("usb")
	case typeOther:
		bus := "other"
		for _, known := range []string{"sata", "nvme"} {
			if strings.Contains(strings.ToLower(sub), known) {
				bus = known
			}
		}
		if strings.EqualFold(sub, "AHCI") {
			bus = "sata"
		}
		controller(bus)
	case typeNIC:
		m.NICs = append(m.NICs, NIC{Name: name, Network: item.textOf("Connection"), Model: sub, MAC: item.textOf("Address")})
	case typeDisk:
		if id, ok := diskID(item.textOf("HostResource")); ok {
			at, _ := strconv.Atoi(item.textOf("AddressOnParent"))
			m.Disks = append(m.Disks, Attachment{Disk: id, Controller: item.textOf("Parent"), Address: at})
		}
	}
}

// diskID reads a HostResource: "ovf:/disk/ID", or "disk/ID" in older ones.
func diskID(resource string) (string, bool) {
	_, id, ok := strings.Cut(resource, "disk/")
	return id, ok && id != ""
}

// configure takes in what VMware adds to the hardware.
func (m *Machine) configure(item *node) {
	key, value := item.attr("key"), item.attr("value")
	switch key {
	case "firmware":
		m.Firmware = firmware(value)
	case "uefi.secureBoot.enabled", "bootOptions.efiSecureBootEnabled":
		m.SecureBoot = strings.EqualFold(value, "true")
	}
}

func firmware(s string) string {
	switch s = strings.ToLower(s); {
	case strings.HasPrefix(s, "efi"): // EFI, EFI64, EFIDUAL
		return "efi"
	case s == "bios":
		return "bios"
	}
	return ""
}

// sortDisks brings the disks into the order in which the machine sees them.
func (m *Machine) sortDisks() {
	rank := map[string]int{}
	for i, c := range m.Controllers {
		if _, ok := rank[c.ID]; !ok {
			rank[c.ID] = i
		}
	}
	place := func(a Attachment) int {
		if i, ok := rank[a.Controller]; ok {
			return i
		}
		return len(rank)
	}
	slices.SortStableFunc(m.Disks, func(a, b Attachment) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a.Address, b.Address))
	})
}
