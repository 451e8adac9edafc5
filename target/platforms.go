package target

import (
	"fmt"
)

// The pages that the rules rest on, looked up in November 2026: some in whole, of
// others the part that the rule needs. Each says what its rules say, but where a
// comment tells otherwise; the dates are those of the pages.
const (
	// Of 2022-05-06, General Linux Installation Notes: only fixed VHDs, no VHDX;
	// all virtual sizes aligned to 1 MiB. It also says at most 1,023 GB, which
	// the pages on sizes below have outgrown.
	azureVHD = "https://learn.microsoft.com/azure/virtual-machines/linux/create-upload-generic"
	// Description: a .vhd file of N MiB and 512 bytes.
	azureFile = "https://learn.microsoft.com/powershell/module/az.compute/add-azvhd"
	// An upload has from 20 MiB to 32 TiB, and a footer of 512 bytes besides.
	azureUpload = "https://learn.microsoft.com/dotnet/api/azure.resourcemanager.compute.models.diskcreationdata.uploadsizebytes"
	// Of 2020-08-28, the last questions: disks of systems above 2 TiB are for
	// machines of generation 2, and above 4 TiB not supported.
	azureOSDisk = "https://learn.microsoft.com/azure/virtual-machines/generation-2"

	// Image formats: OVA of several disks, streamOptimized VMDK, fixed and dynamic
	// VHD and VHDX, raw.
	awsFormats = "https://docs.aws.amazon.com/vm-import/latest/userguide/prerequisites.html"
	// General limitations: no encrypted volumes, no delta disks (of the kind
	// seSparse), at most 21 volumes.
	awsLimits = "https://docs.aws.amazon.com/vm-import/latest/userguide/limitations-image-importing.html"

	// Understanding images: the bytes in a file disk.raw, archived by tar and
	// compressed by gzip.
	gcpImages = "https://cloud.google.com/solutions/image-management-best-practices"
	// Quotes the manual on --format=oldgnu, and the error without it. The manual's
	// page on manual imports itself could not be read.
	gcpOldGNU = "https://github.com/google/netbsd-gce/pull/4"
	// The size is rounded up to the next GiB.
	gcpSize = "https://github.com/rancher/elemental-toolkit/pull/406"

	// Of vSphere 6.0: OVF templates are what is deployed to ESXi.
	esxiOVF = "https://pubs.vmware.com/vsphere-60/topic/com.vmware.vsphere.vm_admin.doc/GUID-AE61948B-C2EE-436E-BAFB-3C7209088552.html"
	// ESXi refuses a package whose disk is not of the format #streamOptimized.
	esxiStream = "https://github.com/ilbers/isar/issues/106"
	// Lists the adapter types that a VMDK can state. That ESXi takes no others is
	// not confirmed by a page of VMware's.
	esxiAdapter = "https://osbuild.org/docs/developer-guide/projects/osbuild/modules/stages/org.osbuild.qemu"
	// Recent versions of ESXi reject others ("sparse VMDK version too old").
	esxiVersion = "https://github.com/glennmatthews/cot/issues/65"
	// Capacities count in KiB; one of other bytes fails.
	esxiKiB = "https://github.com/vmware/pyvmomi/issues/470"
	// VMDKs of at most 62 TB, on VMFS-5. The article was read in a quotation of
	// 2021-01-30.
	esxiMaximum = "https://kb.vmware.com/s/article/2058287"

	// Of 2016-09-28, Maximums for virtual machines: 64 TB for VHDX, 2040 GB for
	// VHD. It names these two formats.
	hypervMaximum = "https://learn.microsoft.com/windows-server/virtualization/hyper-v/plan/plan-hyper-v-scalability-in-windows-server"
	// The size of a disk is rounded up to the sector size.
	hypervSectors = "https://learn.microsoft.com/previous-versions/windows/desktop/iscsitarg/createvhdwtdisk-wt-disk"

	// The option --format: VDI, VMDK, VHD; --variant: Standard, Fixed, Split2G,
	// Stream, ESX; --diffparent: a parent is another file.
	vboxMedium = "https://docs.oracle.com/en/virtualization/virtualbox/6.0/user/vboxmanage-createmedium.html"

	// Image Format: raw, the QEMU image format, and the VMware image format for
	// exchange. That one file is imported, of whole sectors, without another one
	// behind it, is how its import works and is not said there.
	pveFormats = "https://pve.proxmox.com/pve-docs/chapter-qm.html"

	// Supported formats: qcow2, VMDK, VDI, VHD, VHDX and raw.
	cdiFormats = "https://github.com/kubevirt/containerized-data-importer/blob/main/doc/supported_operations.md"
	// An image with a backing file is invalid, and one of no supported format.
	// qemu-img converts the file alone and gets no key.
	cdiChecks = "https://github.com/kubevirt/containerized-data-importer/blob/main/pkg/image/qemu.go"
	// Sizes were rounded to 512 bytes, and are to MiBs of the claim now.
	cdiSize = "https://github.com/kubevirt/vm-import-operator/pull/508"
)

