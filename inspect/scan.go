package inspect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs"
	"github.com/guestkit/guestkit/volume"
)

// Volumes lists what the disks of one guest are divided into and what each
// volume holds, and looks for no system: Report.Systems stays empty. The disks
// are given in the order in which the guest sees them; they stay open as long
// as the Report is used, which is closed before them.
func Volumes(ctx context.Context, disks []block.Device, o *Options) (*Report, error) {
	if o == nil {
		o = &Options{}
	}
	rep, err := scanVolumes(ctx, disks, o, 1)
	if err != nil {
		return nil, err
	}
	rep.steps.end(PhaseOpen)
	return rep, nil
}

// scanVolumes is Volumes; each volume stands for so many steps of Progress.
func scanVolumes(ctx context.Context, disks []block.Device, o *Options, each int) (*Report, error) {
	at := steps{tell: o.Progress}
	at.next(PhaseScan, "")
	tree, err := volume.Scan(ctx, disks, o.Volume)
	if err != nil {
		return nil, err
	}
	rep := &Report{Volumes: []*Volume{}, Systems: []*System{}, tree: tree, steps: at}
	rep.steps.total(each * len(tree.Volumes))
	s := newScan(ctx, rep, o)
	if err := s.nameDevices(o.Devices); err != nil {
		return nil, errors.Join(err, rep.Close())
	}
	rep.scan = s
	for _, err := range tree.Problems {
		rep.problem("", err)
	}
	for _, vol := range tree.Volumes {
		if err := ctx.Err(); err != nil {
			return nil, errors.Join(err, rep.Close())
		}
		for _, err := range vol.Problems {
			rep.problem(vol.Name, err)
		}
		rep.steps.next(PhaseOpen, vol.Name)
		rep.Volumes = append(rep.Volumes, s.look(vol))
		if s.misnamed != nil {
			return nil, errors.Join(s.misnamed, rep.Close())
		}
		rep.steps.done()
	}
	s.claim()
	return rep, nil
}

// maxBorrowed bounds the filesystems of a guest that other programs read: each
// may take a virtual machine.
const maxBorrowed = 8

// A scan opens the filesystems of volumes.
type scan struct {
	rep      *Report
	fs       fs.Options
	typeOf   func(v *Volume) string
	named    map[*volume.Volume]*fs.Options // devices that the caller names
	misnamed error                          // of a volume that has no such device
	borrowed int
}

func newScan(ctx context.Context, rep *Report, o *Options) *scan {
	s := &scan{rep: rep, typeOf: o.Type}
	if s.typeOf == nil {
		s.typeOf = func(*Volume) string { return "" }
	}
	if o.FS != nil {
		s.fs = *o.FS
	}
	s.fs.Cancel = ctx.Done()
	s.fs.Devices = slices.Clip(s.fs.Devices)
	for _, v := range rep.tree.Leaves() {
		s.fs.Devices = append(s.fs.Devices, &candidate{v.Device, v})
	}
	return s
}

// A candidate is a volume that another one's filesystem may lie on as well.
type candidate struct {
	block.Device
	vol *volume.Volume
}

func (c *candidate) SectorSize() int { return block.SectorSize(c.Device) }

// claim closes what was opened on volumes that belong to the filesystem of
// another one: it lies on several, and is listed where it was opened first.
func (s *scan) claim() {
	of := map[*volume.Volume]*Volume{}
	for _, v := range s.rep.Volumes {
		owner := of[v.vol]
		switch {
		case owner != nil && v.fsys != nil:
			s.rep.problems.Add(v.fsys.Close()) // it was opened as a part
			v.fsys, v.Usage, v.Parts = nil, nil, nil
			fallthrough
		case owner != nil:
			v.setStatus(StatusContainer, "it is a part of the filesystem on "+owner.Name)
		case v.fsys != nil:
			for _, d := range v.fsys.Info().Devices {
				if c, ok := d.(*candidate); ok && c.vol != v.vol {
					of[c.vol] = v
				}
			}
		}
	}
}

// look says what one volume holds, and opens its filesystem.
func (s *scan) look(vol *volume.Volume) *Volume {
	v := &Volume{Name: vol.Name, Kind: string(vol.Kind), Disk: vol.DiskIndex, Offset: vol.Off, Size: vol.Size,
		Content: Unknown, Role: RoleUnknown, Partition: vol.Partition, Facts: vol.Facts, vol: vol}
	if len(vol.Parents) > 0 {
		v.Parent = vol.Parents[0].Name
	}
	s.fill(v)
	if v.fsys != nil {
		s.parts(v)
	}
	return v
}

