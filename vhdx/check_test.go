package vhdx_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/vhdx"
)

func TestCheck(t *testing.T) {
	put := func(i int, e uint64) func([]byte) { return func(b []byte) { le.PutUint64(b[tableAt+8*i:], e) } }
	for name, c := range map[string]struct {
		change                 func([]byte)
		corruptions, allocated int64
	}{
		"clean":          {nil, 0, 3},
		"past the end":   {put(0, 1<<40|6), 1, 2},
		"over the BAT":   {put(0, tableAt|6), 1, 2},
		"shared":         {func(b []byte) { copy(b[tableAt:tableAt+8], b[tableAt+8:]) }, 1, 3},
		"state":          {put(0, 4), 1, 2},
		"partial":        {put(0, blocksAt|7), 1, 2},
		"not in use":     {put(0, 0), 0, 2},
		"first header":   {func(b []byte) { b[64<<10+100] ^= 1 }, 1, 3},
		"second header":  {func(b []byte) { b[128<<10+100] ^= 1 }, 1, 3},
		"second regions": {func(b []byte) { b[256<<10+20] ^= 1 }, 1, 3},
		"first regions":  {func(b []byte) { b[192<<10+20] ^= 1 }, 1, 3},
	} {
		image, _ := build("dd.d", 4*blockSize, nil, nil)
		if c.change != nil {
			c.change(image)
		}
		var faults int64
		res, err := vhdx.Check(context.Background(), bytes.NewReader(image), nil, func(f block.Fault) { faults += f.Count })
		if err != nil || res.Corruptions != c.corruptions || faults != c.corruptions || res.Leaks != 0 || res.Allocated != c.allocated || res.Total != 4 {
			t.Errorf("%s: %+v, %d faults, %v", name, res, faults, err)
		}
	}
}

// TestCheckUnreadable has a file that cannot be read, which is no corruption.
func TestCheckUnreadable(t *testing.T) {
	image, _ := build("dd.d", 4*blockSize, nil, nil)
	broken := errors.New("broken disk")
	r := testimg.Unreadable{Reader: bytes.NewReader(image), At: tableAt, Err: broken}
	if res, err := vhdx.Check(context.Background(), r, nil, nil); !errors.Is(err, broken) {
		t.Errorf("%+v, %v", res, err)
	}
}
