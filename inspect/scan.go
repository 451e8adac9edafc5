package inspect

import (
	"context"
	"errors"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs"
	"github.com/guestkit/guestkit/volume"
)

// Volumes lists what the disks of one guest are divided into and what each
// volume holds, and looks for no system: Report.Systems stays empty. The disks
// are given in the order in which the guest sees them; they stay open as long
// as the Report is used.
func Volumes(ctx context.Context, disks []block.Device, o *Options) (*Report, error) {
	if o == nil {
		o = &Options{}
	}
	tree, err := volume.Scan(ctx, disks, o.Volume)
	if err != nil {
		return nil, err
	}
	rep := &Report{Volumes: []*Volume{}, Systems: []*System{}, tree: tree}
	for _, err := range tree.Problems {
		rep.problem("", err)
	}
	for _, vol := range tree.Volumes {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for _, err := range vol.Problems {
			rep.problem(vol.Name, err)
		}
		rep.Volumes = append(rep.Volumes, look(rep, vol, o))
	}
	return rep, nil
}

// look says what one volume holds, and opens its filesystem.
func look(rep *Report, vol *volume.Volume, o *Options) *Volume {
	v := &Volume{Name: vol.Name, Kind: string(vol.Kind), Disk: vol.DiskIndex, Offset: vol.Off, Size: vol.Size,
		Content: Unknown, Role: RoleUnknown, Partition: vol.Partition, vol: vol}
	if len(vol.Parents) > 0 {
		v.Parent = vol.Parents[0].Name
	}
	if vol.Table != nil {
		v.Content, v.UUID = string(vol.Table.Scheme), vol.Table.UUID
	}
	found := fs.Judge(vol.Found)
	if found.Type != "" {
		v.Content, v.UUID = found.Type, found.UUID
		if vol.Status() != volume.Container {
			v.Version, v.Label = found.Version, strings.ToValidUTF8(found.Label, "\uFFFD")
		}
	}
	switch {
	case vol.Err != nil:
		v.refuse(vol.Err)
		rep.problem(v.Name, vol.Err)
		return v
	case !vol.Leaf():
		v.setStatus(StatusContainer, "it is divided into the volumes below it")
		return v
	}
	switch found.Kind {
	case fs.Swap:
		v.setStatus(StatusSwap, found.Reason)
	case fs.Empty:
		v.setStatus(StatusEmpty, found.Reason)
	case fs.Encrypted:
		v.setStatus(StatusEncrypted, found.Reason)
	case fs.Unknown:
		if why, ok := reserved(v.partType()); ok {
			v.setStatus(StatusReserved, why)
			break
		}
		v.setStatus(StatusUnknown, found.Reason)
	case fs.Ambiguous:
		v.setStatus(StatusUnknown, found.Reason)
		v.err = block.Errorf("", "filesystem", -1, block.ErrAmbiguous, "%s", found.Reason)
	case fs.Member:
		v.setStatus(StatusUnsupported, found.Reason)
	case fs.Filesystem:
		v.open(rep, o)
	}
	return v
}

// open opens the filesystem that was found.
func (v *Volume) open(rep *Report, o *Options) {
	fsys, err := fs.OpenFound(v.vol.Device, v.vol.Found, o.FS)
	if err != nil {
		v.refuse(err)
		if v.Status == StatusDamaged {
			rep.problem(v.Name, err)
		}
		return
	}
	v.fsys = fsys
	v.Status = StatusRead
	info := fsys.Info()
	v.Content, v.UUID, v.ReadBy = info.Type, info.UUID, info.ReadBy
	if info.Version != "" {
		v.Version = info.Version
	}
	v.Label = strings.ToValidUTF8(info.Label, "\uFFFD")
}

// setStatus gives a volume without a filesystem its status.
func (v *Volume) setStatus(s Status, reason string) {
	v.Status, v.Reason = s, reason
	class := block.ErrFormat
	switch s {
	case StatusEncrypted:
		class = block.ErrEncrypted
	case StatusUnsupported:
		class = block.ErrUnsupported
	}
	v.err = block.Errorf("", "filesystem", -1, class, "%s", reason)
}

// refuse gives a volume the status that the error which stopped it stands for.
func (v *Volume) refuse(err error) {
	v.err, v.Reason = err, err.Error()
	switch {
	case errors.Is(err, block.ErrMissing):
		v.Status = StatusIncomplete
	case errors.Is(err, block.ErrUnsupported):
		v.Status = StatusUnsupported
	case errors.Is(err, block.ErrEncrypted):
		v.Status = StatusEncrypted
	default:
		v.Status = StatusDamaged
	}
}

// reserved says of a partition type that it is for something else than a
// filesystem, and for what.
func reserved(partType string) (string, bool) {
	switch strings.ToLower(partType) {
	case biosBootType:
		return "its type says that it is for the boot loader (BIOS boot)", true
	case "9e1a2d38-c612-4316-aa26-8b49521e5a8b":
		return "its type says that it is for the firmware (PReP)", true
	case "0x41":
		return "its type says that it is for the firmware (PReP)", true
	case "e3c9e316-0b5c-4db8-817d-f92df00215ae":
		return "its type says that it is reserved by Windows (MSR)", true
	}
	return "", false
}

// The types of partitions that firmware asks for.
const (
	biosBootType = "21686148-6449-6e6f-744e-656564454649"
	espType      = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
	espTypeMBR   = "0xef"
)

// isESP reports whether the partition table calls the volume an EFI system
// partition.
func (v *Volume) isESP() bool {
	t := strings.ToLower(v.partType())
	return t == espType || t == espTypeMBR
}
