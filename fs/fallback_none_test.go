//go:build !libguestfs || !linux

package fs_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs"
)

// TestBorrowedFilesystem: what only guestfish reads is named, and so is the
// build that has it do so.
func TestBorrowedFilesystem(t *testing.T) {
	b := make([]byte, 128<<10)
	copy(b[1024:], "\xe2\xe1\xf5\xe0")
	f, err := fs.Probe(bytes.NewReader(b))
	if err != nil || f.Type != "erofs" || f.Supported || !strings.Contains(f.Reason, "tag libguestfs") {
		t.Errorf("%+v, %v", f, err)
	}
	for _, o := range []*fs.Options{nil, {Type: "erofs"}} {
		if _, err := fs.Open(bytes.NewReader(b), o); !errors.Is(err, block.ErrUnsupported) || !strings.Contains(err.Error(), "tag libguestfs") {
			t.Errorf("%v", err)
		}
	}
}
