package guestkit_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/inspect"
)

// TestCloseWhileInspecting closes a guest whose inspection waits for a driver
// that ends with Options.Cancel alone.
func TestCloseWhileInspecting(t *testing.T) {
	waits := make(chan struct{})
	driver := fs.Driver{Types: []string{""}, Open: func(r block.Reader, o *fs.Options) (vfs.FS, error) {
		close(waits)
		select {
		case <-o.Cancel:
			return nil, os.ErrClosed
		case <-time.After(time.Minute):
			return nil, errors.New("nobody cancelled it")
		}
	}}
	disk := block.Plain(bytes.NewReader(bytes.Repeat([]byte("x"), 4096)))
	g, err := guestkit.OpenDevices([]block.Device{disk}, &guestkit.Options{Inspect: &inspect.Options{FS: &fs.Options{Drivers: []fs.Driver{driver}}}})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := g.Inspect(context.Background())
		done <- err
	}()
	<-waits
	closed := make(chan error)
	go func() { closed <- g.Close() }()
	if err := <-done; !errors.Is(err, os.ErrClosed) {
		t.Errorf("the inspection: %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if _, err := g.Volumes(t.Context()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
