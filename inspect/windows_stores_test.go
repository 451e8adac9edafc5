package inspect

import (
	"errors"
	"testing"

	"github.com/guestkit/guestkit/block"
)

// TestManyStores says which store of boot entries is not read.
func TestManyStores(t *testing.T) {
	rep, s := &Report{}, &System{}
	for range maxStores {
		s.BootLoaders = append(s.BootLoaders, BootLoader{})
	}
	rep.readStore(t.Context(), s, &Volume{Name: "disk0p1"}, "Boot/BCD", &Options{})
	if p := rep.Problems(); len(p) != 1 || !errors.Is(p[0], block.ErrLimit) || len(s.BootLoaders) != maxStores {
		t.Errorf("%v, %d loaders", p, len(s.BootLoaders))
	}
}
