package ntfs

import (
	"bytes"
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

// Where volume shadow copies have their header, and what it starts with: the
// GUID {3808876B-C176-4E48-B7AE-04046E6CC752}.
const (
	shadowOff     = 0x1E00
	shadowCatalog = 0x30 // in it: where the catalog lies, 0 if there is none
)

var shadowGUID = []byte{0x6B, 0x87, 0x08, 0x38, 0x76, 0xC1, 0x48, 0x4E, 0xB7, 0xAE, 0x04, 0x04, 0x6E, 0x6C, 0xC7, 0x52}

// Free implements vfs.Freer: the clusters that $Bitmap has as free. No run of
// any attribute of any MFT record that is in use may be among them. Shadow
// copies read what files have given up from where it lies, so that a volume with
// any has no free cluster.
func (v *volume) Free(yield func(off, n int64) error) error {
	if err := v.noShadows(); err != nil {
		return err
	}
	b, err := v.bitmap()
	if err != nil {
		return err
	}
	for num := range v.records {
		rec, err := v.record(num)
		if err != nil {
			if v.unused(num) {
				continue
			}
			return err
		}
		if rec.flags&flagInUse == 0 {
			continue
		}
		for i := range rec.attrs {
			a := &rec.attrs[i]
			if !a.nonRes {
				continue
			}
			owner := num
			if rec.base != 0 {
				owner = rec.base.num()
			}
			runs, err := v.runsOf(a, owner)
			if err != nil {
				return err
			}
			for _, r := range runs {
				if r.lcn != sparse && !allSet(b, r.lcn, r.n) {
					return corrupt("$Bitmap", -1, "a cluster from %#x on is free in it, and MFT record %d has it", r.lcn, num)
				}
			}
		}
	}
	for _, r := range v.reserved {
		if !allSet(b, r.lcn, r.n) {
			return corrupt("$Bitmap", -1, "a cluster from %#x on is free in it, and holds the volume's own structures", r.lcn)
		}
	}
	for at := int64(0); at < v.clusters; {
		if at%8 == 0 && b[at/8] == 0xFF {
			at += 8
			continue
		}
		if b[at/8]>>(at%8)&1 != 0 {
			at++
			continue
		}
		end := at
		for end < v.clusters && b[end/8]>>(end%8)&1 == 0 {
			if end++; end%8 == 0 {
				for end+8 <= v.clusters && b[end/8] == 0 {
					end += 8
				}
			}
		}
		if err := yield(at*v.cluster, (end-at)*v.cluster); err != nil {
			return err
		}
		at = end
	}
	return nil
}

// unused reports whether an MFT record has never been one.
func (v *volume) unused(num uint64) bool {
	b := make([]byte, 4)
	off := int64(num) * v.recordSize
	return block.ReadFull(v.mft, b, off) == nil && string(b) != "FILE" && string(b) != "BAAD"
}

// noShadows is an error if the volume has shadow copies.
func (v *volume) noShadows() error {
	b, err := block.ReadBytes(v.r, shadowOff, 64, 64)
	if err != nil {
		return block.Locate("ntfs", "shadow copies", shadowOff, err)
	}
	if bytes.Equal(b[:16], shadowGUID) && binary.LittleEndian.Uint64(b[shadowCatalog:]) != 0 {
		return block.Errorf("ntfs", "shadow copies", shadowOff, block.ErrUnsupported, "they may need what the volume calls free; delete them in Windows (vssadmin delete shadows)")
	}
	return nil
}

// bitmap reads $Bitmap as a whole.
func (v *volume) bitmap() ([]byte, error) {
	n, err := v.inode(recBitmap)
	if err != nil {
		return nil, err
	}
	d, err := n.Content()
	if err != nil {
		return nil, err
	}
	size := (v.clusters + 7) / 8
	switch {
	case size > maxBitmap:
		return nil, block.Errorf("ntfs", "$Bitmap", -1, block.ErrLimit, "%d bytes", size)
	case d.Size() < size:
		return nil, n.corrupt("$Bitmap has %d bytes for %d clusters", d.Size(), v.clusters)
	}
	b := make([]byte, size)
	return b, block.ReadFull(d, b, 0)
}

// allSet reports whether n bits from first on are set, those past the end aside.
func allSet(b []byte, first, n int64) bool {
	end := min(first+n, int64(len(b))*8)
	for at := first; at < end; {
		if at%8 == 0 && at+8 <= end {
			if b[at/8] != 0xFF {
				return false
			}
			at += 8
			continue
		}
		if b[at/8]>>(at%8)&1 == 0 {
			return false
		}
		at++
	}
	return true
}
