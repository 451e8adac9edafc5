package xfs

import (
	"sort"

	"github.com/guestkit/guestkit/block"
)

// unpacked presents the ring with the first bytes of every block of data as
// they were before cycles replaced them: what replayed ranges are read from.
type unpacked struct {
	j    *journal
	recs []recPlace // rising
}

// recPlace says where a record lies.
type recPlace struct {
	blk     int64
	headers int64
}

func (u *unpacked) Size() int64 { return u.j.blocks * basicBlock }

// add notes a record.
func (u *unpacked) add(blk int64, h *recHeader) {
	u.recs = append(u.recs, recPlace{blk, h.headers()})
}

// sort orders the records, once all are there.
func (u *unpacked) sort() {
	sort.Slice(u.recs, func(i, j int) bool { return u.recs[i].blk < u.recs[j].blk })
}

func (u *unpacked) ReadAt(p []byte, off int64) (int, error) {
	q, eof := block.Clip(p, off, u.Size())
	if len(q) == 0 {
		return 0, eof
	}
	if err := block.ReadFull(u.j.r, q, u.j.off+off); err != nil {
		return 0, err
	}
	for at := off &^ (basicBlock - 1); at < off+int64(len(q)); at += basicBlock {
		if at+4 <= off {
			continue
		}
		var first [4]byte
		if err := u.first(at/basicBlock, first[:]); err != nil {
			return 0, err
		}
		if at < off {
			copy(q, first[off-at:])
		} else {
			copy(q[at-off:], first[:])
		}
	}
	return len(q), eof
}

// first reads the four bytes with which a block of data begins.
func (u *unpacked) first(blk int64, p []byte) error {
	i := sort.Search(len(u.recs), func(i int) bool { return u.recs[i].blk > blk }) - 1
	if i < 0 {
		i = len(u.recs) - 1 // that one runs around the end
	}
	if i < 0 {
		return u.j.corrupt(blk, "no record there")
	}
	rec := u.recs[i]
	n := (blk-rec.blk+u.j.blocks)%u.j.blocks - rec.headers
	if n < 0 {
		return u.j.corrupt(blk, "a header, not data")
	}
	at := cycleOff(n)
	return block.ReadFull(u.j.r, p, u.j.at(rec.blk+at/basicBlock)+at%basicBlock)
}
