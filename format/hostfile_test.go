package format_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestHostFile reads a file with holes, which are told where the file system
// keeps them.
func TestHostFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sparse.raw")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	data := bytes.Repeat([]byte("data"), 64<<8)
	for _, off := range []int64{1 << 20, 3 << 20} {
		if _, err := f.WriteAt(data, off); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(5<<20 + 17); err != nil {
		t.Fatal(err)
	}
	f.Close()
	h, err := format.OpenHostFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	testimg.TestDevice(t, h, bytes.NewReader(want), 64<<10)
	im, err := format.Open(h, &format.Options{Format: "raw"})
	if err != nil {
		t.Fatal(err)
	}
	testimg.TestDevice(t, im, bytes.NewReader(want), 64<<10)
	if h.Allocated() >= h.Size() {
		t.Skip("the file system keeps no holes")
	}
	var got []block.Extent
	for e, err := range block.Extents(im, 0, im.Size()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	if len(got) != 5 || !got[0].Zero || got[1].Zero || got[1].Host != block.Reader(h) || got[1].HostOff != 1<<20 || !got[4].Zero || got[4].Unset {
		t.Errorf("extents %+v", got)
	}
	if i := im.Info(); i.Allocated != h.Allocated() {
		t.Errorf("Allocated = %d, want %d", i.Allocated, h.Allocated())
	}
}

// TestNotFiles: what is no file must be refused, and must not make anybody wait.
func TestNotFiles(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := mkfifo(fifo); err != nil {
		t.Skip(err)
	}
	for _, path := range []string{fifo, dir, "/dev/zero"} {
		done := make(chan error, 1)
		go func() {
			_, err := format.OpenFile(path, nil)
			done <- err
		}()
		select {
		case err := <-done:
			if !errors.Is(err, block.ErrRefused) {
				t.Errorf("%s: %v, want ErrRefused", path, err)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%s: the open hangs", path)
		}
	}
	if _, err := format.OpenFile(filepath.Join(dir, "missing"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestChanged changes a file while it is open.
func TestChanged(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"grown": func(path string) error { return os.Truncate(path, 8192) },
		"cut":   func(path string) error { return os.Truncate(path, 10) },
		"rewritten": func(path string) error {
			if err := os.WriteFile(path, bytes.Repeat([]byte{2}, 4096), 0o600); err != nil {
				return err
			}
			return os.Chtimes(path, time.Unix(1e9, 0), time.Unix(1e9, 0)) // whatever the clock's grain
		},
	} {
		path := filepath.Join(t.TempDir(), name)
		write(t, path, bytes.Repeat([]byte{1}, 4096))
		h, err := format.OpenHostFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Changed(); err != nil {
			t.Errorf("before: %v", err)
		}
		if err := change(path); err != nil {
			t.Fatal(err)
		}
		if err := h.Changed(); !errors.Is(err, block.ErrChanged) {
			t.Errorf("%s: %v, want ErrChanged", name, err)
		} else if grownOrCut := name != "rewritten"; strings.Contains(err.Error(), "its size was 4096 bytes") != grownOrCut {
			t.Errorf("%s: %v", name, err)
		}
		if name == "cut" {
			if err := block.ReadFull(h, make([]byte, 100), 0); !errors.Is(err, block.ErrTruncated) {
				t.Errorf("reading a file that was cut: %v", err)
			}
		}
		h.Close()
	}
}

// TestSourceUntouched: to read an image changes neither bytes nor times.
func TestSourceUntouched(t *testing.T) {
	dir, _ := place(t)
	image := filepath.Join(dir, "overlay.qcow2")
	write(t, image, overlay("base.raw", "raw"))
	if err := os.Chmod(image, 0o400); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(image)
	if err != nil {
		t.Fatal(err)
	}
	im, err := format.OpenFile(image, &format.Options{FollowOwnDir: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := block.ReadFull(im, make([]byte, 4096), 0); err != nil {
		t.Fatal(err)
	}
	if err := im.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := im.ReadAt(make([]byte, 1), 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("ReadAt after Close: %v", err)
	}
	after, err := os.Stat(image)
	if err != nil {
		t.Fatal(err)
	}
	if !after.ModTime().Equal(before.ModTime()) || after.Size() != before.Size() {
		t.Error("the image was changed")
	}
	runtime.KeepAlive(im)
}
