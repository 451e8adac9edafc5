package vdi_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/vdi"
)

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		change                        func([]byte)
		corruptions, leaks, allocated int64
	}{
		"clean":        {nil, 0, 0, 3},
		"past the end": {put32(0x200, 0x0fffffff), 2, 1, 2}, // and the count of the header
		"shared":       {put32(0x200, 1), 1, 1, 3},
		"lost":         {put32(0x200, 0xffffffff), 1, 1, 2},
		"counted":      {put32(0x184, 7), 1, 0, 3},
	} {
		image, _ := build("dd.d", 4*64<<10, c.change)
		res, err := vdi.Check(context.Background(), bytes.NewReader(image), nil, nil)
		if err != nil || res.Corruptions != c.corruptions || res.Leaks != c.leaks || res.Allocated != c.allocated || res.Total != 4 {
			t.Errorf("%s: %+v, %v", name, res, err)
		}
	}
}

// TestCheckUnreadable has a file that cannot be read, which is no corruption.
func TestCheckUnreadable(t *testing.T) {
	image, _ := build("dd.d", 4*64<<10, nil)
	broken := errors.New("broken disk")
	r := testimg.Unreadable{Reader: bytes.NewReader(image), At: 0x200, Err: broken}
	if res, err := vdi.Check(context.Background(), r, nil, nil); !errors.Is(err, broken) {
		t.Errorf("%+v, %v", res, err)
	}
}

// TestCheckManyLeaks has more lost blocks than are told one by one.
func TestCheckManyLeaks(t *testing.T) {
	const lost, size = 1500, 64 << 10
	image, _ := build("d", size, nil)
	image = append(image, make([]byte, lost*size)...)
	var told, leaks int64
	res, err := vdi.Check(context.Background(), bytes.NewReader(image), nil, func(f block.Fault) { told, leaks = told+1, leaks+f.Count })
	if err != nil || res.Leaks != lost || leaks != lost || told != 1001 {
		t.Errorf("%+v, %d faults for %d blocks, %v", res, told, leaks, err)
	}
}
