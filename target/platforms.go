package target

import (
	"fmt"
)

// Where the platforms say what they take.
const (
	azureUpload   = "https://learn.microsoft.com/azure/virtual-machines/linux/create-upload-generic"
	azurePrepare  = "https://learn.microsoft.com/azure/virtual-machines/windows/prepare-for-upload-vhd-image"
	awsFormats    = "https://docs.aws.amazon.com/vm-import/latest/userguide/prerequisites.html"
	awsLimits     = "https://docs.aws.amazon.com/vm-import/latest/userguide/limitations-image-importing.html"
	gcpManual     = "https://cloud.google.com/compute/docs/import/import-existing-image"
	esxiOVF       = "https://docs.vmware.com/en/VMware-vSphere/8.0/vsphere-vm-administration/GUID-AE61948B-C2EE-436E-BAFB-3C7209088552.html"
	esxiVMDK      = "https://www.vmware.com/app/vmdk/?src=vmdk"
	esxiMaximums  = "https://configmax.broadcom.com"
	esxiVersion   = "https://github.com/glennmatthews/cot/issues/65"
	hypervFormats = "https://learn.microsoft.com/windows-server/virtualization/hyper-v/plan/should-i-create-a-generation-1-or-2-virtual-machine-in-hyper-v"
	hypervMaximum = "https://learn.microsoft.com/windows-server/virtualization/hyper-v/plan/plan-hyper-v-scalability-in-windows-server"
	hypervVHDX    = "https://learn.microsoft.com/openspecs/windows_protocols/ms-vhdx"
	vboxManual    = "https://www.virtualbox.org/manual/ch05.html"
	pveStorage    = "https://pve.proxmox.com/wiki/Storage"
	pveImport     = "https://pve.proxmox.com/pve-docs/qm.1.html"
	cdiSupported  = "https://github.com/kubevirt/containerized-data-importer/blob/main/doc/supported_operations.md"
	cdiSecurity   = "https://github.com/kubevirt/containerized-data-importer/blob/main/doc/image-from-registry.md"
)

