//go:build !qemu || !linux

package format_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
)

// TestBorrowedFormat: what only qemu-img reads is named, and so is the build
// that has it do so.
func TestBorrowedFormat(t *testing.T) {
	b := make([]byte, 4096)
	copy(b, "WithoutFreeSpace")
	_, err := format.Open(bytes.NewReader(b), nil)
	if !errors.Is(err, block.ErrUnsupported) || !strings.Contains(err.Error(), `"parallels"`) || !strings.Contains(err.Error(), "tag qemu") {
		t.Errorf("%v", err)
	}
	if format.Known("parallels") {
		t.Error("parallels may be stated, and is not read")
	}
}
