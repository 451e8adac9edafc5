package btrfs

import (
	"errors"
	"fmt"

	"github.com/guestkit/guestkit/block"
)

// readCopy fills p with the bytes at a logical address, from one of the ways
// there are to read them: the copy of the given number, where the chunk has as
// many.
func (f *filesystem) readCopy(p []byte, logical uint64, copy int) error {
	for len(p) > 0 {
		c := f.chunks.find(logical)
		if c == nil {
			return block.Errorf(format, "logical address", -1, block.ErrCorrupt, "%#x is in no chunk", logical)
		}
		off := logical - c.start
		pl := c.at(off, copy)
		n := int(min(int64(len(p)), pl.n))
		var err error
		switch {
		case c.parity > 0 && (copy > 0 || pl.s.dev == nil):
			err = f.rebuild(p[:n], c, off, max(copy, 1))
		case pl.s.dev == nil:
			err = f.missing(pl.s.devid)
		default:
			if err = block.ReadFull(pl.s.dev.r, p[:n], pl.off); err != nil {
				err = block.Locate(format, f.deviceName(pl.s.dev), pl.off, err)
			}
		}
		if err != nil {
			return err
		}
		p, logical = p[n:], logical+uint64(n)
	}
	return nil
}

// deviceName names a device in errors: offsets count from its start.
func (f *filesystem) deviceName(d *device) string {
	if len(f.devices) == 1 {
		return "device"
	}
	return fmt.Sprintf("device %d", d.id)
}

// ways returns in how many ways the bytes at a logical address can be read.
func (f *filesystem) ways(logical uint64) int {
	if c := f.chunks.find(logical); c != nil {
		return c.ways
	}
	return 1
}

// where says on which device and at which offset a copy lies: -1 if nowhere.
func (f *filesystem) where(logical uint64, copy int) (name string, off int64) {
	c := f.chunks.find(logical)
	if c == nil {
		return "", -1
	}
	pl := c.at(logical-c.start, copy)
	if pl.s.dev == nil {
		return fmt.Sprintf("device %d", pl.s.devid), -1
	}
	return f.deviceName(pl.s.dev), pl.off
}

// readData fills p with data of files. sums, unless it is nil, holds the
// checksums of its sectors, which are then whole. A sector that is bad in one
// copy is taken from another, and a problem says so.
func (f *filesystem) readData(p []byte, logical uint64, sums []byte) error {
	err := f.readCopy(p, logical, 0)
	if err == nil && sums == nil {
		return nil
	}
	sector, size, ways := int(f.sb.sectorSize), f.sb.csumType.size(), f.ways(logical)
	if sums == nil { // a copy that cannot be read at all is all that shows
		for copy := 1; err != nil && copy < ways; copy++ {
			f.problems.Add(err)
			err = f.readCopy(p, logical, copy)
		}
		return err
	}
	good := err == nil
	for at := 0; at < len(p); at += sector {
		want := sums[at/sector*size:][:size]
		if err == nil && f.sb.csumType.match(p[at:at+sector], want) {
			continue
		}
		good = false
		if err := f.repairSector(p[at:at+sector], logical+uint64(at), want, ways); err != nil {
			return err
		}
	}
	if good {
		f.checked.add(logical, uint64(len(p)))
	}
	return nil
}

// repairSector reads one sector from the first copy that has the checksum.
func (f *filesystem) repairSector(p []byte, logical uint64, want []byte, ways int) error {
	var first error
	var sum [32]byte
	for copy := range ways {
		err := f.readCopy(p, logical, copy)
		if err == nil && f.sb.csumType.match(p, want) {
			if first != nil {
				f.problems.Add(fmt.Errorf("%w; another copy serves", first))
			}
			return nil
		}
		if err == nil {
			f.sb.csumType.sum(&sum, p)
			name, off := f.where(logical, copy)
			err = block.Errorf(format, "data on "+name, off, block.ErrCorrupt, "checksum %x, computed %x, logical address %#x", want, sum[:len(want)], logical)
		}
		if first == nil || errors.Is(first, block.ErrMissing) {
			first = err
		}
	}
	return first
}
