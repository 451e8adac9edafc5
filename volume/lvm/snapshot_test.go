package lvm

import (
	"bytes"
	"errors"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
)

// FuzzSnapshot takes bytes for the store of a snapshot.
func FuzzSnapshot(f *testing.F) {
	image := testimg.Case(f, "testdata/groups.tar.zst", "snaps")["m0"]
	for at := 0; at < len(image); at += sectorSize {
		if string(image[at:at+4]) == "SnAp" {
			f.Add(image[at:min(at+40<<10, len(image))])
		}
	}
	f.Fuzz(func(t *testing.T, cow []byte) {
		s, err := openSnapshot("s", hole(2<<20), block.Plain(bytes.NewReader(cow)))
		if err != nil {
			return
		}
		err = testimg.ReadDevice(s, s.Size())
		var e *block.Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("an error that does not say where: %v", err)
		}
	})
}
