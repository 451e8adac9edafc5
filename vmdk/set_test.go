package vmdk_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/vmdk"
)

// TestSets refuses extents of one disk beside the descriptor of another, and takes
// those that do not say of which they are.
func TestSets(t *testing.T) {
	const size = 4 << 20
	makeSet := func() (*memFile, dir) {
		main, files := &memFile{}, dir{}
		w, err := newTarget(main, files, &vmdk.Layout{Size: size, Subformat: vmdk.TwoGbMaxExtentSparse, Name: "x.vmdk", SplitSize: size / 4})
		if err == nil {
			err = write(w, content(size))
		}
		if err != nil {
			t.Fatal(err)
		}
		return main, files
	}
	main, files := makeSet()
	_, others := makeSet()
	if len(files) != 4 {
		t.Fatalf("%d extents", len(files))
	}
	read := func(files dir) error {
		im, err := vmdk.Open(bytes.NewReader(main.b), &vmdk.Options{Opener: files.open})
		if err != nil {
			return err
		}
		defer im.Close()
		got := bytes.Repeat([]byte{1}, size)
		if err := block.ReadFull(im, got, 0); err != nil || !bytes.Equal(got, content(size)) {
			t.Errorf("the disk is another one (%v)", err)
		}
		return nil
	}
	if err := read(files); err != nil {
		t.Fatal(err)
	}
	name := "x-s002.vmdk"
	own := files[name]
	files[name] = others[name]
	if err := read(files); !errors.Is(err, block.ErrCorrupt) || !strings.Contains(err.Error(), "another disk") {
		t.Errorf("an extent of another disk: %v", err)
	}
	if _, err := vmdk.Check(context.Background(), bytes.NewReader(main.b), &vmdk.Options{Opener: files.open}, nil); err == nil {
		t.Error("the check finds nothing")
	}
	plain := bytes.Clone(own)
	clear(plain[0x50:0x58]) // as other programs leave them
	files[name] = plain
	if err := read(files); err != nil {
		t.Error(err)
	}
}
