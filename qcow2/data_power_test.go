package qcow2

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/overlays"
	"github.com/guestkit/guestkit/internal/testimg"
)

// withData is an image with its data file.
type withData struct {
	*testimg.Power
	data *testimg.Power
}

func (w withData) DataFile(name string) (block.Storage, error) {
	if name != "x.data" {
		return nil, block.ErrRefused
	}
	return w.data, nil
}

// writtenWithData makes an image with a data file, which holds pieces.
func writtenWithData(t *testing.T, l Layout, pieces ...testimg.Piece) (image, data []byte) {
	t.Helper()
	l.DataFile = "x.data"
	d := testimg.NewPower(nil)
	image = testimg.Filled(t, func(f *testimg.Power) (*Writer, error) { return NewWriter(f, d, &l) }, pieces...)
	return image, d.B
}

// dataDisk checks an image with a data file, and reads its disk upon the others.
func dataDisk(image, data []byte, below block.Device) ([]byte, error) {
	err := testimg.Faultless(func(report func(block.Fault)) (*block.CheckResult, error) {
		return Check(context.Background(), bytes.NewReader(image), nil, report)
	}, "")
	if err != nil {
		return nil, err
	}
	im, err := Open(bytes.NewReader(image), &Options{Opener: func(ref block.Ref) (block.Device, error) {
		if ref.Kind == "data file" {
			return block.Plain(bytes.NewReader(data)), nil
		}
		if ref.Name == "new.raw" {
			return either(ref)
		}
		return overlays.Opener(below)(ref)
	}})
	if err != nil {
		return nil, err
	}
	disk := make([]byte, im.Size())
	return disk, block.ReadFull(im, disk, 0)
}

var dataLayouts = map[string]Layout{"4k": {ClusterSize: 4096}, "extended": {ClusterSize: 16 << 10, ExtendedL2: true}, "64k": {}}

// TestDataFilePower rebases and empties overlays with an external data file, with the
// power gone at any moment.
func TestDataFilePower(t *testing.T) {
	ctx := t.Context()
	for name, l := range dataLayouts {
		t.Run(name, func(t *testing.T) {
			l.Size, l.Backing, l.BackingFormat = 300<<10+512, "base.raw", "raw"
			base, _ := baseDisk(block.Ref{})
			next, _ := either(block.Ref{Name: "new.raw"})
			image, data := writtenWithData(t, l, testimg.At(0, 64<<10, 5), testimg.At(128<<10, 64<<10, 0), testimg.At(256<<10, 44<<10+512, 7))
			want, err := dataDisk(image, data, base)
			if err != nil {
				t.Fatal(err)
			}
			// run lets the power go; the disk must never read otherwise.
			run := func(what string, image, data []byte, below block.Device, op func(f Storage) error) (_, _ []byte) {
				t.Helper()
				all := testimg.Together(image, data)
				if err := op(withData{all[0], all[1]}); err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				n := all.Crashes(t, 60, func(when string, left [][]byte) {
					if got, err := dataDisk(left[0], left[1], below); err != nil || !bytes.Equal(got, want) {
						t.Fatalf("%s, %s: another disk, %v", what, when, err)
					}
				})
				t.Logf("%s: %d crashes survived", what, n)
				return all[0].B, all[1].B
			}
			rebased := &RebaseOptions{Backing: "new.raw", BackingFormat: "raw", Old: base, New: next}
			if err := Rebase(ctx, testimg.NewPower(image), rebased); !errors.Is(err, block.ErrUnsupported) {
				t.Errorf("without the data file: %v, want ErrUnsupported", err)
			}
			unsafe := *rebased
			unsafe.Unsafe = true
			if err := Rebase(ctx, withData{testimg.NewPower(image), testimg.NewPower(data)}, &unsafe); !errors.Is(err, block.ErrRefused) {
				t.Errorf("-u onto another disk: %v, want ErrRefused", err)
			}
			upon, uponData := run("rebase", image, data, base, func(f Storage) error { return Rebase(ctx, f, rebased) })
			alone, aloneData := run("flatten", upon, uponData, nil, func(f Storage) error { return Rebase(ctx, f, &RebaseOptions{Old: next}) })
			if got, err := dataDisk(alone, aloneData, nil); err != nil || !bytes.Equal(got, want) || bytes.Contains(alone[:512], []byte("new.raw")) {
				t.Errorf("flatten: another disk, %v", err)
			}
			// Empty, what lies behind it shows.
			all := testimg.Together(image, data)
			if err := Empty(ctx, withData{all[0], all[1]}); err != nil {
				t.Fatal(err)
			}
			old := make([]byte, len(want))
			copy(old, bytes.Repeat([]byte("base disk"), 20<<10))
			if got, err := dataDisk(all[0].B, all[1].B, base); err != nil || !bytes.Equal(got, old) {
				t.Errorf("empty: another disk, %v", err)
			}
			all.Crashes(t, 60, func(when string, left [][]byte) {
				if got, err := dataDisk(left[0], left[1], base); err != nil || !bytes.Equal(got, old) && !bytes.Equal(got, want) {
					t.Fatalf("empty, %s: another disk, %v", when, err)
				}
			})
		})
	}
}

