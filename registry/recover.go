package registry

import (
	"errors"
	"sort"

	"github.com/guestkit/guestkit/block"
)

const (
	// maxChanges bounds the index into the logs.
	maxChanges = 1 << 18
	sector     = 512
)

// A change says that n bytes of the hive at off, from the first bin, lie at
// srcOff of a log.
type change struct {
	off, n int64
	src    block.Reader
	srcOff int64
}

// A txLog is a transaction log whose base block is in order.
type txLog struct {
	r    block.Reader
	base *baseBlock
}

// recover lays the logs over a hive whose last write did not reach its end. If
// they do not apply, the hive stays as it is, and a problem says so.
func (h *Hive) recover() {
	if !h.base.intact() {
		h.problems.Add(block.Errorf(format, "base block", 0x1fc, block.ErrCorrupt, "the checksum is %#x, not %#x", h.base.checksum, h.base.sum))
	}
	var fresh, old []txLog
	given := 0
	for _, r := range h.o.Logs {
		base, err := readBase(r)
		if err != nil && !errors.Is(err, block.ErrFormat) {
			h.problems.Add(err)
		}
		if err != nil {
			continue // mostly empty
		}
		given++
		switch {
		case !base.intact():
			h.problems.Add(block.Errorf(format, "base block of a log", 0x1fc, block.ErrCorrupt, "the checksum is %#x, not %#x", base.checksum, base.sum))
		case base.seq1 != base.seq2: // the log was not written to the end
		case base.fileType == typeLogNew:
			fresh = append(fresh, txLog{r, base})
		case base.fileType == typeLogOld, base.fileType == typeLogNT:
			old = append(old, txLog{r, base})
		}
	}
	changes, base, err := h.replayNew(fresh)
	if base == nil && err == nil {
		changes, base, err = h.replayOld(old)
	}
	switch {
	case err != nil:
		h.problems.Add(err)
		h.notReplayed("its log cannot be replayed")
	case base == nil && given == 0:
		h.notReplayed("no log of it was found")
	case base == nil:
		h.notReplayed("none of its logs applies to it")
	default:
		h.lay(changes, base)
	}
}

func (h *Hive) notReplayed(why string) {
	h.problems.Add(block.Errorf(format, "hive", 0, block.ErrDirty, "its last write was not finished, and %s", why))
}

// lay puts the changes over the hive.
func (h *Hive) lay(changes []change, base *baseBlock) {
	o := block.NewOverlay(h.r, max(h.r.Size(), baseSize+int64(base.bins)), maxChanges)
	for _, c := range changes {
		if err := o.Set(baseSize+c.off, c.n, c.src, c.srcOff); err != nil {
			h.problems.Add(block.Locate(format, "log", c.srcOff, err))
			h.notReplayed("its log cannot be replayed")
			return
		}
	}
	h.r, h.base = o.Device(), *base
	h.base.fileType = typePrimary
}

// before tells which of two sequence numbers, which may wrap around, is the
// earlier one.
func before(a, b uint32) bool { return int32(a-b) < 0 }

// replayNew gathers what the new logs change. Windows writes now to the one and
// now to the other: both are used, the earlier one first. If the hive's own
// base block is damaged, it is the later one alone, as it is in Windows. The
// base block is nil if none applies.
func (h *Hive) replayNew(logs []txLog) (changes []change, base *baseBlock, err error) {
	sort.SliceStable(logs, func(i, j int) bool { return before(logs[i].base.seq1, logs[j].base.seq1) })
	if !h.base.intact() && len(logs) > 1 {
		logs = logs[len(logs)-1:]
	}
	var last uint32 // the last entry that was applied
	cut := false    // a problem says that it is not the last there was
	for _, l := range logs {
		switch {
		case base == nil && h.base.intact() && before(l.base.seq1, h.base.seq2):
			continue // the hive has it all
		case base != nil && l.base.seq1 != last+1:
			if !cut && before(last+1, l.base.seq1) {
				cut = true
				h.problems.Add(block.Errorf(format, "log", 0x04, block.ErrCorrupt, "it goes on with entry %d, and the one behind entry %d is in no log: it is not replayed", l.base.seq1, last))
			}
			continue
		}
		for e, err := range entries(l.r, l.base.seq1) {
			if err == nil {
				changes, err = e.pages(changes)
			}
			if errors.Is(err, block.ErrLimit) {
				return nil, nil, err
			}
			if err != nil {
				h.problems.Add(err)
				cut = true
				break
			}
			if base == nil {
				copied := *l.base
				base = &copied
			}
			last, base.bins = e.seq, e.bins
		}
		if base == nil {
			break // what the other log changes builds on this one
		}
	}
	return changes, base, nil
}
