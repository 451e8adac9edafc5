package inspect

import (
	"context"
	"fmt"
	"strings"

	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
	"github.com/guestkit/guestkit/internal/efivars"
	"github.com/guestkit/guestkit/volume"
)

// uefiVariables and uefiFirmware are the contents of what is the flash memory of a
// machine, given beside its disks, and no disk.
const (
	uefiVariables = "uefi_variables"
	uefiFirmware  = "uefi_firmware"
)

func (v *Volume) isFlash() bool { return v.Content == uefiVariables || v.Content == uefiFirmware }

// readVariables adds what the variables of the firmware say of Secure Boot to the facts
// of the volume that they are.
func (rep *Report) readVariables(v *Volume) {
	if v.Content != uefiVariables {
		return
	}
	store, err := efivars.Read(v.vol.Device)
	if err != nil {
		v.refuse(err)
		rep.problem(v.Name, err)
		return
	}
	fact := func(name, value string) { v.Facts = append(v.Facts, volume.Fact{Name: name, Value: value}) }
	fact("secure boot", store.SecureBoot())
	count := func(n int, one, many string) string {
		if n == 1 {
			return "1 " + one
		}
		return fmt.Sprintf("%d %s", n, many)
	}
	for _, k := range store.Enrolled() {
		text := count(k.Certificates, "certificate", "certificates")
		if k.Others > 0 {
			if text += ", "; k.Certificates == 0 {
				text = ""
			}
			text += count(k.Others, "hash", "hashes")
		}
		if len(k.Subjects) > 0 {
			text += ": " + strings.Join(k.Subjects, ", ")
		}
		fact(k.Name, text)
	}
	for _, err := range store.Problems {
		rep.problem(v.Name, err)
	}
	v.efi = store
}

// bootVariables adds the boot options of the firmware to each installed system: they
// are the machine's, of which the first that starts comes before any other loader.
func (rep *Report) bootVariables(ctx context.Context, o *Options) {
	for _, v := range rep.Volumes {
		if v.efi == nil {
			continue
		}
		l, why, problems := rep.efiLoader(ctx, v, o)
		for _, err := range problems {
			rep.problem(v.Name, err)
		}
		for _, s := range rep.Systems {
			if s.Kind != KindInstalled {
				continue
			}
			s.BootLoaders = append([]BootLoader{l}, s.BootLoaders...)
			s.Evidence = append(s.Evidence, Evidence{Field: "boot_loaders", Volume: v.Name, Detail: l.Name})
			if e := l.DefaultEntry(); e != nil {
				s.Evidence = append(s.Evidence, Evidence{Field: "boot_loaders", Volume: v.Name, Detail: e.ID + ": " + why})
			}
		}
	}
}

// efiLoader lists the boot options of a store. The default is the first that is active
// and whose file is not known to be missing, since the firmware goes on where one does
// not start (UEFI Specification, 3.1.2).
func (rep *Report) efiLoader(ctx context.Context, v *Volume, o *Options) (l system.BootLoader, why string, problems []error) {
	before, say := len(v.efi.Problems), guest.NewTree(ctx, nil, rep.detect(v.Name, o))
	list, next := v.efi.Order()
	l = system.BootLoader{Name: "uefi", Volume: v.Name}
	chosen := false
	for i := range list {
		b := &list[i]
		e := system.BootEntry{ID: b.Name(), Title: say.Fit(b.Title, b.Name()), Options: say.Fit(b.Arguments, b.Name())}
		missing := false
		if b.File != "" {
			e.Kernel, e.Volume, missing = rep.efiFile(ctx, b, say, o)
		}
		if b.Active && !b.App && !chosen && !missing {
			chosen, e.Default = true, true
		}
		l.Entries = append(l.Entries, e)
	}
	switch {
	case len(list) == 0:
		l.Reason = "it has no boot options: the firmware looks for a loader itself"
	case !chosen:
		l.Reason = "no boot option that it orders starts anything: the firmware looks for a loader itself"
	}
	why = "the default"
	if next && len(l.Entries) > 0 && l.Entries[0].Default {
		why = "the default: BootNext, which counts once"
	}
	return l, why, v.efi.Problems[before:]
}

// efiFile is the file that a boot option starts, on the volume with its partition, and
// whether it is known not to be there.
func (rep *Report) efiFile(ctx context.Context, b *efivars.Option, say *guest.Tree, o *Options) (file, on string, missing bool) {
	file = guest.Shown(say.Fit(guest.Name(strings.ReplaceAll(b.File, `\`, "/")), b.Name()))
	if b.Partition == "" {
		return file, "", false
	}
	for _, v := range rep.Volumes {
		if v.Partition == nil || !strings.EqualFold(v.Partition.UUID, b.Partition) {
			continue
		}
		if v.fsys == nil {
			return file, v.Name, false
		}
		t := rep.treeOf(ctx, v.fsys, v.Name, o)
		if at := t.Fold(guest.Name(file)); at != "" {
			return guest.Shown(at), v.Name, false
		}
		return file, v.Name, true
	}
	return file, "", false
}