// fill says what a volume holds, by what was found there.
func (s *scan) fill(v *Volume) {
	rep, vol := s.rep, v.vol
	if vol.Table != nil {
		v.Content, v.UUID = string(vol.Table.Scheme), vol.Table.UUID
	}
	found := s.fs.Judge(vol.Found)
	if found.Type != "" {
		v.Content, v.UUID = found.Type, found.UUID
		if vol.Status() != volume.Container {
			v.Version, v.Label = found.Version, strings.ToValidUTF8(found.Label, "\uFFFD")
		}
	}
	stated := s.typeOf(v)
	switch {
	case stated != "":
		s.open(v, stated)
		return
	case vol.Err != nil:
		v.refuse(vol.Err)
		rep.problem(v.Name, vol.Err)
		return
	case !vol.Leaf():
		v.setStatus(StatusContainer, "it is divided into the volumes below it")
		return
	}
	switch found.Kind {
	case fs.Swap:
		v.setStatus(StatusSwap, found.Reason)
	case fs.Empty:
		v.setStatus(StatusEmpty, found.Reason)
	case fs.Encrypted:
		v.setStatus(StatusEncrypted, found.Reason)
	case fs.Unknown:
		if found.Supported && s.open(v, "") {
			break
		}
		if v.isBSDSwap() {
			v.setStatus(StatusSwap, "its type says that it is swap space, which the BSDs write no signature to")
			break
		}
		if iso := s.isoAround(v); iso != nil {
			v.setStatus(StatusReserved, "its bytes are those of "+iso.Name)
			break
		}
		if why, ok := reserved(v.partType()); ok {
			v.setStatus(StatusReserved, why)
			break
		}
		v.setStatus(StatusUnknown, found.Reason)
	case fs.Ambiguous:
		v.setStatus(StatusUnknown, found.Reason)
		v.err = block.Errorf("", "filesystem", -1, block.ErrAmbiguous, "%s", found.Reason)
	case fs.Firmware:
		v.setStatus(StatusReserved, found.Reason)
		rep.readVariables(v)
	case fs.Member:
		v.setStatus(StatusUnsupported, found.Reason)
	case fs.Filesystem:
		if iso := s.isoAround(v); iso != nil && found.Type == iso.Content && sameDisc(iso, v) {
			v.setStatus(StatusReserved, "it is the disc on "+iso.Name+", as a partition has it")
			break
		}
		s.open(v, "")
	}
}

// open opens the filesystem that was found, or that is stated. It reports whether
// the volume is of a driver's format at all.
func (s *scan) open(v *Volume, stated string) bool {
	o := s.fs
	if stated != "" {
		o.Type = stated
	}
	o.NoProcesses = o.NoProcesses || s.borrowed >= maxBorrowed
	n := s.named[v.vol]
	if n != nil {
		o.Log, o.Realtime, o.Blobs = n.Log, n.Realtime, n.Blobs
	}
	fsys, err := fs.OpenFound(v.vol.Device, v.vol.Found, &o)
	if n != nil && errors.Is(err, block.ErrOption) {
		s.misnamed = fmt.Errorf("%s: %w", v.Name, err)
	}
	if err != nil {
		if stated == "" && v.vol.Found.Kind == fs.Unknown && errors.Is(err, block.ErrFormat) {
			return false
		}
		v.refuse(err)
		if v.Status == StatusDamaged || v.Status == StatusIncomplete {
			s.rep.problem(v.Name, err)
		}
		return true
	}
	v.fsys = fsys
	info := fsys.Info()
	v.Status, v.Usage = StatusRead, usageOf(info)
	if v.vol.Found.Type == info.Type {
		v.Reason = v.vol.Found.Reason
	}
	v.Content, v.UUID, v.ReadBy, v.Features = info.Type, info.UUID, info.ReadBy, info.Features
	if v.ReadBy != "" {
		s.borrowed++
	}
	if info.Version != "" {
		v.Version = info.Version
	}
	v.Label = strings.ToValidUTF8(info.Label, "\uFFFD")
	return true
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
	case "83bd6b9d-7f41-11dc-be0b-001560b84f0f":
		return "its type says that it is for the boot loader (FreeBSD boot)", true
	case "9e1a2d38-c612-4316-aa26-8b49521e5a8b":
		return "its type says that it is for the firmware (PReP)", true
	case "0x41":
		return "its type says that it is for the firmware (PReP)", true
	case "e3c9e316-0b5c-4db8-817d-f92df00215ae":
		return "its type says that it is reserved by Windows (MSR)", true
	}
	return "", false
}

// isoAround returns the ISO on the same disk that a partition lies in: what makes
// discs that start from a stick too covers with partitions what no other has.
func (s *scan) isoAround(v *Volume) *Volume {
	for _, iso := range s.rep.Volumes {
		if iso.Kind == string(volume.Whole) && iso.Disk == v.Disk && v.Partition != nil && v.Offset >= iso.Offset && v.Offset+v.Size <= iso.Offset+iso.Size {
			return iso
		}
	}
	return nil
}

// sameDisc reports whether two ISOs on one disk are the same disc: with -partition_offset,
// xorriso writes its directories once more, as the first partition has them. What else
// the volume descriptor says is the same then, down to the hundredths of its times.
func sameDisc(a, b *Volume) bool {
	says := func(v *Volume) []byte {
		const sector = 2048
		d, err := block.ReadBytes(v.vol.Device, 16*sector, sector, sector)
		if err != nil {
			return nil
		}
		return append(d[40:72:72], d[190:881]...) // from the name of the set to the times
	}
	x := says(a)
	return x != nil && bytes.Equal(x, says(b))
}

// isBSDSwap reports whether a partition is swap space by its type.
func (v *Volume) isBSDSwap() bool {
	switch strings.ToLower(v.partType()) {
	case "516e7cb5-6ecf-11d6-8ff8-00022d09712b", "49f48d32-b10e-11dc-b99b-0019d1879648", "9d58fdbd-1ca5-11dc-8817-01301bb8a9f5": // FreeBSD, NetBSD, DragonFly
		return true
	}
	return v.inLabel() != nil && v.Partition.TypeName == "swap"
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
