package vhd_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/vhd"
)

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		change               func([]byte)
		corruptions, leaks   int64
		allocated, fragments int64
	}{
		"clean":        {nil, 0, 0, 3, 0},
		"past the end": {func(b []byte) { be.PutUint32(b[tableAt:], 1<<30) }, 1, 1, 2, 0},
		"over the BAT": {func(b []byte) { be.PutUint32(b[tableAt:], 3) }, 1, 1, 2, 0},
		"shared":       {func(b []byte) { copy(b[tableAt:tableAt+4], b[tableAt+4:tableAt+8]) }, 1, 1, 3, 1},
		"half over":    {func(b []byte) { be.PutUint32(b[tableAt+4:], be.Uint32(b[tableAt:])+20) }, 1, 0, 3, 1},
		"lost":         {func(b []byte) { be.PutUint32(b[tableAt+4:], 0xffffffff) }, 0, 1, 2, 0},
		"bad copy":     {func(b []byte) { b[0] ^= 1 }, 1, 0, 3, 0},
	} {
		image, _ := build("dd.h", 4*blockSize, 3, nil)
		if c.change != nil {
			c.change(image)
		}
		var leaks, corruptions int64
		res, err := vhd.Check(context.Background(), bytes.NewReader(image), nil, func(f block.Fault) {
			if f.Leak {
				leaks += f.Count
			} else {
				corruptions += f.Count
			}
		})
		if err != nil || res.Corruptions != c.corruptions || res.Leaks != c.leaks || res.Allocated != c.allocated || res.Fragmented != c.fragments || res.Total != 4 {
			t.Errorf("%s: %+v, %v", name, res, err)
			continue
		}
		if leaks != res.Leaks || corruptions != res.Corruptions {
			t.Errorf("%s: %d leaks and %d corruptions were reported, of %+v", name, leaks, corruptions, res)
		}
	}
	image, _ := build("dd.h", 4*blockSize, 3, nil)
	be.PutUint64(image[0x10:], 1<<40)
	seal(image)
	if _, err := vhd.Check(context.Background(), bytes.NewReader(image), nil, nil); !errors.Is(err, block.ErrCorrupt) {
		t.Errorf("an image that cannot be opened: %v", err)
	}
}

// TestCheckUnreadable has a file that cannot be read, which is no corruption.
func TestCheckUnreadable(t *testing.T) {
	image, _ := build("dd.h", 4*blockSize, 3, nil)
	broken := errors.New("broken disk")
	r := testimg.Unreadable{Reader: bytes.NewReader(image), At: tableAt, Err: broken}
	if res, err := vhd.Check(context.Background(), r, nil, nil); !errors.Is(err, broken) {
		t.Errorf("%+v, %v", res, err)
	}
}
