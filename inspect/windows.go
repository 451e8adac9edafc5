package inspect

import (
	"context"
	"fmt"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
	"github.com/guestkit/guestkit/inspect/windows"
)

// readDrives finds the volumes of the drives.
func (rep *Report) readDrives(w *windows.Windows, sys *System) {
	w.Drives(func(d system.Device) (string, string) { return rep.volumeOf(d, sys) })
}

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
func (rep *Report) findBootManagers(ctx context.Context, s *System, o *Options) {
	for _, v := range rep.Volumes {
		if v.fsys == nil {
			continue
		}
		t := rep.treeOf(ctx, v.fsys, v.Name, o)
		for _, m := range bootManagers {
			at := t.Fold(m.path)
			if at == "" || !t.IsFile(at) {
				continue
			}
			b := BootManager{Firmware: m.firmware, Volume: v.Name, Path: guest.Shown(at)}
			if store := t.Fold(m.store); store != "" {
				b.Store = guest.Shown(store)
				if m.path != "ntldr" {
					rep.readStore(ctx, s, v, store, o)
				}
			}
			s.Windows.BootManagers = append(s.Windows.BootManagers, b)
			s.Evidence = append(s.Evidence, Evidence{Field: "windows.boot_managers", Volume: v.Name, Path: b.Path})
		}
	}
}

// maxStores bounds the stores of boot entries that are read.
const maxStores = 16

// readStore reads what a boot manager of Windows can start.
func (rep *Report) readStore(ctx context.Context, s *System, v *Volume, store string, o *Options) {
	if len(s.BootLoaders) == maxStores {
		rep.problem(v.Name, block.Errorf("", "/"+store, -1, block.ErrLimit, "more than %d stores of boot entries; this one is not read", maxStores))
		return
	}
	l, evidence := windows.BootEntries(ctx, v.fsys, store, func(d system.Device) (string, string) { return rep.volumeOf(d, s) }, rep.detect(v.Name, o))
	l.Volume = v.Name
	for i := range evidence {
		evidence[i].Volume = v.Name
	}
	s.BootLoaders, s.Evidence = append(s.BootLoaders, l), append(s.Evidence, evidence...)
}

// volumeOf names the volume that the registry means by a device.
func (rep *Report) volumeOf(d system.Device, s *System) (string, string) {
	v, reason := rep.resolve(d, diskNames{home: rep.byName(s.Volume)}, "")
	if v == nil {
		return "", reason
	}
	return v.Name, reason
}

// joinDrives makes one tree of the drives: that of Windows is its root, and all
// that have a letter are found under it, "D:".
func (rep *Report) joinDrives(w *windows.Windows, sys *System, home *Volume, o *Options) (vfs.FS, error) {
	rep.letter(home, w.Letter(), o)
	mounts := []vfs.Mount{{Path: ".", FS: home.fsys}}
	for i := range sys.Windows.Drives {
		d := &sys.Windows.Drives[i]
		v := rep.byName(d.Volume)
		if v == nil {
			continue
		}
		if v.fsys == nil {
			d.Reason = fmt.Sprintf("the volume is %s: %s", v.Status, v.Reason)
			continue
		}
		if v != home {
			rep.letter(v, d.Letter[0], o)
		}
		mounts = append(mounts, vfs.Mount{Path: d.Letter, FS: v.fsys, Drive: true})
	}
	return vfs.Join(mounts)
}

// letter opens a volume again, by its letter: links with letters are
// understood then.
func (rep *Report) letter(v *Volume, letter byte, o *Options) {
	if v.Content != "ntfs" || v.vol == nil || letter == 0 {
		return
	}
	var fo fs.Options
	if o.FS != nil {
		fo = *o.FS
	}
	fo.Drive = letter
	fsys, err := fs.Open(v.vol.Device, &fo)
	if err != nil {
		rep.problem(v.Name, err)
		return
	}
	v.fsys = fsys
}

// findVolumeRisks says what of the volumes can go wrong where the disks are moved or
// changed.
func (rep *Report) findVolumeRisks(sys *System) {
	rep.volumeRisk(sys, "hibernated", "Windows is hibernated, or was shut down by fast startup: what it keeps in memory is not on the volume",
		func(v *Volume, i vfs.Info) bool { return i.Hibernated })
	rep.volumeRisk(sys, "dirty-volume", "the volume was in use when the disk was taken: the last changes may be missing, and Windows will check it",
		func(v *Volume, i vfs.Info) bool { return i.Dirty && (v.Content == "ntfs" || v.Content == "vfat") })
	rep.volumeRisk(sys, "bitlocker", "the volume is encrypted by BitLocker: Windows will ask for the recovery key on other hardware",
		func(v *Volume, _ vfs.Info) bool { return v.Content == "BitLocker" })
}

// volumeRisk notes the volumes for which a condition holds.
func (rep *Report) volumeRisk(sys *System, id, what string, holds func(*Volume, vfs.Info) bool) {
	for _, v := range rep.Volumes {
		var info vfs.Info
		if v.fsys != nil {
			info = v.fsys.Info()
		}
		if holds(v, info) {
			sys.AddRisk(id, what, Evidence{Volume: v.Name})
		}
	}
}
