package inspect

import (
	"bytes"
	"context"
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/block"
)

// TestBIOSBootCode gives a disk with one partition the boot code of a loader
// in its first sector and in that of the partition.
func TestBIOSBootCode(t *testing.T) {
	for name, c := range map[string]struct {
		mbr, vbr string
		active   bool
		want     bool
	}{
		"nothing":                       {"", "", false, false},
		"GRUB":                          {"\xeb\x63\x90 GRUB \x00Geom", "", false, true},
		"LILO":                          {"\xfa\xeb\x21\x01\xb4\x01LILO", "", false, true},
		"syslinux":                      {"\x33\xc0 Operating system load error.", "\xeb\x58\x90SYSLINUX", true, true},
		"syslinux, no active partition": {"\x33\xc0 Operating system load error.", "\xeb\x58\x90SYSLINUX", false, false},
		"windows":                       {"\x33\xc0 Error loading operating system", "\xeb\x52\x90NTFS BOOTMGR is missing", true, true},
		"what mkfs puts there":          {"\x33\xc0 Error loading operating system", "\xeb\x3c\x90This is not a bootable disk.", true, false},
		"nothing in the partition":      {"\x33\xc0 Error loading operating system", "", true, false},
	} {
		disk := make([]byte, 4<<20)
		copy(disk, c.mbr)
		entry := disk[446:]
		if c.active {
			entry[0] = 0x80
		}
		entry[4] = 0x83
		entry[9], entry[13] = 0x08, 0x10 // 4096 sectors from sector 2048
		disk[510], disk[511] = 0x55, 0xAA
		copy(disk[1<<20:], c.vbr)
		disk[1<<20+510], disk[1<<20+511] = 0x55, 0xAA
		rep, err := Volumes(context.Background(), []block.Device{block.Plain(bytes.NewReader(disk))}, nil)
		if err != nil || len(rep.Volumes) != 2 {
			t.Fatalf("%s: %d volumes, %v", name, len(rep.Volumes), err)
		}
		var b boot
		rep.findBIOS(&b, rep.Volumes[0])
		if b.bios != c.want || (len(b.evidence) > 0) != c.want {
			t.Errorf("%s: bios %v, evidence %v", name, b.bios, b.evidence)
		}
	}
}

// TestEFILoaders: the loaders decide, not the type of the partition.
func TestEFILoaders(t *testing.T) {
	esp := func(m fstest.MapFS) *Volume {
		v := part(vol(t, "gpt1", m), 0, 1, "", "")
		v.Content, v.Partition.Type = "vfat", espType
		return v
	}
	locked := part(unread("gpt1", "vfat", StatusDamaged, "its FAT is gone"), 0, 1, "", "")
	locked.Partition.Type = espType
	for name, c := range map[string]struct {
		v            *Volume
		uefi, unread bool
	}{
		"default loader": {esp(fstest.MapFS{"EFI/BOOT/BOOTX64.EFI": file("MZ")}), true, false},
		"lower case":     {esp(fstest.MapFS{"efi/boot/bootaa64.efi": file("MZ")}), true, false},
		"windows":        {esp(fstest.MapFS{"EFI/Microsoft/Boot/bootmgfw.efi": file("MZ")}), true, false},
		"empty":          {esp(nil), false, false},
		"no programs":    {esp(fstest.MapFS{"EFI/BOOT/README": file("")}), false, false},
		"not read":       {locked, false, true},
	} {
		var b boot
		(&Report{}).findEFI(context.Background(), &b, c.v, &Options{})
		if b.uefi != c.uefi || b.unread != c.unread || len(b.evidence) == 0 {
			t.Errorf("%s: %+v", name, b)
		}
	}
}
