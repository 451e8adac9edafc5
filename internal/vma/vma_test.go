package vma

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/guestkit/guestkit/block"
)

// TestIndexBound counts the clusters that hold something, and not those of zeros, of
// which a large disk has many.
func TestIndexBound(t *testing.T) {
	f, err := os.Open("../../ova/testdata/two.vma.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	a, err := Open(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	held, all := 0, int64(0)
	for _, d := range a.Devices {
		held += len(d.index)
		all += d.clusters
	}
	if held == 0 || int64(held) >= all {
		t.Fatalf("%d of %d clusters hold something", held, all)
	}
	if _, err := open(bytes.NewReader(b), held); err != nil {
		t.Errorf("%d clusters are allowed: %v", held, err)
	}
	if _, err := open(bytes.NewReader(b), held-1); !errors.Is(err, block.ErrLimit) {
		t.Errorf("one less: %v", err)
	}
}