// targets is the table of all platforms.
func targets() []*Target {
	return []*Target{
		{
			Name: "azure", Title: "Microsoft Azure", align: mib,
			Rules: []Rule{
				takes(azureUpload, "vhd"),
				layouts("fixed", azureUpload, "vhd", "fixed"),
				multiple(azureUpload, mib, "1 MiB"),
				{ID: "footer", Text: "the file is the disk and a footer of 512 bytes", Source: azureUpload, Fix: "writes the size of the disk exactly", broken: func(f *Facts) string {
					if f.Format == "vhd" && f.Subformat == "fixed" && f.FileSize >= 0 && f.FileSize != f.Size+512 {
						return fmt.Sprintf("it has %d bytes, and the disk %d", f.FileSize, f.Size)
					}
					return ""
				}},
				atMost("size", azurePrepare, "", 4095*gib, "4095 GiB"),
			},
			outputs: []output{vhdImage("fixed")},
		},
		{
			Name: "aws", Title: "AWS VM Import", align: 512,
			Rules: []Rule{
				takes(awsFormats, "raw", "vmdk", "vhd", "vhdx", "ova"),
				layouts("vmdk", awsFormats, "vmdk", "streamOptimized"),
				layouts("vhd", awsFormats, "vhd", "fixed", "dynamic"),
				layouts("vhdx", awsFormats, "vhdx", "fixed", "dynamic"),
				plain(awsLimits),
				whole(awsFormats),
				{ID: "volumes", Text: "a machine has at most 21 disks", Source: awsLimits, Fix: "writes one disk", broken: func(f *Facts) string {
					if len(f.Disks) > 21 {
						return fmt.Sprintf("it has %d", len(f.Disks))
					}
					return ""
				}},
			},
			outputs: []output{vmdkStream(), rawImage(), vhdImage("dynamic"), vhdxImage(), ovaPackage()},
		},
		{
			Name: "gcp", Title: "Google Compute Engine", align: gib,
			Rules: []Rule{
				takes(gcpManual, "tar.gz"),
				{ID: "member", Text: "the archive holds one file, disk.raw", Source: gcpManual, Fix: "writes that file", broken: func(f *Facts) string {
					if f.Format == "tar.gz" && (len(f.Members) != 1 || f.Members[0].name != "disk.raw") {
						return fmt.Sprintf("it holds %d files", len(f.Members)) + firstName(f)
					}
					return ""
				}},
				{ID: "oldgnu", Text: "the archive is of the kind that GNU tar calls oldgnu", Source: gcpManual, Fix: "writes that kind", broken: func(f *Facts) string {
					for _, m := range f.Members {
						if !m.old {
							return fmt.Sprintf("the header of %.80q is not", m.name)
						}
					}
					return ""
				}},
				multiple(gcpManual, gib, "1 GiB"),
			},
			outputs: []output{archive()},
		},
		{
			Name: "esxi", Title: "VMware ESXi", align: kib,
			Rules: []Rule{
				takes(esxiOVF, "vmdk", "ova"),
				{ID: "vmdk", Text: "disks are streamOptimized VMDKs", Source: esxiOVF, Fix: "writes that subformat", broken: func(f *Facts) string {
					for _, d := range f.disks() {
						if d.Format == "vmdk" && d.Subformat != "streamOptimized" || d != f && d.Format != "vmdk" {
							return "one is " + d.Format + " " + d.Subformat
						}
					}
					return ""
				}},
				{ID: "adapter", Text: "the adapter type of a VMDK is lsilogic, buslogic, ide or legacyESX", Source: esxiVMDK, Fix: "writes lsilogic", broken: func(f *Facts) string {
					for _, d := range f.disks() {
						if d.Format == "vmdk" && !known(d.Adapter, "lsilogic", "buslogic", "ide", "legacyESX") {
							return fmt.Sprintf("it is %.40q", d.Adapter)
						}
					}
					return ""
				}},
				{ID: "version", Text: "the header of a streamOptimized VMDK has the version 3", Source: esxiVersion, Fix: "writes that version", broken: func(f *Facts) string {
					for _, d := range f.disks() {
						if d.Format == "vmdk" && d.Subformat == "streamOptimized" && d.Version != 3 {
							return fmt.Sprintf("it has %d", d.Version)
						}
					}
					return ""
				}},
				multiple(esxiVMDK, kib, "1 KiB"),
				atMost("size", esxiMaximums, "", 62*tib, "62 TiB"),
				whole(esxiOVF),
			},
			outputs: []output{vmdkStream(), ovaPackage()},
		},
		{
			Name: "hyperv", Title: "Hyper-V", align: mib,
			Rules: []Rule{
				takes(hypervFormats, "vhdx", "vhd"),
				whole(hypervFormats),
				atMost("vhd-size", hypervMaximum, "vhd", 2040*gib, "2040 GiB"),
				atMost("vhdx-size", hypervMaximum, "vhdx", 64*tib, "64 TiB"),
				{ID: "sectors", Text: "the disk has whole sectors", Source: hypervVHDX, Fix: "adds zeros up to the next MiB", broken: func(f *Facts) string {
					sector := int64(max(f.SectorSize, 512))
					if f.Size%sector != 0 {
						return fmt.Sprintf("%d bytes are no multiple of %d", f.Size, sector)
					}
					return ""
				}},
			},
			outputs: []output{vhdxImage(), vhdImage("dynamic")},
		},
		{
			Name: "virtualbox", Title: "VirtualBox", align: 512,
			Rules: []Rule{
				takes(vboxManual, "vdi", "vmdk", "vhd", "ova"),
				layouts("vmdk", vboxManual, "vmdk", "monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat", "streamOptimized"),
				whole(vboxManual),
			},
			outputs: []output{vdiImage(), vmdkImage(), vhdImage("dynamic"), ovaPackage()},
		},
		{
			Name: "proxmox", Title: "Proxmox VE", align: 512,
			Rules: []Rule{
				takes(pveStorage, "raw", "qcow2", "vmdk"),
				whole(pveImport),
				oneFile(pveImport),
				multiple(pveStorage, 512, "512 bytes"),
			},
			outputs: []output{qcow2Image(), rawImage(), vmdkImage()},
		},
		{
			Name: "kubevirt", Title: "KubeVirt", align: 512,
			Rules: []Rule{
				takes(cdiSupported, "raw", "qcow2"),
				whole(cdiSecurity),
				plain(cdiSupported),
				multiple(cdiSupported, 512, "512 bytes"),
			},
			outputs: []output{qcow2Image(), rawImage()},
		},
	}
}

func firstName(f *Facts) string {
	if len(f.Members) == 0 {
		return ""
	}
	return fmt.Sprintf(", %.80q first", f.Members[0].name)
}