// targets is the table of all platforms.
func targets() []*Target {
	return []*Target{
		{
			Name: "azure", Title: "Microsoft Azure", align: mib, least: 20 * mib,
			Rules: []Rule{
				takes(azureVHD, "vhd"),
				layouts("fixed", azureVHD, "vhd", "fixed"),
				multiple(azureVHD, mib, "1 MiB"),
				{ID: "footer", Text: "the file is the disk and a footer of 512 bytes", Source: azureFile, Fix: "writes the size of the disk exactly", broken: func(f *Facts) string {
					if f.Format == "vhd" && f.Subformat == "fixed" && f.FileSize >= 0 && f.FileSize != f.Size+512 {
						return fmt.Sprintf("it has %d bytes, and the disk %d", f.FileSize, f.Size)
					}
					return ""
				}},
				atLeast("small", azureUpload, 20*mib, "20 MiB"),
				// What a disk is for cannot be told here; one of data may have up to
				// 32 TiB, but a system that cannot start is the worse surprise.
				atMost("size", azureOSDisk, "", 4095*gib, "4095 GiB, the most for the disk of a system"),
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
				whole(awsLimits),
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
				takes(gcpImages, "tar.gz"),
				{ID: "member", Text: "the archive holds one file, disk.raw", Source: gcpImages, Fix: "writes that file", broken: func(f *Facts) string {
					if f.Format == "tar.gz" && (len(f.Members) != 1 || f.Members[0].name != "disk.raw") {
						return fmt.Sprintf("it holds %d files", len(f.Members)) + firstName(f)
					}
					return ""
				}},
				{ID: "oldgnu", Text: "the archive is of the kind that GNU tar calls oldgnu", Source: gcpOldGNU, Fix: "writes that kind", broken: func(f *Facts) string {
					for _, m := range f.Members {
						if !m.old {
							return fmt.Sprintf("the header of %.80q is not", m.name)
						}
					}
					return ""
				}},
				multiple(gcpSize, gib, "1 GiB"),
			},
			outputs: []output{archive()},
		},
		{
			Name: "esxi", Title: "VMware ESXi", align: kib,
			Rules: []Rule{
				takes(esxiOVF, "vmdk", "ova"),
				{ID: "vmdk", Text: "disks are streamOptimized VMDKs", Source: esxiStream, Fix: "writes that subformat", broken: func(f *Facts) string {
					for _, d := range f.disks() {
						if d.Format == "vmdk" && d.Subformat != "streamOptimized" || d != f && d.Format != "vmdk" {
							return "one is " + d.Format + " " + d.Subformat
						}
					}
					return ""
				}},
				{ID: "adapter", Text: "the adapter type of a VMDK is lsilogic, buslogic, ide or legacyESX", Source: esxiAdapter, Fix: "writes lsilogic", broken: func(f *Facts) string {
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
				multiple(esxiKiB, kib, "1 KiB"),
				atMost("size", esxiMaximum, "", 62*tib, "62 TiB"),
				whole(esxiStream),
			},
			outputs: []output{vmdkStream(), ovaPackage()},
		},
		{
			Name: "hyperv", Title: "Hyper-V", align: mib,
			Rules: []Rule{
				takes(hypervMaximum, "vhdx", "vhd"),
				whole(hypervMaximum), // not said there: Hyper-V takes checkpoints with their parents, and convert writes none
				atMost("vhd-size", hypervMaximum, "vhd", 2040*gib, "2040 GiB"),
				atMost("vhdx-size", hypervMaximum, "vhdx", 64*tib, "64 TiB"),
				{ID: "sectors", Text: "the disk has whole sectors", Source: hypervSectors, Fix: "adds zeros up to the next MiB", broken: func(f *Facts) string {
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
				takes(vboxMedium, "vdi", "vmdk", "vhd", "ova"), // an OVA by VBoxManage import, of which other pages tell
				layouts("vmdk", vboxMedium, "vmdk", "monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat", "streamOptimized"),
				whole(vboxMedium),
			},
			outputs: []output{vdiImage(), vmdkImage(), vhdImage("dynamic"), ovaPackage()},
		},
		{
			Name: "proxmox", Title: "Proxmox VE", align: 512,
			Rules: []Rule{
				takes(pveFormats, "raw", "qcow2", "vmdk"),
				whole(pveFormats),
				oneFile(pveFormats),
				multiple(pveFormats, 512, "512 bytes"),
			},
			outputs: []output{qcow2Image(), rawImage(), vmdkImage()},
		},
		{
			Name: "kubevirt", Title: "KubeVirt", align: 512,
			Rules: []Rule{
				takes(cdiFormats, "raw", "qcow2", "vmdk", "vdi", "vhd", "vhdx"),
				whole(cdiChecks),
				oneFile(cdiChecks),
				plain(cdiChecks),
				multiple(cdiSize, 512, "512 bytes"),
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
