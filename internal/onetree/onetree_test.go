package onetree

import "testing"

func TestClaim(t *testing.T) {
	var d Dirs
	for i, c := range []struct {
		dir  uint64
		at   Place
		want bool
	}{{1, Place{0, 0}, true}, {2, Place{1, 5}, true}, {2, Place{1, 5}, true}, {2, Place{1, 6}, false}, {1, Place{2, 1}, false}, {3, Place{2, 1}, true}} {
		if got := d.Claim(c.dir, c.at); got != c.want {
			t.Errorf("%d: %v", i, got)
		}
	}
	for i := range uint64(most + 10) {
		d.Claim(i+10, Place{0, i})
	}
	if len(d.places) > most {
		t.Errorf("%d are remembered", len(d.places))
	}
}
