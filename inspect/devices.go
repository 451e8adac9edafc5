package inspect

import (
	"slices"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs"
	"github.com/guestkit/guestkit/internal/problem"
	"github.com/guestkit/guestkit/volume"
	"github.com/guestkit/guestkit/volume/keys"
)

// A DeviceOf says that the filesystem on one volume of a guest lies on another one too.
// Both have the names that a Report gives them, that Linux does (/dev/sdb1), or a UUID.
type DeviceOf struct {
	Volume, Device string
	Use            DeviceUse
}

// A DeviceUse is what a filesystem has a further device for, in the words of mount.
type DeviceUse string

// The uses of devices.
const (
	DeviceLog      DeviceUse = "logdev" // the log of an XFS, the journal of an ext3 or ext4
	DeviceRealtime DeviceUse = "rtdev"  // the realtime section of an XFS
	DeviceBlob     DeviceUse = "device" // one of the table of an EROFS, in its order
)

// DeviceUses are all uses.
func DeviceUses() []DeviceUse { return []DeviceUse{DeviceLog, DeviceRealtime, DeviceBlob} }

// nameDevices finds the devices that the caller names.
func (s *scan) nameDevices(list []DeviceOf) error {
	for _, d := range list {
		if !slices.Contains(DeviceUses(), d.Use) {
			return problem.Option("a device is a logdev, rtdev or device of a filesystem, not a %q", d.Use)
		}
		dev, err := s.candidateNamed(d.Device)
		if err != nil {
			return err
		}
		of, err := s.candidateNamed(d.Volume)
		if err != nil {
			return err
		}
		if of == dev {
			return problem.Option("%s is named as a further device of itself", d.Volume)
		}
		if s.named == nil {
			s.named = map[*volume.Volume]*fs.Options{}
		}
		o := s.named[of.vol]
		if o == nil {
			o = &fs.Options{}
			s.named[of.vol] = o
		}
		switch {
		case d.Use == DeviceBlob:
			o.Blobs = append(o.Blobs, dev)
		case d.Use == DeviceLog && o.Log == nil:
			o.Log = dev
		case d.Use == DeviceRealtime && o.Realtime == nil:
			o.Realtime = dev
		default:
			return problem.Option("%s has two devices named as %s", d.Volume, d.Use)
		}
	}
	return nil
}

// candidateNamed returns the one volume of a name.
func (s *scan) candidateNamed(name string) (found *candidate, err error) {
	for _, r := range s.fs.Devices {
		c, ok := r.(*candidate)
		if !ok || c.vol.Name != volume.CleanName(name) && !keys.Matches(name, block.KeyNeed{Name: c.vol.Name, UUID: c.vol.Found.UUID}) {
			continue
		}
		if found != nil {
			return nil, problem.Option("%q means several volumes, %s and %s", name, found.vol.Name, c.vol.Name)
		}
		found = c
	}
	if found == nil {
		return nil, problem.Option("no volume %q, of what is not divided further", name)
	}
	return found, nil
}
