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
	copy(b[1024:], "\x10\x20\xf5\xf2")
	f, err := fs.Probe(bytes.NewReader(b))
	if err != nil || f.Type != "f2fs" || f.Supported || !strings.Contains(f.Reason, "tag libguestfs") {
		t.Errorf("%+v, %v", f, err)
	}
	for _, o := range []*fs.Options{nil, {Type: "f2fs"}} {
		if _, err := fs.Open(bytes.NewReader(b), o); !errors.Is(err, block.ErrUnsupported) || !strings.Contains(err.Error(), "tag libguestfs") {
			t.Errorf("%v", err)
		}
	}
}
