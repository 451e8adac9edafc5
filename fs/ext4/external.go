package ext4

import (
	"github.com/guestkit/guestkit/block"
)

// external reports whether the journal is a device of its own.
func (s *superblock) external() bool {
	return s.featureCompat&compatHasJournal != 0 && s.journalInum == 0 && (s.journalDev != 0 || s.journalUUID != [16]byte{})
}

// FindJournal returns the one of the devices that is the external journal of the
// filesystem on r, by its UUID; nil if r is no ext4, has its journal inside, or
// none of them is. It is what Options.Journal takes.
func FindJournal(r block.Reader, devices []block.Reader) block.Reader {
	if len(devices) == 0 {
		return nil
	}
	own, err := readSuper(r)
	if err != nil || own.magic != magic || !own.external() {
		return nil
	}
	for _, d := range devices {
		s, err := readSuper(d)
		if err == nil && s.magic == magic && s.featureIncompat&incompatJournalDev != 0 && s.uuid == own.journalUUID {
			return d
		}
	}
	return nil
}

// openExternal reads the superblock of a journal that is a device. It lies behind
// the one of ext4 there, and blocks count from the start of the device.
func (f *filesystem) openExternal() (*journal, error) {
	s := f.sb
	const field = superblockOff + 0xD0
	if f.external == nil {
		return nil, block.Errorf("ext4", "superblock", field, block.ErrMissing, "the journal is on another device, with the UUID %x; add its disk with -a", s.journalUUID)
	}
	if FindJournal(f.dev, []block.Reader{f.external}) == nil {
		return nil, block.Errorf("ext4", "superblock", field, block.ErrMissing, "the device that is given is not the journal with the UUID %x", s.journalUUID)
	}
	j := &journal{fs: f, dev: block.Plain(f.external)}
	first := uint32(superblockOff/s.blockSize) + 1
	b, err := j.read(first)
	if err != nil {
		return nil, err
	}
	j.sb.decode(b)
	if err := j.sb.validate(s.blockSize, uint64(j.dev.Size()/s.blockSize)); err != nil {
		return nil, err
	}
	if j.sb.first <= first {
		return nil, j.corrupt("journal superblock", first, "the log is from block %d on, where it lies itself", j.sb.first)
	}
	return j, nil
}
