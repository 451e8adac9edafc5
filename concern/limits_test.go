package concern

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/block"
)

// TestManyFiles: what is read of a guest has a bound, and what lies beyond it is
// said to.
func TestManyFiles(t *testing.T) {
	large := &fstest.MapFile{Data: bytes.Repeat([]byte("x"), maxFile), Mode: 0o644}
	for _, c := range []struct {
		files int
		data  *fstest.MapFile
	}{{maxKept/maxFile + 10, large}, {maxNames + 1, file("")}} {
		m := fstest.MapFS{}
		for i := range c.files {
			m[fmt.Sprintf("etc/udev/rules.d/%04d-persistent-net.rules", i)] = c.data
		}
		if _, problems := of(linux(nil), m); len(problems) == 0 || !errors.Is(problems[0], block.ErrLimit) {
			t.Errorf("%d files: %v", c.files, problems)
		}
	}
}
