package ova

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The schema of descriptors, as far as they are written: DSP8023 1.0.0 of
// 2009-01-15 (the envelope), and the CIM schema 2.22 of the classes
// CIM_VirtualSystemSettingData and CIM_ResourceAllocationSettingData, whose
// elements come in the order of the alphabet. Attributes are qualified.

const (
	nsOVF  = "http://schemas.dmtf.org/ovf/envelope/1"
	nsRASD = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
	nsVSSD = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
	nsVMW  = "http://www.vmware.com/schema/ovf"
)

// An elementRule says which attributes and elements an element of the envelope
// has: ! must be there once, ? may be once, * may be any number of times.
type elementRule struct {
	attrs    string // those that must be there, and with a ? those that may be
	space    string // of the elements in it
	elements string // in their order
	others   bool   // elements of other namespaces may follow
}

var schema = map[string]elementRule{
	// DSP0243 1.1.0, 7: References first, then sections, then one content.
	"Envelope":   {elements: "References! DiskSection? NetworkSection? VirtualSystem!"},
	"References": {elements: "File*"},
	"File":       {attrs: "id href size? compression? chunkSize?"},
	// 9.1
	"DiskSection": {attrs: "required?", elements: "Info! Disk*"},
	"Disk":        {attrs: "diskId capacity fileRef? capacityAllocationUnits? format? populatedSize? parentRef?"},
	// 9.2
	"NetworkSection": {attrs: "required?", elements: "Info! Network*"},
	"Network":        {attrs: "name", elements: "Description?"},
	// 7.2
	"VirtualSystem": {attrs: "id", elements: "Info! Name? OperatingSystemSection? VirtualHardwareSection?"},
	// 9.9
	"OperatingSystemSection": {attrs: "id version? required?", elements: "Info! Description?"},
	// 8.1
	"VirtualHardwareSection": {attrs: "transport? id? required?", elements: "Info! System? Item*", others: true},
	"System": {space: nsVSSD, elements: "AutomaticRecoveryAction? AutomaticShutdownAction? AutomaticStartupAction? AutomaticStartupActionDelay? " +
		"AutomaticStartupActionSequenceNumber? Caption? ConfigurationDataRoot? ConfigurationFile? ConfigurationID? CreationTime? Description? ElementName! " +
		"InstanceID! LogDataRoot? Notes? RecoveryFile? SnapshotDataRoot? SuspendDataRoot? SwapFileDataRoot? VirtualSystemIdentifier? VirtualSystemType?"},
	// 8.3
	"Item": {attrs: "required? configuration? bound?", space: nsRASD, elements: "Address? AddressOnParent? AllocationUnits? AutomaticAllocation? " +
		"AutomaticDeallocation? Caption? Connection* ConsumerVisibility? Description? ElementName! HostResource* InstanceID! Limit? MappingBehavior? " +
		"OtherResourceType? Parent? PoolID? Reservation? ResourceSubType? ResourceType? VirtualQuantity? VirtualQuantityUnits? Weight?", others: true},
}

// conform returns what the schema has against an element and those in it.
func conform(n *node) []string {
	var out []string
	wrong := func(format string, args ...any) { out = append(out, n.name+": "+fmt.Sprintf(format, args...)) }
	r, known := schema[n.name]
	if n.space == nsOVF && known {
		for _, a := range strings.Fields(r.attrs) {
			name, optional := strings.CutSuffix(a, "?")
			if !optional && n.attr(name) == "" {
				wrong("it has no attribute %s", name)
			}
		}
	}
	for _, a := range n.attrs {
		switch a.Name.Space {
		case nsVMW, "xmlns":
			continue
		case nsOVF:
		default:
			if a.Name.Local != "xmlns" {
				wrong("the attribute %s is not qualified", a.Name.Local)
			}
			continue
		}
		if allowed := strings.Fields(strings.ReplaceAll(r.attrs, "?", "")); known && !slices.Contains(allowed, a.Name.Local) {
			wrong("it has an attribute %s", a.Name.Local)
		}
	}
	if !known {
		if n.space == nsOVF && n.name != "Info" && n.name != "Name" && n.name != "Description" {
			wrong("there is no such element")
		}
		return out
	}
	space := r.space
	if space == "" {
		space = nsOVF
	}
	rest := n.children
	for _, e := range strings.Fields(r.elements) {
		name, many := e[:len(e)-1], e[len(e)-1]
		count := 0
		for len(rest) > 0 && rest[0].name == name && rest[0].space == space {
			rest = rest[1:]
			count++
		}
		if many == '!' && count != 1 || many == '?' && count > 1 {
			wrong("%d elements %s at their place", count, name)
		}
	}
	for _, c := range rest {
		if !r.others || c.space == nsOVF || c.space == space {
			wrong("%s is out of order, or unknown", c.name)
		}
	}
	for _, c := range n.children {
		out = append(out, conform(c)...)
	}
	return out
}

