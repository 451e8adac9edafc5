// Package merge puts sequences that are in order each into one.
package merge

import "iter"

// All lists the elements of several sequences, the one that compare puts first each
// time; of equal ones that of the earlier sequence. With once, those that are equal
// to it and first in their sequences then do not come again. The order need be no
// total one: the heads of all sequences are compared each time. An error comes as
// soon as its sequence has it, and ends nothing.
func All[E any](sequences []iter.Seq2[E, error], compare func(a, b E) int, once bool) iter.Seq2[E, error] {
	return func(yield func(E, error) bool) {
		type head struct {
			next func() (E, error, bool)
			e    E
		}
		advance := func(h *head) (more, goOn bool) {
			for {
				e, err, ok := h.next()
				if !ok {
					return false, true
				}
				if err == nil {
					h.e = e
					return true, true
				}
				var none E
				if !yield(none, err) {
					return false, false
				}
			}
		}
		var heads []*head
		for _, s := range sequences {
			next, stop := iter.Pull2(s)
			defer stop()
			h := &head{next: next}
			more, goOn := advance(h)
			if !goOn {
				return
			}
			if more {
				heads = append(heads, h)
			}
		}
		for len(heads) > 0 {
			first := heads[0]
			for _, h := range heads[1:] {
				if compare(h.e, first.e) < 0 {
					first = h
				}
			}
			e := first.e
			if !yield(e, nil) {
				return
			}
			left := heads[:0]
			for _, h := range heads {
				more, goOn := true, true
				for taken := h == first; more && (taken || once && compare(h.e, e) == 0); taken = false {
					if more, goOn = advance(h); !goOn {
						return
					}
				}
				if more {
					left = append(left, h)
				}
			}
			heads = left
		}
	}
}
