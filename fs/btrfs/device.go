package btrfs

import (
	"fmt"
	"slices"

	"github.com/guestkit/guestkit/block"
)

// A device is one of those that the filesystem lies on.
type device struct {
	r    block.Device
	id   uint64
	uuid uuid
	size uint64 // as its superblock has it

	given block.Reader // nil of the one that is opened
}

const superFlagSeeding = 1 << 32

func (u uuid) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// device returns the device of a stripe, or nil if it is missing.
func (f *filesystem) device(id uint64, u uuid) *device {
	for _, d := range f.devices {
		if d.id == id && d.uuid == u {
			return d
		}
	}
	return nil
}

// missing is the error of a device that was not given.
func (f *filesystem) missing(id uint64) error {
	return block.Errorf(format, fmt.Sprintf("device %d", id), -1, block.ErrMissing, "")
}

// attach reads the superblocks of the devices. The first is that of the
// filesystem which is opened; of those with the same UUID, that with the latest
// generation counts. What belongs to another filesystem may be a seed, and what
// belongs to none is left out.
func (f *filesystem) attach(rs []block.Reader) error {
	var first uuid
	for i, r := range rs {
		s, err := readSuperblock(r)
		if i == 0 {
			if s == nil {
				return err
			}
			first = s.fsid
		}
		if s == nil || f.device(s.dev.devid, s.dev.uuid) != nil || s.fsid != first && s.flags&superFlagSeeding == 0 {
			continue
		}
		if s.fsid == first {
			f.problems.Add(err)
			if f.sb == nil || s.generation > f.sb.generation {
				f.sb = s
			}
		} else {
			f.seeds = append(f.seeds, s.fsid) // its blocks tell it
		}
		d := &device{r: block.Plain(r), id: s.dev.devid, uuid: s.dev.uuid, size: s.dev.totalBytes}
		if i > 0 {
			d.given = r
		}
		f.devices = append(f.devices, d)
	}
	return nil
}

// settleDevices leaves out the devices that the chunk tree does not know, such as
// seeds of other filesystems. Those of which a part is missing are problems.
func (f *filesystem) settleDevices(known map[uuid]bool) {
	f.devices = slices.DeleteFunc(f.devices, func(d *device) bool { return !known[d.uuid] })
	for _, d := range f.devices {
		if d.size > uint64(d.r.Size()) {
			f.problems.Add(block.Errorf(format, f.deviceName(d), -1, block.ErrTruncated, "%d bytes of %d", d.r.Size(), d.size))
		}
	}
}
