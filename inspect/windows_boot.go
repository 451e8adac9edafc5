package inspect

// bootManagers are the loaders of Windows, and what configures them.
var bootManagers = [...]struct {
	firmware    Firmware
	path, store string
}{
	{FirmwareUEFI, "EFI/Microsoft/Boot/bootmgfw.efi", "EFI/Microsoft/Boot/BCD"},
	{FirmwareBIOS, "bootmgr", "Boot/BCD"},
	{FirmwareBIOS, "ntldr", "boot.ini"},
}

// findBootManagers lists the loaders of Windows on all volumes.
func (rep *Report) findBootManagers(r *root) {
	s := r.sys
	for _, v := range rep.Volumes {
		if v.fsys == nil {
			continue
		}
		t := rep.treeOf(r.ctx, v.fsys, v.Name, r.o)
		for _, m := range bootManagers {
			at := t.fold(m.path)
			if at == "" || !t.isFile(at) {
				continue
			}
			b := BootManager{Firmware: m.firmware, Volume: v.Name, Path: shown(at)}
			if store := t.fold(m.store); store != "" {
				b.Store = shown(store)
			}
			s.Windows.BootManagers = append(s.Windows.BootManagers, b)
			s.Evidence = append(s.Evidence, Evidence{Field: "windows.boot_managers", Volume: v.Name, Path: b.Path})
		}
	}
}
