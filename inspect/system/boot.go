package system

// A BootLoader is one whose configuration was found in a guest, with what it offers.
type BootLoader struct {
	// Name is "grub", "grub-legacy", "systemd-boot", "syslinux", "extlinux" (U-Boot
	// reads its file too), "isolinux" or "raspberry-pi", with entries; without them
	// "limine", "refind", "lilo", "yaboot", "zipl". It is "bls" where there are
	// entries of the Boot Loader Specification, and nothing tells what reads them, and
	// "windows" for the boot manager of Windows, whose store is Path. "uefi" is the
	// firmware, whose variables are Volume, and have no paths.
	Name string `json:"name"`
	Path string `json:"path"` // its configuration, or the folder of its entries
	// Volume is what Path and those of the entries count from, where the system does
	// not mount it.
	Volume  string      `json:"volume,omitempty"`
	Entries []BootEntry `json:"entries,omitempty"` // as the menu has them
	// Reason says why no entry is known as the default, or why there are none.
	Reason string `json:"reason,omitempty"`
}

// A BootEntry is what a boot loader can start.
type BootEntry struct {
	// ID is what the loader calls it: the --id of GRUB, the file of the Boot Loader
	// Specification, the label of SYSLINUX, the variable of UEFI ("Boot0001"). GRUB 1 has numbers only.
	ID      string `json:"id,omitempty"`
	Title   string `json:"title,omitempty"` // with its submenus before it, "A>B", as GRUB writes them
	Version string `json:"version,omitempty"`
	Kernel  string `json:"kernel,omitempty"` // the file in the guest, or what the entry says if it is not there
	// Volume is what Kernel counts from, where the entry says it by its partition.
	Volume string   `json:"volume,omitempty"`
	Initrd []string `json:"initrd,omitempty"`
	// Options is the command line of the kernel or the program; of Windows, what bcdedit shows that
	// changes how it starts.
	Options string `json:"options,omitempty"`
	// Default says that it starts if nobody chooses.
	Default bool `json:"default"`
	// Path and Line say where it stands.
	Path string `json:"path"`
	Line int    `json:"line,omitempty"`
}

// DefaultEntry is the entry that starts if nobody chooses, nil if that is not known.
func (b *BootLoader) DefaultEntry() *BootEntry {
	for i := range b.Entries {
		if b.Entries[i].Default {
			return &b.Entries[i]
		}
	}
	return nil
}
