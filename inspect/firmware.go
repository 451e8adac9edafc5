package inspect

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/internal/guest"
)

// boot collects what the disks can be booted by.
type boot struct {
	bios, uefi, unread bool
	flash              bool // that of UEFI firmware lies beside the disks
	evidence           []Evidence
}

func (b *boot) because(volume, path, detail string) {
	b.evidence = append(b.evidence, Evidence{Field: "firmware", Volume: volume, Path: path, Detail: detail})
}

// setFirmware says for all systems what firmware their disks boot by: the boot
// loaders that are there, not the partitions made for them, decide.
func (rep *Report) setFirmware(ctx context.Context, o *Options) {
	var b boot
	for _, v := range rep.Volumes {
		rep.findEFI(ctx, &b, v, o)
		if v.isFlash() {
			b.flash = true
			b.because(v.Name, "", v.Reason)
		}
		if v.Parent == "" {
			rep.findBIOS(&b, v)
		}
	}
	fw := FirmwareNone
	switch {
	case b.flash && b.uefi: // the machine has such firmware
		fw = FirmwareUEFI
	case b.bios && b.uefi:
		fw = FirmwareBoth
	case b.unread:
		fw = FirmwareUnknown // what was not read may add to what was
	case b.bios:
		fw = FirmwareBIOS
	case b.uefi:
		fw = FirmwareUEFI
	}
	for _, s := range rep.Systems {
		s.Firmware = fw
		s.Evidence = append(s.Evidence, b.evidence...)
	}
}

// findEFI looks for loaders on a volume that UEFI firmware would read.
func (rep *Report) findEFI(ctx context.Context, b *boot, v *Volume, o *Options) {
	if v.fsys == nil {
		if v.isESP() && !v.Status.Done() {
			b.unread = true
			b.because(v.Name, "", "an EFI system partition by its type, which was not read: "+v.Reason)
		}
		return
	}
	if v.Content != "vfat" {
		return
	}
	t := rep.treeOf(ctx, v.fsys, v.Name, o)
	dir := t.Fold("EFI")
	if dir == "" {
		if v.isESP() {
			b.because(v.Name, "", "an EFI system partition by its type, without a boot loader")
		}
		return
	}
	found := 0
	for _, vendor := range t.List(dir) {
		if !vendor.IsDir() {
			continue
		}
		at := path.Join(dir, vendor.Name())
		found += b.loaders(t, v.Name, at, vendor.Name())
		if boot := path.Join(at, "Boot"); strings.EqualFold(vendor.Name(), "Microsoft") && t.IsDir(boot) {
			found += b.loaders(t, v.Name, boot, vendor.Name())
		}
	}
	if found > 0 {
		b.uefi = true
	} else if v.isESP() {
		b.because(v.Name, "", "an EFI system partition by its type, without a boot loader")
	}
}

// loaders notes the programs of EFI in a directory, and returns how many.
func (b *boot) loaders(t *guest.Tree, volume, dir, vendor string) int {
	found := 0
	for _, f := range t.List(dir) {
		name := path.Join(dir, f.Name())
		if !strings.EqualFold(path.Ext(f.Name()), ".efi") || !t.IsFile(name) {
			continue
		}
		if found++; found <= 16 {
			b.because(volume, guest.Shown(name), loaderDetail(vendor, f.Name()))
		}
	}
	return found
}

// loaderDetail says what a program of EFI is, as far as its name does.
func loaderDetail(dir, name string) string {
	base := strings.ToLower(name)
	switch {
	case strings.EqualFold(dir, "BOOT") && guest.EFIArch(name) != "":
		return "the loader that firmware of " + guest.EFIArch(name) + " takes by default"
	case strings.EqualFold(dir, "Linux"):
		return "a unified kernel image"
	case strings.HasPrefix(base, "shim"):
		return "shim"
	case strings.HasPrefix(base, "grub"):
		return "GRUB"
	case base == "bootmgfw.efi":
		return "the boot manager of Windows"
	case strings.HasPrefix(base, "systemd-boot"):
		return "systemd-boot"
	}
	return "a program of EFI"
}

// findBIOS looks for boot code in the first sector of a disk, and for what
// that code needs in turn.
func (rep *Report) findBIOS(b *boot, disk *Volume) {
	dev := disk.Device()
	if dev.Size() < 512 {
		return
	}
	sector, err := block.ReadBytes(dev, 0, 512, 512)
	if err != nil {
		b.unread = true
		rep.problem(disk.Name, block.Locate("", "boot sector", 0, err))
		return
	}
	code := bootCode(sector[:440])
	switch code {
	case "":
		return
	case "GRUB", "LILO":
		b.bios = true
		b.because(disk.Name, "", "boot code of "+code+" in the first sector")
		rep.noteBIOSBoot(b, disk)
		return
	}
	// Other code only hands over to the partition that is marked.
	for _, v := range rep.Volumes {
		if v.Parent == "" || v.Disk != disk.Disk || v.Partition == nil || !v.Partition.Bootable {
			continue
		}
		vbr, err := block.ReadBytes(v.Device(), 0, min(512, v.Device().Size()), 512)
		if err != nil {
			b.unread = true
			continue
		}
		// mkfs puts code there too, which only says that nothing boots.
		if next := bootCode(vbr); len(vbr) == 512 && vbr[510] == 0x55 && vbr[511] == 0xAA && next != "" && next != otherCode {
			b.bios = true
			b.because(disk.Name, "", fmt.Sprintf("boot code (%s) in the first sector", code))
			b.because(v.Name, "", fmt.Sprintf("marked bootable, with boot code of %s in its first sector", next))
		}
	}
}

// noteBIOSBoot adds the partition that GRUB keeps its core in.
func (rep *Report) noteBIOSBoot(b *boot, disk *Volume) {
	for _, v := range rep.Volumes {
		if v.Disk == disk.Disk && v.partType() == biosBootType {
			b.because(v.Name, "", "a BIOS boot partition by its type")
		}
	}
}

// otherCode is boot code that is not known.
const otherCode = "of an unknown kind"

// bootCode names the program in a boot sector by the text in it; "" if there
// is none.
func bootCode(b []byte) string {
	for _, c := range [...]struct{ text, name string }{
		{"GRUB", "GRUB"}, {"LILO", "LILO"}, {"BOOTMGR", "Windows"}, {"NTLDR", "Windows"},
		{"SYSLINUX", "SYSLINUX"}, {"EXTLINUX", "EXTLINUX"}, {"ISOLINUX", "ISOLINUX"},
		{"Missing OS", "SYSLINUX"}, {"Error loading operating system", "Windows"}, {"Operating system load error", "SYSLINUX"},
		{"FreeBSD", "FreeBSD"}, {"Boot error", "Linux"},
	} {
		if bytes.Contains(b, []byte(c.text)) {
			return c.name
		}
	}
	if len(bytes.Trim(b[:min(len(b), 440)], "\x00")) == 0 {
		return ""
	}
	return otherCode
}
