package ntfs

import (
	"bytes"

	"github.com/guestkit/guestkit/block"
)

// open gives the bytes of an attribute of the file that record owner is the
// base of. a is the part that maps cluster 0; list is the file's attribute
// list, which names the others.
func (v *volume) open(a *attribute, list []listEntry, owner uint64) (block.Device, error) {
	data := a.typ == attrData
	if data && a.flags&attrEncrypted != 0 {
		return nil, block.Errorf("ntfs", recordName(owner), v.recordOffset(owner), block.ErrEncrypted, "an EFS file")
	}
	if !a.nonRes {
		return resident{bytes.NewReader(a.value)}, nil
	}
	s := &plain{
		mapping: &mapping{v: v, owner: owner, clusters: a.allocated / v.cluster},
		size:    a.size, valid: a.initialized,
	}
	if a.size > maxVCN*v.cluster || a.lowest != 0 {
		return nil, corrupt(recordName(owner), v.recordOffset(owner), "a stream of %d bytes from cluster %d on", a.size, a.lowest)
	}
	var err error
	if segs := segmentsOf(list, a.typ, a.name); len(segs) > 1 {
		for i := range segs {
			if i == 0 && segs[i].low != 0 || i > 0 && segs[i].low <= segs[i-1].low {
				return nil, corrupt(recordName(owner), v.recordOffset(owner), "the attribute list maps cluster %d twice or not at all", segs[i].low)
			}
		}
		s.segs = segs
	} else if s.runs, err = v.runsOf(a, owner); err != nil {
		return nil, err
	}
	if !data || a.flags&attrCompressionMask == 0 {
		return s, nil
	}
	return v.openCompressed(a, s)
}
