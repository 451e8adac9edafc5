package ntfs

import (
	"sort"

	"github.com/guestkit/guestkit/block"
)

// A mapping says where the clusters of a non-resident attribute lie. One whose
// mapping pairs are all in one record holds its runs; a fragmented one has
// segments, whose runs are decoded when they are asked for and cached, so a
// file of a million fragments costs no more memory than the cache has.
type mapping struct {
	v        *volume
	owner    uint64 // record number of the file
	clusters int64  // how many are mapped
	runs     []run
	segs     []segment
}

// A segment is the part of an attribute that one record maps, from VCN low on.
type segment struct {
	low      int64
	rec      ref
	typ      uint32
	instance uint16
}

type segmentKey struct {
	num      uint64
	instance uint16
}

// what names the file in errors.
func (m *mapping) what() string { return recordName(m.owner) }

// at returns the run that holds vcn, from there on.
func (m *mapping) at(vcn int64) (run, error) {
	runs := m.runs
	if m.segs != nil {
		i := sort.Search(len(m.segs), func(i int) bool { return m.segs[i].low > vcn }) - 1
		if i < 0 {
			return run{}, corrupt(m.what(), -1, "cluster %d of a stream is not mapped", vcn)
		}
		var err error
		if runs, err = m.segment(i); err != nil {
			return run{}, err
		}
	}
	r, ok := findRun(runs, vcn)
	if !ok {
		return run{}, corrupt(m.what(), -1, "cluster %d of a stream is not mapped", vcn)
	}
	return r, nil
}

// segment returns the runs of segs[i].
func (m *mapping) segment(i int) ([]run, error) {
	s := m.segs[i]
	return m.v.segments.Get(segmentKey{s.rec.num(), s.instance}, func() ([]run, int64, error) {
		rec, err := m.v.extension(s.rec, m.owner)
		if err != nil {
			return nil, 0, err
		}
		a := rec.byInstance(s.typ, s.instance)
		if a == nil || !a.nonRes || a.lowest != s.low {
			return nil, 0, corrupt(m.what(), m.v.recordOffset(rec.num), "MFT record %d does not map cluster %d as the attribute list says", rec.num, s.low)
		}
		end := m.clusters
		if i+1 < len(m.segs) {
			end = m.segs[i+1].low
		}
		if a.highest != end-1 {
			return nil, 0, corrupt(m.what(), m.v.recordOffset(rec.num), "MFT record %d maps up to cluster %d, the next starts at %d", rec.num, a.highest, end)
		}
		runs, err := m.v.runsOf(a, m.owner)
		return runs, int64(len(runs))*24 + 64, err
	})
}

// runsOf decodes the mapping pairs of a and checks that they map what its
// header says.
func (v *volume) runsOf(a *attribute, owner uint64) ([]run, error) {
	runs, err := decodeRuns(a.pairs, a.lowest, v.clusters)
	if err != nil {
		return nil, block.Locate("ntfs", recordName(owner), v.recordOffset(owner), err)
	}
	end := a.lowest
	if len(runs) > 0 {
		end = runs[len(runs)-1].end()
	}
	if end != a.highest+1 {
		return nil, corrupt(recordName(owner), v.recordOffset(owner), "the runs of attribute %#x end at cluster %d, its header says %d", a.typ, end, a.highest+1)
	}
	if owner >= firstUser {
		for _, r := range runs {
			if r.lcn != sparse && v.reservedRun(r) {
				return nil, corrupt(recordName(owner), r.lcn*v.cluster, "the file lies over the volume's own metadata")
			}
		}
	}
	return runs, nil
}

// reservedRun reports whether a run overlaps the boot sectors, $MFT or
// $MFTMirr.
func (v *volume) reservedRun(r run) bool {
	i := sort.Search(len(v.reserved), func(i int) bool { return v.reserved[i].lcn+v.reserved[i].n > r.lcn })
	return i < len(v.reserved) && v.reserved[i].lcn < r.lcn+r.n
}

// reserve fills v.reserved, in the order of the disk.
func (v *volume) reserve(mft []run) {
	up := func(n int64) int64 { return (n + v.cluster - 1) / v.cluster }
	v.reserved = append(v.reserved, run{0, 0, 1}, run{0, v.mirrorLCN, up(mirrorLength * v.recordSize)})
	v.reserved = append(v.reserved, mft...)
	sort.Slice(v.reserved, func(i, j int) bool { return v.reserved[i].lcn < v.reserved[j].lcn })
}
