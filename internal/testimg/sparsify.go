package testimg

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/guestkit/guestkit/block"
)

// A Sparsifier is an image of a format whose blocks can be given back in place.
type Sparsifier struct {
	Image []byte // all of its blocks lie in the file
	Block int64  // bytes of the disk in a block
	Store int64  // bytes of the file that a block takes
	// Open checks an image and returns its disk; it fails where it is not sound.
	Open func(b []byte) ([]byte, error)
	Run  func(f block.Storage, parts []block.Range) (int64, error)
	Runs int  // random losses of power, for each of a few sets of parts
	Few  bool // two sets of parts, for images that are large
}

// Sound checks images with the check of their format and reads their disks; it fails
// where the check finds corruption. It is what Sparsifier.Open asks for.
func Sound[O any, D block.Device](check func(context.Context, block.Reader, *O, func(block.Fault)) (*block.CheckResult, error), open func(block.Reader, *O) (D, error)) func(b []byte) ([]byte, error) {
	return func(b []byte) ([]byte, error) {
		r := bytes.NewReader(b)
		var fault error
		res, err := check(context.Background(), r, nil, func(f block.Fault) { fault = f.Err })
		if err != nil {
			return nil, err
		}
		if res.Corruptions > 0 {
			return nil, fmt.Errorf("%+v %w", res, fault)
		}
		d, err := open(r, nil)
		if err != nil {
			return nil, err
		}
		disk := make([]byte, d.Size())
		return disk, block.ReadFull(d, disk, 0)
	}
}

// TestSparsify gives back parts of the disk, with the power gone at any moment.
// judge, if not nil, is shown every thirtieth image that this left; it returns the
// disk as another program reads it.
func TestSparsify(t *testing.T, s Sparsifier, judge func(t *testing.T, what string, b []byte) []byte) {
	t.Helper()
	before, err := s.Open(s.Image)
	if err != nil {
		t.Fatal(err)
	}
	bs, size := s.Block, int64(len(before))
	for name, parts := range map[string][]block.Range{
		"all":       {{Off: 0, Len: size}},
		"nothing":   nil,
		"first":     {{Off: 0, Len: bs}},
		"last":      {{Off: (size - 1) / bs * bs, Len: size - (size-1)/bs*bs}},
		"some":      {{Off: 1, Len: 2*bs - 1}, {Off: 3 * bs, Len: bs + 5}},
		"not whole": {{Off: bs - 1, Len: 1}, {Off: 2*bs + 1, Len: bs - 1}},
	} {
		if s.Few && name != "all" && name != "some" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			want := bytes.Clone(before)
			freed, stored := int64(0), int64(0)
			for off := int64(0); off < size; off += bs {
				end := min(off+bs, size)
				for _, p := range parts {
					if p.Off <= off && end <= p.Off+p.Len {
						clear(want[off:end])
						freed += end - off
						stored += s.Store
					}
				}
			}
			p := NewPower(s.Image)
			n, err := s.Run(p, parts)
			if err != nil || n != freed {
				t.Fatalf("%d bytes were given back, %v; want %d", n, err, freed)
			}
			if n := int64(len(s.Image)) - stored; freed > 0 && p.Size() > n {
				t.Errorf("the file has %d bytes, it had %d; want %d", p.Size(), len(s.Image), n)
			}
			got, err := s.Open(p.B)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("another disk, %v", err)
			}
			p.Survives(t, name, s.Runs, int(bs), s.Open)
			again := NewPower(p.B)
			if n, err := s.Run(again, parts); err != nil || n != 0 || again.Size() > p.Size() {
				t.Errorf("once more: %d bytes, the file has %d and had %d; %v", n, again.Size(), p.Size(), err)
			}
			i := 0
			p.Crashes(t, s.Runs/4, func(what string, file func() []byte) {
				if i++; judge != nil && i%30 == 2 {
					if got := judge(t, what, file()); !between(got, before, want, bs) {
						t.Errorf("%s: another program reads another disk", what)
					}
				}
				if i%10 != 0 {
					return
				}
				f := NewPower(file())
				if _, err := s.Run(f, parts); err != nil {
					t.Fatalf("%s, once more: %v", what, err)
				}
				if got, err := s.Open(f.B); err != nil || !bytes.Equal(got, want) || f.Size() > p.Size()+2*s.Store {
					t.Fatalf("%s, once more: another disk, or a file of %d bytes; %v", what, f.Size(), err)
				}
			})
			if judge != nil {
				if got := judge(t, "after all", p.B); !bytes.Equal(got, want) {
					t.Errorf("another program reads another disk, of %d bytes", len(got))
				}
			}
		})
	}
}

// between reports whether each piece of a disk is that of one or the other.
func between(got, a, b []byte, piece int64) bool {
	if len(got) != len(a) {
		return false
	}
	for off := int64(0); off < int64(len(a)); off += piece {
		end := min(off+piece, int64(len(a)))
		if !bytes.Equal(got[off:end], a[off:end]) && !bytes.Equal(got[off:end], b[off:end]) {
			return false
		}
	}
	return true
}
