package fs_test

import (
	"errors"
	"os"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs"
)

type process struct{ closed int }

func (p *process) Close() error { p.closed++; return nil }

// TestProcesses: each is ended once, and there is an end of them.
func TestProcesses(t *testing.T) {
	var all fs.Processes
	ps := make([]process, fs.MaxProcesses+1)
	for i := range ps {
		err := all.Add(&ps[i])
		if full := i == fs.MaxProcesses; full != errors.Is(err, block.ErrUnsupported) {
			t.Errorf("process %d: %v", i, err)
		}
	}
	for range 2 {
		if err := all.Close(); err != nil {
			t.Error(err)
		}
	}
	for i := range ps[:fs.MaxProcesses] {
		if ps[i].closed != 1 {
			t.Errorf("process %d was ended %d times", i, ps[i].closed)
		}
	}
	if err := all.Add(&process{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
