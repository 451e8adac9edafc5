package xfs

import (
	"errors"

	"github.com/guestkit/guestkit/block"
)

// active is the part of the log that matters: records from tail to head, which is the block
// that the next record would take. Clean logs have none.
type active struct {
	head, tail int64
	clean      bool
	cut        error // why records before the end of what was written are left out
}

// find looks for the head of the log: the place where the cycle falls by one,
// or where it was never written. It then goes by the last record.
func (j *journal) find() (active, error) {
	head, never, cut, err := j.findHead()
	if err != nil || never {
		return active{clean: never}, err
	}
	for range maxInFlight + 1 {
		last, h, err := j.lastRecord(head)
		if err != nil {
			return active{}, err
		}
		if clean, err := j.unmounted(last, head, &h); err != nil || clean {
			return active{clean: clean, cut: cut}, err
		}
		if !j.sb.v5() {
			return j.tailOf(head, &h, cut)
		}
		// Records that were on their way when the machine stopped may be torn;
		// the first of them is where the log ends.
		torn, why, err := j.firstTorn(head)
		if err != nil {
			return active{}, err
		}
		if torn < 0 {
			return j.tailOf(head, &h, cut)
		}
		head, cut = torn, why
	}
	return active{}, j.corrupt(head, "no whole record before the head")
}

// tailOf takes the tail from the last record.
func (j *journal) tailOf(head int64, h *recHeader, cut error) (active, error) {
	tail := int64(uint32(h.tailLSN))
	if tail >= j.blocks {
		return active{}, j.corrupt(head, "tail is block %d of %d", tail, j.blocks)
	}
	return active{head: head % j.blocks, tail: tail, clean: tail == head%j.blocks, cut: cut}, nil
}

// findHead finds the head by the cycles of blocks. never says that no record
// was ever written, cut what of the log was written and lies past the head.
func (j *journal) findHead() (head int64, never bool, cut, err error) {
	first, err := j.cycle(0)
	if err != nil {
		return 0, false, nil, err
	}
	last, err := j.cycle(j.blocks - 1)
	if err != nil {
		return 0, false, nil, err
	}
	if first == 0 {
		if last != 0 {
			return 0, false, nil, j.corrupt(0, "cycle 0 at the start and %d at the end", last)
		}
		return 0, true, nil, nil
	}
	// Blocks before the head have cycle first, those after it cycle last. What
	// was written out of order leaves blocks of the cycle before in between.
	head, before := j.blocks, first-1
	if last != first {
		if last != 0 && last != first-1 {
			return 0, false, nil, j.corrupt(0, "cycle %d at the start and %d at the end", first, last)
		}
		before = last
		lo, hi := int64(0), j.blocks-1 // lo has cycle first, hi has cycle last
		for hi-lo > 1 {
			mid := lo + (hi-lo)/2
			c, err := j.cycle(mid)
			if err != nil {
				return 0, false, nil, err
			}
			if c == last {
				hi = mid
			} else {
				lo = mid
			}
		}
		head = hi
	}
	end := head
	if head, err = j.firstHole(head, before); err != nil {
		return 0, false, nil, err
	}
	if head, err = j.wholeRecord(head); err == nil && head != end {
		cut = j.corrupt(head, "the last record was not written whole")
	}
	return head, false, cut, err
}

// firstHole looks at the blocks before the head that may have been on their way
// together, for one that was not written.
func (j *journal) firstHole(head int64, before uint32) (int64, error) {
	window := min(j.blocks, maxInFlight*maxRecordSize/basicBlock)
	scan := func(start, end int64, cycle uint32) (int64, error) {
		b, err := j.read(start, end-start)
		if err != nil {
			return -1, err
		}
		for i := int64(0); i < end-start; i++ {
			if blockCycle(b[i*basicBlock:]) == cycle {
				return start + i, nil
			}
		}
		return -1, nil
	}
	start := head - window
	if start < 0 && before > 0 {
		// The end of the ring comes before its start; there blocks are one
		// cycle older.
		if hole, err := scan(j.blocks+start, j.blocks, before-1); err != nil || hole >= 0 {
			return hole, err
		}
	}
	start = max(start, 0)
	hole, err := scan(start, head, before)
	if err != nil || hole < 0 {
		return head, err
	}
	return hole, nil
}

// wholeRecord moves the head back to the start of the record before it, if that
// does not end there.
func (j *journal) wholeRecord(head int64) (int64, error) {
	blk, h, err := j.lastRecord(head)
	if err != nil {
		return 0, err
	}
	if (blk+h.blocks()-head)%j.blocks != 0 {
		return blk, nil
	}
	return head, nil
}

// lastRecord finds the record before a block, around the end of the ring if
// need be.
func (j *journal) lastRecord(head int64) (int64, recHeader, error) {
	const step = 64
	window := min(j.blocks, 2*maxRecordSize/basicBlock+step)
	for back := int64(0); back < window; back += step {
		n := min(step, window-back)
		start := (head - back - n + 2*j.blocks) % j.blocks
		b, err := j.read(start, n)
		if err != nil {
			return 0, recHeader{}, err
		}
		for i := n - 1; i >= 0; i-- {
			if [4]byte(b[i*basicBlock:]) != [4]byte{0xfe, 0xed, 0xba, 0xbe} {
				continue
			}
			blk := (start + i) % j.blocks
			h, err := j.header(blk)
			return blk, h, err
		}
	}
	return 0, recHeader{}, j.corrupt(head, "no record before the head")
}

// unmounted reports whether the record that ends at the head is the one that an
// unmount writes.
func (j *journal) unmounted(blk, head int64, h *recHeader) (bool, error) {
	if h.numOps != 1 || (blk+h.blocks()-head)%j.blocks != 0 {
		return false, nil
	}
	b, err := j.read(blk+h.headers(), 1)
	if err != nil {
		return false, err
	}
	return b[opFlagsOff]&opUnmount != 0, nil
}

// firstTorn checks the last records before the head, and returns the block of
// the first that is not whole and what is wrong with it, or -1.
func (j *journal) firstTorn(head int64) (blk int64, why, err error) {
	starts := make([]int64, 0, maxInFlight)
	for at := head; len(starts) < maxInFlight; {
		blk, h, err := j.lastRecord(at)
		if err != nil || (blk+h.blocks()-at)%j.blocks != 0 {
			break // the log is not as long as that
		}
		starts = append(starts, blk)
		at = blk
		if uint32(h.tailLSN) == uint32(blk) {
			break
		}
	}
	for i := len(starts) - 1; i >= 0; i-- {
		if _, _, err := j.record(starts[i]); err != nil {
			if errors.Is(err, block.ErrCorrupt) {
				return starts[i], err, nil
			}
			return -1, nil, err
		}
	}
	return -1, nil, nil
}
