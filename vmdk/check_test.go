package vmdk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/vmdk"
)

func TestCheck(t *testing.T) {
	put32 := func(at int, v uint32) func([]byte) { return func(b []byte) { le.PutUint32(b[at:], v) } }
	const rgd, gd, rgt, gt = 21 * sector, 22 * sector, 23 * sector, 26 * sector // of plan
	text := self("monolithicSparse")
	stored := int64(strings.Count(plan, "d"))
	for name, c := range map[string]struct {
		image  []byte
		faults []string // what each is about, in their order
		n      int64
		dirty  bool
	}{
		"clean":              {image: hosted(plan, text, nil)},
		"stream":             {image: stream(plan, 3, nil)},
		"COWD":               {image: cowd(plan, 3, nil)},
		"dirty":              {image: hosted(plan, text, func(b []byte) { b[0x48] = 1 }), dirty: true},
		"past end":           {hosted(plan, text, func(b []byte) { put32(gt, 1<<30)(b); put32(rgt, 1<<30)(b) }), []string{"grain table"}, 1, false},
		"one table":          {hosted(plan, text, put32(rgt, 7)), []string{"redundant grain table"}, 1, false},
		"no redundant table": {hosted(plan, text, put32(rgd, 0)), []string{"redundant grain directory"}, perGT, false},
		"bad entry":          {hosted(plan, text, put32(gd, 1<<30)), []string{"grain directory"}, 1, false},
		"no table":           {hosted(plan, text, func(b []byte) { put32(gd, 1<<30)(b); put32(rgd, 1<<30)(b) }), []string{"grain directory"}, perGT, false},
		"shared": {hosted("ddd", self3("monolithicSparse", 3), func(b []byte) {
			for _, at := range []int{23, 24} {
				le.PutUint32(b[at*sector+4:], le.Uint32(b[at*sector:])+1)
			}
		}), []string{"grain"}, 1, false},
		"marker": {stream("dd", 3, put32(21*sector, 99)), []string{"compressed grain"}, 1, false},
	} {
		var faults []block.Fault
		res, err := vmdk.Check(context.Background(), bytes.NewReader(c.image), nil, func(f block.Fault) { faults = append(faults, f) })
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if res.Corruptions != c.n || res.Dirty != c.dirty || len(faults) != len(c.faults) {
			t.Errorf("%s: %+v, faults %v", name, res, faults)
			continue
		}
		for i, f := range faults {
			var e *block.Error
			if !errors.As(f.Err, &e) || e.What != c.faults[i] {
				t.Errorf("%s: %v, want one of the %s", name, f.Err, c.faults[i])
			}
		}
		if c.n == 0 && (res.Allocated != stored || res.Total != int64(len(plan))) {
			t.Errorf("%s: %+v", name, res)
		}
	}
}

// self3 is a descriptor of n grains inside its file.
func self3(createType string, n int) string {
	return descriptor(createType, "", fmt.Sprintf(`RW %d SPARSE "x.vmdk"`, n*grain/sector))
}

// TestCheckExtents checks what a descriptor names, and stops when it is told.
func TestCheckExtents(t *testing.T) {
	files := dir{"a": hosted("d.d", "", nil), "b": hosted("..d", "", func(b []byte) { b[23*sector] ^= 1 }), "c": sesparse("d.z", nil)}
	text := descriptor("twoGbMaxExtentSparse", "", `RW 24 SPARSE "a"`, `RW 24 SPARSE "b"`, `RW 24 SESPARSE "c"`, `RW 8 ZERO`)
	res, err := vmdk.Check(context.Background(), strings.NewReader(text), &vmdk.Options{Opener: files.open}, nil)
	if err != nil || res.Total != 9 || res.Allocated != 4 || res.Corruptions != 1 {
		t.Errorf("%+v, %v", res, err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	stop := errors.New("stop")
	cancel(stop)
	if _, err := vmdk.Check(ctx, strings.NewReader(text), &vmdk.Options{Opener: files.open}, nil); !errors.Is(err, stop) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestCheckBounds has a small file claim many grains: each of them wrong, and
// all of them in one place.
func TestCheckBounds(t *testing.T) {
	const n, gd, rgd = 2000, 22 * sector, 21 * sector
	check := func(image []byte) (told, grains int64, err error) {
		res, err := vmdk.Check(context.Background(), bytes.NewReader(image), nil, func(f block.Fault) { told, grains = told+1, grains+f.Count })
		if err == nil && res.Corruptions != n {
			t.Errorf("%+v", res)
		}
		return told, grains, err
	}
	fill := func(b []byte, at int, e uint32) {
		for i := range perGT {
			le.PutUint32(b[at+4*i:], e)
		}
	}
	text := self3("monolithicSparse", n)
	wrong := hosted(strings.Repeat("d", n), text, func(b []byte) {
		for i := range n / perGT {
			fill(b, int(le.Uint32(b[gd+4*i:]))*sector, 1<<30)
			fill(b, int(le.Uint32(b[rgd+4*i:]))*sector, 1<<30)
		}
	})
	if told, grains, err := check(wrong); err != nil || told != 1001 || grains != n {
		t.Errorf("%d faults for %d grains, %v", told, grains, err)
	}
	one := hosted(strings.Repeat(".", n-1)+"d", text, func(b []byte) {
		last := le.Uint32(b[gd+4*(n/perGT-1):])
		for i := range n / perGT {
			le.PutUint32(b[gd+4*i:], last)
			le.PutUint32(b[rgd+4*i:], last)
		}
		fill(b, int(last)*sector, le.Uint32(b[int(last)*sector+4*(perGT-1):]))
	})
	if _, _, err := check(one); !errors.Is(err, block.ErrLimit) {
		t.Errorf("more grains than sectors: %v", err)
	}
}