// TestCommitDataFile commits into images with an external data file, with the power gone
// at any moment: the disk of the overlay must never read otherwise.
func TestCommitDataFile(t *testing.T) {
	ctx := t.Context()
	for name, l := range dataLayouts {
		for _, raw := range []bool{false, true} {
			t.Run(name+map[bool]string{true: " raw"}[raw], func(t *testing.T) {
				const size = 300<<10 + 512
				l.Size, l.DataFileRaw = size, raw
				image, data := writtenWithData(t, l, testimg.At(0, 128<<10, 5), testimg.At(256<<10, 44<<10+512, 7))
				top := Layout{ClusterSize: 4096, Size: size, Backing: "base", BackingFormat: "qcow2"}
				b := testimg.Filled(t, func(f *testimg.Power) (*Writer, error) { return NewWriter(f, nil, &top) },
					testimg.At(4<<10, 4<<10, 1), testimg.At(64<<10, 32<<10, 0), testimg.At(200<<10, 8<<10, 2), testimg.At(300<<10, 512, 3))
				open := func(image, data []byte) block.Device {
					t.Helper()
					im, err := Open(bytes.NewReader(image), &Options{Opener: overlays.Opener(block.Plain(bytes.NewReader(data)))})
					if err != nil {
						t.Fatal(err)
					}
					return im
				}
				over := func(image, data []byte) []byte {
					t.Helper()
					im, err := Open(bytes.NewReader(b), &Options{Opener: overlays.Opener(open(image, data))})
					if err != nil {
						t.Fatal(err)
					}
					disk := make([]byte, size)
					if err := block.ReadFull(im, disk, 0); err != nil {
						t.Fatal(err)
					}
					return disk
				}
				want := over(image, data)
				all := testimg.Together(image, data)
				below := open(bytes.Clone(image), bytes.Clone(data))
				upon, err := Open(bytes.NewReader(b), &Options{Opener: overlays.Opener(below)})
				if err != nil {
					t.Fatal(err)
				}
				if err := CommitInto(ctx, testimg.NewPower(image), upon, below, 1); !errors.Is(err, block.ErrUnsupported) {
					t.Errorf("without the data file: %v, want ErrUnsupported", err)
				}
				if err := CommitInto(ctx, withData{all[0], all[1]}, upon, below, 1); err != nil {
					t.Fatal(err)
				}
				if got, err := dataDisk(all[0].B, all[1].B, nil); err != nil || !bytes.Equal(got, want) {
					t.Errorf("another disk, %v", err)
				}
				if raw && !bytes.Equal(all[1].B, want) {
					t.Errorf("the data file of %d bytes is no raw image of the disk", len(all[1].B))
				}
				n := all.Crashes(t, 60, func(when string, left [][]byte) {
					if _, err := dataDisk(left[0], left[1], nil); err != nil {
						t.Fatalf("%s: %v", when, err)
					}
					if !bytes.Equal(over(left[0], left[1]), want) {
						t.Fatalf("%s: another disk", when)
					}
				})
				t.Logf("%d crashes survived", n)
			})
		}
	}
}

// TestDataFileElsewhere: an entry that leads to another place of the data file than that
// of the disk is an error (docs/interop/qcow2.txt: the offset must match the guest's).
func TestDataFileElsewhere(t *testing.T) {
	image, data := writtenWithData(t, Layout{ClusterSize: 4096, Size: 64 << 10}, testimg.At(0, 8<<10, 5))
	be := binary.BigEndian
	l2 := be.Uint64(image[be.Uint64(image[40:]):]) & offsetMask
	be.PutUint64(image[l2+8:], 1<<63|5*4096)
	for _, n := range []int{len(data), 64 << 10} {
		if _, err := dataDisk(image, append(bytes.Clone(data), make([]byte, n-len(data))...), nil); !errors.Is(err, block.ErrCorrupt) || !strings.Contains(err.Error(), "data file") {
			t.Errorf("%d bytes: %v, want ErrCorrupt", n, err)
		}
	}
	if res, err := Check(t.Context(), bytes.NewReader(image), nil, nil); err != nil || res.Corruptions != 1 {
		t.Errorf("check: %+v, %v", res, err)
	}
	im, err := Open(bytes.NewReader(image), &Options{Opener: overlays.Opener(block.Plain(bytes.NewReader(make([]byte, 64<<10))))})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := im.ReadAt(make([]byte, 8<<10), 0); !errors.Is(err, block.ErrCorrupt) {
		t.Errorf("read: %v, want ErrCorrupt", err)
	}
	if e, err := im.Extent(4096); !errors.Is(err, block.ErrCorrupt) {
		t.Errorf("extent: %+v, %v, want ErrCorrupt", e, err)
	}
}
