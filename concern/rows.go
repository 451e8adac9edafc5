package concern

import "github.com/guestkit/guestkit/inspect"

// Groups of platforms, by the hardware that they give a guest by default.
var (
	kvm    = []string{"gcp", "proxmox", "kubevirt"}
	hyperV = []string{"azure", "hyperv"}
	aws    = []string{"aws"}
	// Where somebody must choose the firmware of a machine, and BIOS is what they
	// get otherwise.
	choosesFirmware = []string{"azure", "hyperv", "esxi", "virtualbox", "proxmox", "kubevirt"}
	notVMware       = []string{"azure", "aws", "gcp", "hyperv", "virtualbox", "proxmox", "kubevirt"}
)

// rows are all concerns that there are. An ID that was released stays.
var rows = []row{
	// Whether it starts at all.
	{Kind{"hibernated", Critical, nil, "The system is hibernated",
		"Start the guest where it is and shut it down (Windows: shutdown /s /t 0, with fast startup off)."}, (*view).hibernated},
	{Kind{"no-boot-loader", Critical, nil, "No boot loader was found",
		"Give all disks of the guest, the one with the boot loader among them."}, (*view).noBootLoader},
	{Kind{"fstab-device-name", Critical, nil, "fstab mounts what is needed to start by a name of the hardware",
		"Name the volume in /etc/fstab by UUID= (blkid prints it), in a BSD by its label (gpt/NAME, ufs/NAME, NAME=)."}, (*view).fstabNames},
	{Kind{"boot-device-name", Critical, nil, "The boot command line names the root by the hardware",
		"Set root=UUID=… in the boot loader's configuration and in /etc/default/grub, and write it anew."}, (*view).bootNames},
	{Kind{"crypttab-device-name", Critical, nil, "crypttab names a volume by the hardware",
		"Name the volume in /etc/crypttab by UUID=, and write the initramfs anew."}, (*view).crypttabNames},
	{Kind{"crypttab-tpm", Critical, nil, "A volume is unlocked by the TPM, which stays behind",
		"Add a passphrase to the volume (cryptsetup luksAddKey, systemd-cryptenroll --recovery-key) before the move."}, (*view).crypttabTPM},
	{Kind{"no-virtio-storage", Critical, kvm, "No driver for disks of virtio starts at boot",
		"Install the drivers (Windows: virtio-win; Linux: rebuild the initramfs with virtio_blk and virtio_scsi), or give the machine SATA disks."}, (*view).virtioStorage},
	{Kind{"no-hyperv-storage", Critical, hyperV, "The kernel has no driver for disks of Hyper-V",
		"Install a kernel with hv_storvsc and hv_vmbus, and put them into the initramfs."}, storage("hv_storvsc", "hv_vmbus")},
	{Kind{"no-nvme", Critical, aws, "The kernel has no driver for NVMe",
		"Install a kernel with nvme, or choose a type of instance that is not built on Nitro."}, storage("nvme")},
	// What fails beside.
	{Kind{"no-virtio-network", Warning, kvm, "There is no driver for networks of virtio",
		"Install the driver (Windows: NetKVM of virtio-win), or give the machine an e1000 adapter."}, (*view).virtioNetwork},
	{Kind{"no-hyperv-network", Warning, hyperV, "The kernel has no driver for networks of Hyper-V",
		"Install a kernel with hv_netvsc; Azure has no other adapter, Hyper-V of generation 1 a legacy one."}, drivers("hv_netvsc")},
	{Kind{"no-ena", Warning, aws, "The kernel has no driver for the network of Nitro instances",
		"Install a kernel with ena, or choose a type of instance that is not built on Nitro."}, drivers("ena")},
	{Kind{"fstab-device-name-optional", Warning, nil, "fstab names swap or an optional volume by the hardware",
		"Name the volume in /etc/fstab by UUID=; the start waits for one that does not come."}, (*view).fstabOptional},
	{Kind{"resume-device", Warning, nil, "The boot command line resumes from a volume that will not be found",
		"Remove resume= from the boot loader's configuration, or name the swap volume by UUID=."}, (*view).resume},
	{Kind{"missing-volume", Warning, nil, "A volume that the system mounts is not on these disks",
		"Give all disks of the guest, and move them together."}, (*view).missing},
	{Kind{"unread-volume", Warning, nil, "A volume could not be read",
		"Give its key, or the other disks that it lies on; what is on it was not looked at."}, (*view).unread},
	{Kind{"bitlocker", Warning, nil, "A volume is encrypted by BitLocker",
		"Suspend the protection before the move (manage-bde -protectors -disable C:), and keep the recovery key at hand."}, risk("bitlocker")},
	{Kind{"dirty-volume", Warning, nil, "A filesystem was in use when the disk was taken",
		"Shut the guest down and take the disk again, if the last changes count."}, (*view).dirty},
	{Kind{"dirty-registry", Warning, nil, "The registry of Windows was not written to the end",
		"Start the guest where it is and shut it down."}, risk("dirty-registry")},
	{Kind{"pending-reboot", Warning, nil, "Windows has changes to finish when it starts next",
		"Restart the guest where it is, so that updates are finished before the move."}, risk("pending-reboot")},
	{Kind{"vmware-network-name", Warning, notVMware, "The network is configured for a name that only VMware gives",
		"Match the interface by its new name after the move, or configure it for any (match: name: e*, or by MAC address that is kept)."}, (*view).vmwareNames},
	{Kind{"network-name", Warning, nil, "The network is configured for a name of the hardware",
		"Match the interface by a pattern, or by a MAC address that is kept; the name follows from the slot."}, (*view).slotNames},
	{Kind{"network-mac", Warning, nil, "The network is configured for a MAC address",
		"Give the new machine the same MAC address, or take it out of the configuration."}, (*view).macs},
	{Kind{"windows-static-address", Warning, nil, "Windows has a static address, which stays with the old adapter",
		"Set the address again for the new adapter after the move (netsh interface ip set address), or let DHCP give it."}, (*view).staticAddresses},
	{Kind{"persistent-net-rules", Warning, nil, "udev names interfaces by the MAC addresses that it has seen",
		"Remove /etc/udev/rules.d/70-persistent-net.rules; it is written anew."}, (*view).netRules},
	{Kind{"lvm-filter", Warning, nil, "LVM looks at certain devices only",
		"Widen filter and global_filter in /etc/lvm/lvm.conf, and write the initramfs anew."}, (*view).lvmFilter},
	{Kind{"lvm-devices", Warning, nil, "LVM uses only devices with the serial numbers or names of the old hardware",
		"Run vgimportdevices --all after the move, or remove /etc/lvm/devices/system.devices before it."}, (*view).lvmDevices},
	// What is good to know.
	{Kind{"uefi-boot", Information, choosesFirmware, "The guest starts by UEFI only",
		"Choose UEFI for the machine (Hyper-V and Azure: generation 2; Proxmox: OVMF; KubeVirt: bootloader.efi)."}, (*view).uefi},
	{Kind{"bios-boot", Information, hyperV, "The guest starts by BIOS only",
		"Choose generation 1 for the machine; a machine of generation 2 has UEFI only."}, (*view).bios},
	{Kind{"vmware-tools", Information, notVMware, "The tools of VMware are installed",
		"Remove them; best before the move, since their programs may refuse elsewhere."}, (*view).vmwareTools},
	{Kind{"no-guest-agent", Information, []string{"proxmox", "kubevirt"}, "The guest agent of QEMU is not installed",
		"Install qemu-guest-agent, for clean snapshots and shutdown."}, (*view).noAgent},
}

// risk takes over what package inspect notes of a Windows.
func risk(id string) func(v *view, f *finding) {
	return func(v *view, f *finding) {
		for _, r := range v.sys.Risks {
			if r.ID != id {
				continue
			}
			evidence := r.Evidence
			if len(evidence) == 0 {
				evidence = []inspect.Evidence{{}}
			}
			for _, e := range evidence {
				if e.Volume != "" && e.Path == "" {
					f.say(e, "%s: %s", e.Volume, r.What)
				} else {
					f.say(e, "%s", r.What)
				}
			}
		}
	}
}
