package ova

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
)

// A part is a member of an archive to build.
type part struct {
	name string
	data string
	edit func(h *tar.Header)
}

func pack(t testing.TB, parts ...part) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, p := range parts {
		h := &tar.Header{Name: p.name, Mode: 0o644, Size: int64(len(p.data)), Typeflag: tar.TypeReg}
		if p.edit != nil {
			p.edit(h)
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write([]byte(p.data)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// descriptor is an envelope with these references and disks, and a machine as
// VMware's tools describe one.
func descriptor(files, disks string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>
<!--a comment-->
<ovf:Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:vmw="http://www.vmware.com/schema/ovf" xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData" xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData">
<References>` + files + `</References>
<DiskSection><Info/>` + disks + `</DiskSection>
<VirtualSystem ovf:id="vm"><Info/><Name>web &amp; more</Name>
<OperatingSystemSection ovf:id="96" vmw:osType="debian12_64Guest"><Info/></OperatingSystemSection>
<VirtualHardwareSection><Info/>
<System><vssd:VirtualSystemType>vmx-13</vssd:VirtualSystemType></System>
<Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>2</rasd:VirtualQuantity></Item>
<Item><rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits><rasd:InstanceID>2</rasd:InstanceID><rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>2048</rasd:VirtualQuantity></Item>
<Item><rasd:ElementName>IDE 0</rasd:ElementName><rasd:InstanceID>5</rasd:InstanceID><rasd:ResourceType>5</rasd:ResourceType></Item>
<Item><rasd:ElementName>SCSI 0</rasd:ElementName><rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceSubType>lsilogic</rasd:ResourceSubType><rasd:ResourceType>6</rasd:ResourceType></Item>
<Item><rasd:ElementName>SATA</rasd:ElementName><rasd:InstanceID>4</rasd:InstanceID><rasd:ResourceSubType>vmware.sata.ahci</rasd:ResourceSubType><rasd:ResourceType>20</rasd:ResourceType></Item>
<Item><rasd:AddressOnParent>1</rasd:AddressOnParent><rasd:HostResource>ovf:/disk/two</rasd:HostResource><rasd:InstanceID>9</rasd:InstanceID><rasd:Parent>3</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
<Item><rasd:AddressOnParent>0</rasd:AddressOnParent><rasd:HostResource>ovf:/disk/one</rasd:HostResource><rasd:InstanceID>8</rasd:InstanceID><rasd:Parent>3</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
<Item><rasd:Address>00:50:56:00:00:01</rasd:Address><rasd:Connection>VM Network</rasd:Connection><rasd:ElementName>Ethernet 1</rasd:ElementName><rasd:InstanceID>10</rasd:InstanceID><rasd:ResourceSubType>VmxNet3</rasd:ResourceSubType><rasd:ResourceType>10</rasd:ResourceType></Item>
<vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="efi"/>
<vmw:Config ovf:required="false" vmw:key="uefi.secureBoot.enabled" vmw:value="true"/>
</VirtualHardwareSection></VirtualSystem></ovf:Envelope>`
}

// twoDisks is the package of most tests: disk "two" comes first in the
// DiskSection and second on its controller.
func twoDisks(t testing.TB) []byte {
	return pack(t, twoParts()...)
}

func twoParts() []part {
	ovf := part{name: "vm.ovf", data: descriptor(
		`<File ovf:id="f2" ovf:href="two.raw" ovf:size="7"/><File ovf:id="f1" ovf:href="./one%20disk.raw"/>`,
		`<Disk ovf:diskId="two" ovf:fileRef="f2" ovf:capacity="7" ovf:format="x/raw"/>
		<Disk ovf:diskId="one" ovf:fileRef="f1" ovf:capacity="1" ovf:capacityAllocationUnits="byte * 2^10" ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
		<Disk ovf:diskId="three" ovf:capacity="1" ovf:capacityAllocationUnits="byte * 2^30"/>`)}
	one, two := part{name: "one disk.raw", data: strings.Repeat("1", 1024)}, part{name: "two.raw", data: "2222222"}
	return []part{ovf, manifestOf("vm.mf", ovf, one, two), one, two, {name: "vm.cert", data: "signed"}}
}

func manifestOf(name string, parts ...part) part {
	text := ""
	for _, p := range parts {
		text += fmt.Sprintf("SHA256(%s)= %x\n", p.name, sha256.Sum256([]byte(p.data)))
	}
	return part{name: name, data: text}
}
