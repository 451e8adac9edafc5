package xfs

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

// What FindLog looks at of a device: the longest record and one more header.
const (
	logHeadBytes = 320 << 10
	offRecUUID   = 0x130 // of h_fs_uuid in a record header
)

// The superblock of a realtime device, in the first block of its first group.
const (
	rtMagic       = 0x46726f67 // "Frog"
	rtMetaUUIDOff = 0x28
	rtSuperSize   = 0x38
)

// FindRealtime returns the one of the devices that is the realtime device of the
// filesystem on r, by the UUID of its superblock; nil if r is no XFS, has no realtime
// section or has it inside, or none of them is. Before realtime groups such a device had
// nothing by which it could be told. It is what Options.Realtime takes.
func FindRealtime(r block.Reader, devices []block.Reader) block.Reader {
	b, err := block.ReadBytes(r, 0, sbSize, sbSize)
	if err != nil || len(devices) == 0 {
		return nil
	}
	var sb superblock
	sb.decode(b)
	if sb.magicnum != sbMagic || !sb.metadir() || sb.rblocks == 0 || sb.rtstart != 0 {
		return nil
	}
	uuid := sb.metadataUUID()
	for _, d := range devices {
		head, err := block.ReadBytes(d, 0, rtSuperSize, rtSuperSize)
		if err == nil && binary.BigEndian.Uint32(head) == rtMagic && string(head[rtMetaUUIDOff:][:16]) == string(uuid[:]) {
			return d
		}
	}
	return nil
}

// checkRealtime says what is wrong with the realtime device, and takes none that is
// another filesystem's.
func (f *filesystem) checkRealtime(r block.Reader) {
	rt := f.opts.Realtime
	if rt == nil {
		f.problems.Add(block.Errorf(format, "superblock", 0x10, block.ErrMissing, "the realtime device, which files may lie on, is not given; add its disk with -a, and name it with --device-of"))
		return
	}
	if f.sb.metadir() && FindRealtime(r, []block.Reader{rt}) == nil {
		f.opts.Realtime = nil
		f.problems.Add(block.Errorf(format, "superblock", 0x10, block.ErrMissing, "the realtime device that is given is that of another filesystem"))
		return
	}
	if need := f.sb.rblocks << f.sb.blocklog; uint64(rt.Size()) < need {
		f.problems.Add(block.Errorf(format, "realtime device", rt.Size(), block.ErrTruncated, "it ends before its %d bytes", need))
	}
}

// FindLog returns the one of the devices that holds the external log of the
// filesystem on r, by the UUID that its records have; nil if r is no XFS, has its
// log inside, or none of them does. It is what Options.Log takes.
func FindLog(r block.Reader, devices []block.Reader) block.Reader {
	b, err := block.ReadBytes(r, 0, sbSize, sbSize)
	if err != nil || len(devices) == 0 {
		return nil
	}
	var sb superblock
	sb.decode(b)
	if sb.magicnum != sbMagic || sb.logstart != 0 {
		return nil
	}
	for _, d := range devices {
		n := min(d.Size(), logHeadBytes)
		head, err := block.ReadBytes(d, 0, n, logHeadBytes)
		if err != nil {
			continue
		}
		for ; len(head) >= basicBlock; head = head[basicBlock:] {
			if binary.BigEndian.Uint32(head) == recMagic && string(head[offRecUUID:offRecUUID+16]) == string(b[0x20:0x30]) {
				return d
			}
		}
	}
	return nil
}
