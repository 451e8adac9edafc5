package btrfs

import (
	"github.com/guestkit/guestkit/block"
)

// A sumRun is the checksums of neighbouring sectors: an item of the checksum
// tree.
type sumRun struct {
	from, end uint64 // logical addresses
	sums      []byte // shared
}

// sumsAt returns the run of checksums that holds a logical address.
func (f *filesystem) sumsAt(logical uint64) (sumRun, error) {
	if f.csums == nil {
		return sumRun{}, block.Errorf(format, "checksum tree", -1, block.ErrCorrupt, "it cannot be read")
	}
	k, data, ok, err := f.csums.floor(key{extentCsum, typeExtentCsum, logical})
	if err != nil {
		return sumRun{}, err
	}
	size, sector := uint64(f.sb.csumType.size()), uint64(f.sb.sectorSize)
	if ok && k.objectid == extentCsum && k.typ == typeExtentCsum && k.offset%sector == 0 {
		if r := (sumRun{k.offset, k.offset + uint64(len(data))/size*sector, data}); logical < r.end {
			return r, nil
		}
	}
	name, off := f.where(logical, 0)
	return sumRun{}, block.Errorf(format, "data on "+name, off, block.ErrCorrupt, "there is no checksum for logical address %#x", logical)
}

// sums returns the checksums of n bytes of whole sectors: those of r if it has
// them, or of the runs that are found. r is then the last of those.
func (f *filesystem) sums(r *sumRun, logical, n uint64) ([]byte, error) {
	size, sector := uint64(f.sb.csumType.size()), uint64(f.sb.sectorSize)
	var out []byte
	for n > 0 {
		if logical < r.from || logical >= r.end {
			next, err := f.sumsAt(logical)
			if err != nil {
				return nil, err
			}
			*r = next
		}
		at := (logical - r.from) / sector * size
		k := min(n, r.end-logical)
		part := r.sums[at : at+k/sector*size]
		if out == nil && k == n {
			return part, nil
		}
		out = append(out, part...)
		logical, n = logical+k, n-k
	}
	return out, nil
}
