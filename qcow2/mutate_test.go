package qcow2_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format/raw"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/qcow2"
)

// TestMutations damages the metadata of every fixture. The format has no
// checksums, so there is nothing to seal.
func TestMutations(t *testing.T) {
	behind := map[string][]byte{"backing.raw": fixture(t, "backing.raw"), "data.raw": fixture(t, "data.raw")}
	opener := func(ref block.Ref) (block.Device, error) {
		b, ok := behind[ref.Name]
		if !ok {
			return nil, block.Errorf("", ref.Kind, -1, block.ErrRefused, "")
		}
		return raw.Open(bytes.NewReader(b), nil)
	}
	for i, m := range manifest(t) {
		if m.disk == "-" {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			b := fixture(t, m.name)
			testimg.Mutate(t, testimg.Mutations{
				Image: b,
				Where: metadataOf(t, b, opener),
				Run:   func(r block.Reader) error { return exercise(r, opener) },
				Seed:  uint64(i),
			})
		})
	}
}

// metadataOf returns the ranges that a clean run reads, but for the guest's data
// in verbatim clusters.
func metadataOf(t *testing.T, b []byte, opener block.Opener) []testimg.Range {
	t.Helper()
	trace := &testimg.Trace{Reader: bytes.NewReader(b)}
	im, err := qcow2.Open(trace, &qcow2.Options{Opener: opener})
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range block.Extents(im, 0, im.Size()) {
		if err == nil && e.Compressed {
			err = block.ReadFull(im, make([]byte, 1), e.Off)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return trace.Ranges()
}

// exercise does with an image what there is to do, but for repairing it, up to a
// few MiB of it.
func exercise(r block.Reader, opener block.Opener) error {
	qcow2.Check(context.Background(), r, nil, nil)
	info, _, err := qcow2.Describe(r, nil)
	if err != nil {
		return err
	}
	names := []string{""}
	for _, s := range info.Snapshots[:min(2, len(info.Snapshots))] {
		names = append(names, s.ID)
	}
	var first error
	for _, name := range names {
		if err := exerciseOne(r, &qcow2.Options{Opener: opener, BackingFormat: "raw", Snapshot: name}); first == nil {
			first = err
		}
	}
	return first
}

func exerciseOne(r block.Reader, opts *qcow2.Options) error {
	im, err := qcow2.Open(r, opts)
	if err != nil {
		return err
	}
	defer im.Close()
	var first error
	note := func(err error) {
		if first == nil {
			first = err
		}
	}
	buf := make([]byte, 64<<10)
	for _, start := range []int64{0, im.Size()/2&^0xffff + 3, max(0, im.Size()-8*int64(len(buf)))} {
		for i := range int64(32) {
			off := start + i*int64(len(buf))
			if off >= im.Size() {
				break
			}
			note(block.ReadFull(im, buf[:min(int64(len(buf)), im.Size()-off)], off))
		}
	}
	n := 0
	for _, err := range block.Extents(im, 0, im.Size()) {
		note(err)
		if n++; n > 10000 {
			break
		}
	}
	im.Problems()
	return first
}
