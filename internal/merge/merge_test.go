package merge

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"testing"
)

var errBad = errors.New("bad")

// list yields numbers; a negative one is an error.
func list(ns ...int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for _, n := range ns {
			var err error
			if n < 0 {
				err = errBad
			}
			if !yield(n, err) {
				return
			}
		}
	}
}

func TestAll(t *testing.T) {
	for _, c := range []struct {
		in   []iter.Seq2[int, error]
		once bool
		want string
	}{
		{nil, false, "[]"},
		{[]iter.Seq2[int, error]{list()}, false, "[]"},
		{[]iter.Seq2[int, error]{list(1, 4, 6), list(2, 3, 7)}, false, "[1 2 3 4 6 7]"},
		{[]iter.Seq2[int, error]{list(1, 2, 2), list(2, 3), list(2)}, false, "[1 2 2 2 2 3]"},
		{[]iter.Seq2[int, error]{list(1, 2, 2), list(2, 3), list(2)}, true, "[1 2 3]"},
		{[]iter.Seq2[int, error]{list(-1, 5), list(1, -1, 2)}, false, "[bad 1 bad 2 5]"},
	} {
		var got []any
		for n, err := range All(c.in, cmp.Compare[int], c.once) {
			if err != nil {
				got = append(got, err)
			} else {
				got = append(got, n)
			}
		}
		if s := fmt.Sprint(got); s != c.want {
			t.Errorf("%s, not %s", s, c.want)
		}
	}
	// It ends where it is told to, after an error too.
	for stop := 1; stop < 5; stop++ {
		n := 0
		for range All([]iter.Seq2[int, error]{list(-1, 5), list(1, -1, 2)}, cmp.Compare[int], false) {
			if n++; n == stop {
				break
			}
		}
		if n != stop {
			t.Error(n, stop)
		}
	}
}
