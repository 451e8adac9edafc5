package fat

import (
	"bytes"
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

// Free implements vfs.Freer: the clusters whose entry in the FAT is 0. The
// copies of the FAT must be the same, and the root directory in use.
func (v *volume) Free(yield func(off, n int64) error) error {
	if err := v.sameFATs(); err != nil {
		return err
	}
	run := uint32(0) // where the run at hand starts, 0 for none
	end := v.clusters + 2
	for c := uint32(2); c < end; c++ {
		e, err := v.entry(c)
		if err != nil {
			return err
		}
		switch {
		case e == 0 && c == v.rootCluster:
			return block.Errorf(format, "FAT", v.fatOff, block.ErrCorrupt, "cluster %d is free in it, and the root directory starts there", c)
		case e == 0 && run == 0:
			run = c
		case e != 0 && run != 0:
			if err := yield(v.offset(run), int64(c-run)*v.cluster); err != nil {
				return err
			}
			run = 0
		}
	}
	if run != 0 {
		return yield(v.offset(run), int64(end-run)*v.cluster)
	}
	return nil
}

// sameFATs compares the copies of the FAT, but where the volume says that only
// one of them is kept.
func (v *volume) sameFATs() error {
	s, err := block.ReadBytes(v.r, 0, bpbLen, bpbLen)
	if err != nil {
		return block.Locate(format, "BPB", 0, err)
	}
	if v.bits == 32 && binary.LittleEndian.Uint16(s[0x28:])&0x80 != 0 {
		return nil
	}
	p, q := make([]byte, 64<<10), make([]byte, 64<<10)
	for i := int64(1); i < int64(s[0x10]); i++ {
		other := v.fatOff + i*v.fatLen
		for at := int64(0); at < v.fatLen; at += int64(len(p)) {
			n := min(int64(len(p)), v.fatLen-at)
			if err := block.ReadFull(v.r, p[:n], v.fatOff+at); err != nil {
				return block.Locate(format, "FAT", v.fatOff+at, err)
			}
			if err := block.ReadFull(v.r, q[:n], other+at); err != nil {
				return block.Locate(format, "FAT", other+at, err)
			}
			if !bytes.Equal(p[:n], q[:n]) {
				return block.Errorf(format, "FAT", other+at, block.ErrCorrupt, "the copies of it are not the same")
			}
		}
	}
	return nil
}
