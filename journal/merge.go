package journal

import (
	"cmp"
	"iter"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/merge"
)

// compare orders entries of several files as journalctl does: by sequence number
// where they share its source, by the monotonic clock within a boot, else by the
// time of day.
func compare(a, b *Entry) int {
	if a.SeqnumID == b.SeqnumID {
		if c := cmp.Compare(a.Seqnum, b.Seqnum); c != 0 {
			return c
		}
	}
	if a.BootID == b.BootID {
		if c := cmp.Compare(a.Monotonic, b.Monotonic); c != 0 {
			return c
		}
	}
	if c := cmp.Compare(a.Realtime, b.Realtime); c != 0 {
		return c
	}
	return cmp.Compare(a.XorHash, b.XorHash)
}

// Merge lists the entries of several files in one order, or the last first. An
// entry that two files hold, with the same times and fields, comes once. An error
// takes the place of each one that cannot be read.
//
// The order is no total one: it is by number, by time since the boot or by time
// of day as two entries allow. So the heads of all files are compared each time,
// as journalctl does.
func Merge(files []*File, reverse bool) iter.Seq2[*Entry, error] {
	var journals []iter.Seq2[*Entry, error]
	for _, f := range files {
		journals = append(journals, f.Entries(reverse))
	}
	return merge.All(journals, func(a, b *Entry) int {
		if reverse {
			a, b = b, a
		}
		return compare(a, b)
	}, true)
}

// A Boot is one boot that a journal knows of.
type Boot struct {
	ID          ID
	First, Last uint64 // microseconds since 1970 of its first and its last entry
}

// maxBoots bounds the boots that are listed, 64 bytes of memory each.
const maxBoots = 1 << 20

// Boots lists the boots in the order of their first entries, and returns the
// errors of entries that could not be read to each.
func Boots(files []*File, failed func(error)) []Boot {
	var boots []Boot
	at := map[ID]int{}
	last := -1
	for e, err := range Merge(files, false) {
		if err != nil {
			failed(err)
			continue
		}
		if last < 0 || boots[last].ID != e.BootID {
			i, ok := at[e.BootID]
			if !ok {
				if len(boots) == maxBoots {
					failed(block.Errorf(format, "entry", int64(e.off), block.ErrLimit, "there are more than %d boots", maxBoots))
					return boots
				}
				i = len(boots)
				at[e.BootID] = i
				boots = append(boots, Boot{ID: e.BootID, First: e.Realtime})
			}
			last = i
		}
		boots[last].Last = e.Realtime
	}
	return boots
}
