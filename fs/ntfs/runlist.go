package ntfs

import (
	"fmt"
	"sort"

	"github.com/guestkit/guestkit/block"
)

// A run is n clusters of a stream from VCN vcn on that lie at LCN lcn, or are
// sparse.
type run struct {
	vcn, lcn, n int64
}

const sparse = -1 // an lcn

func (r run) end() int64 { return r.vcn + r.n }

// decodeRuns decodes mapping pairs, which start at VCN lowest and end with a
// zero byte, on a volume of so many clusters. Neighbours that continue each
// other are merged. Each pair takes at least two bytes, so the result is
// bounded by the record that holds them.
//
// A pair is a byte with the sizes of two numbers in its nibbles, the length in
// clusters, and the signed distance of its LCN from that of the last run that
// had one; a run without a distance is sparse.
func decodeRuns(pairs []byte, lowest, clusters int64) ([]run, error) {
	var out []run
	vcn, lcn := lowest, int64(0)
	for {
		if len(pairs) == 0 || pairs[0] == 0 {
			return out, nil
		}
		nLen, nOff := int(pairs[0]&15), int(pairs[0]>>4)
		if nLen == 0 || nLen > 8 || nOff > 8 || 1+nLen+nOff > len(pairs) {
			return nil, fmt.Errorf("%w: mapping pair %#x", block.ErrCorrupt, pairs[0])
		}
		n := signed(pairs[1 : 1+nLen])
		if n <= 0 || n > maxVCN-vcn {
			return nil, fmt.Errorf("%w: a run of %d clusters at cluster %d of the stream", block.ErrCorrupt, n, vcn)
		}
		r := run{vcn, sparse, n}
		if nOff > 0 {
			d := signed(pairs[1+nLen : 1+nLen+nOff])
			if d < -clusters || d > clusters {
				return nil, fmt.Errorf("%w: a run lies %d clusters from the last", block.ErrCorrupt, d)
			}
			lcn += d
			if lcn < 0 || lcn > clusters || n > clusters-lcn {
				return nil, fmt.Errorf("%w: a run of %d clusters at cluster %#x leaves the volume", block.ErrCorrupt, n, lcn)
			}
			r.lcn = lcn
		}
		out = appendRun(out, r)
		vcn += n
		pairs = pairs[1+nLen+nOff:]
	}
}

// maxVCN keeps all byte offsets of a stream in an int64 for clusters of up to
// 2 MiB.
const maxVCN = 1 << 41

func appendRun(rs []run, r run) []run {
	if len(rs) > 0 {
		l := &rs[len(rs)-1]
		if l.lcn == sparse && r.lcn == sparse || l.lcn != sparse && l.lcn+l.n == r.lcn {
			l.n += r.n
			return rs
		}
	}
	return append(rs, r)
}

// signed reads a little-endian number in two's complement of up to 8 bytes.
func signed(b []byte) int64 {
	v := int64(int8(b[len(b)-1]))
	for i := len(b) - 2; i >= 0; i-- {
		v = v<<8 | int64(b[i])
	}
	return v
}

// findRun returns the part of the run that holds vcn from there on.
func findRun(rs []run, vcn int64) (run, bool) {
	i := sort.Search(len(rs), func(i int) bool { return rs[i].end() > vcn })
	if i == len(rs) || rs[i].vcn > vcn {
		return run{}, false
	}
	r := rs[i]
	skip := vcn - r.vcn
	r.vcn, r.n = vcn, r.n-skip
	if r.lcn != sparse {
		r.lcn += skip
	}
	return r, true
}
