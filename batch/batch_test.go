package batch_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/guestkit/guestkit/batch"
)

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFind: what of a folder is an image, and what is a part of one.
func TestFind(t *testing.T) {
	dir := t.TempDir()
	qcow2, err := os.ReadFile("../testdata/images/debian12-bios.qcow2")
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{
		"a/disk.raw": "x", "a/disk.img.xz": "x", "a/notes.txt": "x", "a/.hidden.qcow2": "x", "a/.git/x.raw": "x", "a/backup.tar.gz": "x",
		"a/by-content": string(qcow2[:4096]),
		"b/vm.vmdk":    "x", "b/vm-flat.vmdk": "x", "b/vm-s001.vmdk": "x", "b/other-s001.vmdk": "x", "b/split.001": "x", "b/split.002": "x",
		"c/app.ovf":        `<Envelope xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"><References><File ovf:href="app-disk1.vmdk"/><File ovf:href="../b/vm.vmdk"/></References></Envelope>`,
		"c/app-disk1.vmdk": "x", "c/spare.VHDX": "x",
	})
	if err := os.Symlink("disk.raw", filepath.Join(dir, "a/link.raw")); err != nil {
		t.Log(err)
	}
	skipped := map[string]string{}
	var got []string
	find := batch.Find{Skipped: func(p, why string) { rel, _ := filepath.Rel(dir, p); skipped[filepath.ToSlash(rel)] = why }}
	for img := range find.Images(context.Background(), []string{filepath.Join(dir, "nowhere"), dir, "https://example.com/x.qcow2"}) {
		if img.Err != nil {
			t.Errorf("%s: %v", img.Path, img.Err)
		}
		if rel, err := filepath.Rel(dir, img.Path); err == nil && !strings.Contains(img.Path, "//") {
			got = append(got, filepath.ToSlash(rel))
		} else {
			got = append(got, img.Path)
		}
	}
	want := []string{"nowhere", "a/by-content", "a/disk.img.xz", "a/disk.raw", "b/other-s001.vmdk", "b/split.001", "b/vm.vmdk", "c/app.ovf", "c/spare.VHDX", "https://example.com/x.qcow2"}
	if !slices.Equal(got, want) {
		t.Errorf("found\n%q, want\n%q", got, want)
	}
	for name, why := range map[string]string{"a/notes.txt": "no image", "a/.hidden.qcow2": "hidden", "a/.git": "hidden", "b/vm-flat.vmdk": "part of vm.vmdk", "c/app-disk1.vmdk": "part of app.ovf", "b/split.002": "no image"} {
		if !strings.Contains(skipped[name], why) {
			t.Errorf("%s: skipped because %q, want %q", name, skipped[name], why)
		}
	}
}

// TestRun: all images get their turn, no more than the jobs at a time, and one
// that takes long keeps no other waiting.
func TestRun(t *testing.T) {
	images := func(yield func(batch.Image) bool) {
		for i := range 500 {
			if !yield(batch.Image{Path: fmt.Sprint(i)}) {
				return
			}
		}
	}
	var running, most atomic.Int32
	release := make(chan struct{})
	var order []string
	err := batch.Run(context.Background(), images, 4, func(_ context.Context, img batch.Image) string {
		n := running.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if img.Path == "0" {
			<-release
		}
		running.Add(-1)
		return img.Path
	}, func(img batch.Image, v string) error {
		if img.Path != v {
			t.Errorf("%s has the result of %s", img.Path, v)
		}
		order = append(order, v)
		if len(order) == 499 {
			close(release)
		}
		return nil
	})
	if err != nil || len(order) != 500 || order[499] != "0" || most.Load() > 4 {
		t.Errorf("%v, %d results, the last %q, %d at a time", err, len(order), order[len(order)-1], most.Load())
	}
}

// TestRunEnds: an error of the receiver and a context end a run.
func TestRunEnds(t *testing.T) {
	endless := func(yield func(batch.Image) bool) {
		for yield(batch.Image{Path: "x"}) {
		}
	}
	full := errors.New("the disk is full")
	n := 0
	err := batch.Run(context.Background(), endless, 2, func(context.Context, batch.Image) int { return 1 }, func(batch.Image, int) error {
		if n++; n == 3 {
			return full
		}
		return nil
	})
	if !errors.Is(err, full) || n != 3 {
		t.Errorf("%v after %d", err, n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	err = batch.Run(ctx, endless, 2, func(ctx context.Context, _ batch.Image) int { cancel(); <-ctx.Done(); return 1 }, func(batch.Image, int) error { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want canceled", err)
	}
}

// TestUnchanged changes files in the ways that there are.
func TestUnchanged(t *testing.T) {
	dir := t.TempDir()
	p := filepath.Join(dir, "x")
	later := time.Now().Add(time.Hour)
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	fresh := func() batch.File {
		if err := os.WriteFile(p, []byte("abc"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(p, at, at); err != nil {
			t.Fatal(err)
		}
		f, err := batch.Look(p)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	f := fresh()
	if !batch.Unchanged([]batch.File{f}, later) {
		t.Error("a file that was left alone counts as changed")
	}
	if batch.Unchanged([]batch.File{f}, at.Add(time.Second)) {
		t.Error("a file that was written to just before counts as unchanged")
	}
	if batch.Unchanged(nil, later) {
		t.Error("nothing counts as unchanged")
	}
	for what, change := range map[string]func() error{
		"another size": func() error { return os.WriteFile(p, []byte("abcd"), 0o644) },
		"another time": func() error { return os.Chtimes(p, at, at.Add(time.Second)) },
		"gone":         func() error { return os.Remove(p) },
	} {
		f := fresh()
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if batch.Unchanged([]batch.File{f}, later) {
			t.Errorf("%s: counts as unchanged", what)
		}
	}
	if d, err := batch.Look(dir); err != nil || batch.Unchanged([]batch.File{d}, later) {
		t.Errorf("what is no file: %v, %v", d, err)
	}
}