// references checks what no schema can: that every name leads somewhere, and is
// that of one thing (DSP0243 1.1.0, 7.1, 8.3, 9.1 and 9.2).
func references(root *node) []string {
	var out []string
	wrong := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	set := func(nodes []*node, attr string) map[string]bool {
		names := map[string]bool{}
		for _, n := range nodes {
			if names[n.attr(attr)] {
				wrong("a second %s %s", n.name, n.attr(attr))
			}
			names[n.attr(attr)] = true
		}
		return names
	}
	files := set(root.child("References").all("File"), "id")
	disks := set(root.child("DiskSection").all("Disk"), "diskId")
	networks := set(root.child("NetworkSection").all("Network"), "name")
	for _, d := range root.child("DiskSection").all("Disk") {
		if !files[d.attr("fileRef")] {
			wrong("the disk %s has no file", d.attr("diskId"))
		}
		if _, err := strconv.ParseInt(d.attr("capacity"), 10, 64); err != nil {
			wrong("the capacity %q", d.attr("capacity"))
		}
	}
	system := root.child("VirtualSystem")
	if _, err := strconv.ParseUint(system.child("OperatingSystemSection").attr("id"), 10, 16); err != nil {
		wrong("the system %v", err)
	}
	hw := system.child("VirtualHardwareSection")
	ids, places := map[string]string{}, map[string]bool{}
	used := map[string]int{}
	for _, i := range hw.all("Item") {
		id, typ := i.textOf("InstanceID"), i.textOf("ResourceType")
		if _, err := strconv.ParseUint(typ, 10, 16); err != nil || ids[id] != "" || id == "0" {
			wrong("an item of the type %q and the id %q", typ, id)
		}
		ids[id] = typ
		if p := i.textOf("Parent"); p != "" {
			if ids[p] == "" { // controllers come first
				wrong("the item %s has no parent %s", id, p)
			}
			at := p + ":" + i.textOf("AddressOnParent")
			if places[at] || ids[p] == typeSCSI && strings.HasSuffix(at, ":7") {
				wrong("two items at %s, or one at the place of the controller", at)
			}
			places[at] = true
		}
		if h := i.textOf("HostResource"); h != "" {
			disk, ok := strings.CutPrefix(h, "ovf:/disk/")
			if !ok || !disks[disk] {
				wrong("the item %s leads to %s", id, h)
			}
			used[disk]++
		}
		if c := i.child("Connection"); c != nil && !networks[c.text] {
			wrong("there is no network %q", c.text)
		}
	}
	for d := range disks {
		if used[d] != 1 {
			wrong("%d items have the disk %s", used[d], d)
		}
	}
	return out
}

// TestSchema holds every kind of descriptor that is written to the schema.
func TestSchema(t *testing.T) {
	checked := 0
	for _, controller := range Controllers() {
		for _, disks := range []int{1, 2, busOf(controller).most} {
			for _, secure := range []bool{false, true} {
				for nics := range 4 {
					l := Layout{Name: `a "b" & <c> é`, Controller: controller, Firmware: "efi", SecureBoot: secure, CPUs: 3, OS: "windows2019srv_64Guest"}
					if !secure {
						l.Firmware, l.OS = "bios", ""
					}
					for i := range nics {
						l.NICs = append(l.NICs, NIC{Network: []string{"", "VM Network", "a & <b>"}[i], Model: Models()[(i+disks)%len(Models())]})
					}
					for i := range disks {
						l.Sizes = append(l.Sizes, int64(i)*1000)
					}
					l = l.withDefaults()
					if err := l.validate(); err != nil {
						t.Fatal(err)
					}
					root, err := parseXML(l.descriptor(l.Sizes))
					if err != nil {
						t.Fatal(err)
					}
					if faults := append(conform(root), references(root)...); len(faults) > 0 {
						t.Errorf("%+v: %q", l, faults)
					}
					checked++
				}
			}
		}
	}
	if checked < 100 {
		t.Errorf("%d descriptors", checked)
	}
}

// TestSchemaRefuses: the test above sees what is wrong.
func TestSchemaRefuses(t *testing.T) {
	l := Layout{Sizes: []int64{512, 512}, NICs: []NIC{{}}}
	l = l.withDefaults()
	good := string(l.descriptor(l.Sizes))
	swap := func(old, text string) string { return strings.Replace(good, old, text, 1) }
	for name, text := range map[string]string{
		"no Info": swap("<Info>The virtual disks</Info>", ""),
		"order": strings.Replace(swap("<rasd:Address>0</rasd:Address>", ""), // an element behind those that follow it
			"<rasd:ResourceType>6</rasd:ResourceType>", "<rasd:ResourceType>6</rasd:ResourceType><rasd:Address>0</rasd:Address>", 1),
		"unqualified":    swap(`<File ovf:id=`, `<File id=`),
		"two of one id":  swap(`ovf:id="file2"`, `ovf:id="file1"`),
		"lost network":   swap(`<Network ovf:name="VM Network">`, `<Network ovf:name="other">`),
		"lost file":      swap(`ovf:fileRef="file2"`, `ovf:fileRef="file3"`),
		"unknown":        swap("<References>", "<Product/><References>"),
		"no ElementName": swap("<rasd:ElementName>Disk controller 0</rasd:ElementName>", ""),
		"one instance":   swap("<rasd:InstanceID>2</rasd:InstanceID>", "<rasd:InstanceID>1</rasd:InstanceID>"),
	} {
		root, err := parseXML([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if text == good || len(append(conform(root), references(root)...)) == 0 {
			t.Errorf("%s: nothing is wrong with it", name)
		}
	}
}
