package convert

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/qcow2"
)

var errBroken = errors.New("broken disk")

// faulty is a disk that cannot be read between bad and bad+n.
type faulty struct {
	block.Device
	bad, n int64
}

func (f faulty) ReadAt(p []byte, off int64) (int, error) {
	if off < f.bad+f.n && off+int64(len(p)) > f.bad {
		return 0, errBroken
	}
	return f.Device.ReadAt(p, off)
}

func (f faulty) Extent(off int64) (block.Extent, error) {
	e, err := f.Device.Extent(off)
	e.Host = nil
	return e, err
}

// nothing checks that a folder holds no output and no temporary file.
func nothing(t *testing.T, dir string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	hidden, _ := filepath.Glob(filepath.Join(dir, ".g*"))
	if names = append(names, hidden...); len(names) > 0 {
		t.Errorf("left behind: %v", names)
	}
}

func bytesDisk(n int) block.Device {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*i>>9) | 1
	}
	return block.Plain(bytes.NewReader(b))
}

func TestReadErrorLeavesNothing(t *testing.T) {
	const size = 1<<20 + 300<<10 // two pieces; compressing is slow under the race detector
	src := bytesDisk(size)
	for _, format := range Formats() {
		for _, compress := range slices.Compact([]bool{false, format == "qcow2"}) {
			for _, bad := range []int64{0, 512, 1 << 20, size - 1} {
				dir := t.TempDir()
				_, err := ToFile(context.Background(), faulty{src, bad, 1}, &Output{Path: dir + "/out", Format: format}, &Options{Compress: compress})
				if !errors.Is(err, errBroken) {
					t.Errorf("%s, fault at %d: %v", format, bad, err)
				}
				nothing(t, dir)
			}
		}
	}
}

func TestSalvage(t *testing.T) {
	src := bytesDisk(3 << 20)
	out := t.TempDir() + "/out.raw"
	res, err := ToFile(context.Background(), faulty{src, 1<<20 - 700, 2000}, &Output{Path: out, Format: "raw"}, &Options{Salvage: true})
	if err != nil {
		t.Fatal(err)
	}
	if want := (Range{1<<20 - 1024, 2560}); len(res.Lost) != 1 || res.Lost[0] != want {
		t.Fatalf("lost %+v, want %+v", res.Lost, want)
	}
	want := make([]byte, src.Size())
	block.ReadFull(src, want, 0)
	clear(want[1<<20-1024:][:2560])
	got, err := os.ReadFile(out)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the rest was not saved: %v", err)
	}
}

// failing is a file whose k-th operation fails.
type failing struct {
	*File
	k *atomic.Int64
}

var errFull = errors.New("no space")

func (f failing) op() error {
	if f.k.Add(-1) == 0 {
		return errFull
	}
	return nil
}

func (f failing) WriteAt(p []byte, off int64) (int, error) {
	if err := f.op(); err != nil {
		return 0, err
	}
	return f.File.WriteAt(p, off)
}

func (f failing) Truncate(n int64) error {
	if err := f.op(); err != nil {
		return err
	}
	return f.File.Truncate(n)
}

func (f failing) Sync() error {
	if err := f.op(); err != nil {
		return err
	}
	return f.File.Sync()
}

// TestEveryWriteFails lets each operation on the output fail in turn.
func TestEveryWriteFails(t *testing.T) {
	src := bytesDisk(1 << 20)
	for _, compress := range []bool{false, true} {
		for k := int64(1); ; k++ {
			dir := t.TempDir()
			f, err := CreateFile(dir+"/out", &FileOptions{NoSync: true})
			if err != nil {
				t.Fatal(err)
			}
			var left atomic.Int64
			left.Store(k)
			w, err := qcow2.NewWriter(failing{f, &left}, nil, &qcow2.Layout{Size: src.Size(), ClusterSize: 4096})
			if err == nil {
				_, err = Run(context.Background(), src, w, &Options{Compress: compress})
			}
			if left.Load() > 0 { // no operation failed
				if err != nil {
					t.Fatal(err)
				}
				f.Close()
				if k < 5 {
					t.Errorf("only %d operations", k)
				}
				break
			}
			if !errors.Is(err, errFull) {
				t.Fatalf("operation %d failed, and the error is %v", k, err)
			}
			f.Close()
			nothing(t, dir)
		}
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	stop := errors.New("enough")
	dir := t.TempDir()
	_, err := ToFile(ctx, bytesDisk(20<<20), &Output{Path: dir + "/out", Format: "qcow2"}, &Options{Progress: func(p Progress) {
		if p.Done > 4<<20 {
			cancel(stop)
		}
	}})
	if !errors.Is(err, stop) {
		t.Errorf("err = %v", err)
	}
	nothing(t, dir)
}

func TestMaxOutput(t *testing.T) {
	dir := t.TempDir()
	_, err := ToFile(context.Background(), bytesDisk(20<<20), &Output{Path: dir + "/out", Format: "raw"}, &Options{MaxOutput: 3 << 20})
	if !errors.Is(err, block.ErrLimit) {
		t.Errorf("err = %v", err)
	}
	nothing(t, dir)
}

type changing struct{ block.Device }

func (changing) Changed() error { return block.ErrChanged }

func TestChangedSource(t *testing.T) {
	dir := t.TempDir()
	_, err := ToFile(context.Background(), changing{bytesDisk(1 << 20)}, &Output{Path: dir + "/out", Format: "raw"}, nil)
	if !errors.Is(err, block.ErrChanged) {
		t.Errorf("err = %v", err)
	}
	nothing(t, dir)
}

// TestExisting keeps what is there unless it may be replaced, and never takes
// the source for the output.
func TestExisting(t *testing.T) {
	dir := t.TempDir()
	out := dir + "/out"
	if err := os.WriteFile(out, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	src := bytesDisk(1 << 20)
	if _, err := ToFile(context.Background(), src, &Output{Path: out, Format: "raw"}, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("err = %v", err)
	}
	for _, link := range []func(a, b string) error{os.Link, os.Symlink} {
		os.Remove(dir + "/link")
		if err := link(out, dir+"/link"); err != nil {
			t.Fatal(err)
		}
		o := &Output{Path: dir + "/link", Format: "raw", File: FileOptions{Replace: true, Sources: []string{out}}}
		if _, err := ToFile(context.Background(), src, o, nil); !errors.Is(err, block.ErrRefused) {
			t.Errorf("err = %v", err)
		}
	}
	if b, err := os.ReadFile(out); string(b) != "old" {
		t.Errorf("the file was changed: %q, %v", b, err)
	}
	o := &Output{Path: out, Format: "raw", Verify: true, File: FileOptions{Replace: true}}
	if _, err := ToFile(context.Background(), src, o, nil); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(out)
	want := make([]byte, src.Size())
	block.ReadFull(src, want, 0)
	if err != nil || sha256.Sum256(b) != sha256.Sum256(want) {
		t.Errorf("not replaced: %v", err)
	}
}

// TestFullDisk runs out of room for real.
func TestFullDisk(t *testing.T) {
	peers.NeedRoot(t)
	dir := t.TempDir()
	peers.Run(t, "mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", dir)
	t.Cleanup(func() { peers.Unmount(t, dir) })
	for _, format := range Formats() {
		if w, err := writerOf(format); err != nil || w.bound != nil {
			continue // it compresses, and fits
		}
		for _, blind := range []bool{false, true} {
			out := &Output{Path: dir + "/out", Format: format, File: FileOptions{NoSpaceCheck: blind}}
			_, err := ToFile(context.Background(), bytesDisk(5<<20), out, nil)
			if blind && !errors.Is(err, syscall.ENOSPC) || !blind && !errors.Is(err, ErrSpace) {
				t.Errorf("%s (space not checked: %v): 5 MiB into 3: %v", format, blind, err)
			}
			nothing(t, dir)
		}
		// A disk that is larger and has less data fits.
		if _, err := ToFile(context.Background(), holes(1<<30), &Output{Path: dir + "/out", Format: format}, nil); err != nil {
			t.Errorf("%s: %v", format, err)
		}
		os.Remove(dir + "/out")
		nothing(t, dir)
	}
}

// TestMeasure compares with what is written.
func TestMeasure(t *testing.T) {
	src := openImage(t, sample(t, 1<<20+512), "raw")
	for _, x := range layouts {
		l := x.l
		if l.DataFile != "" {
			continue
		}
		out := &Output{Path: t.TempDir() + "/out", Format: "qcow2", Qcow2: l}
		o := &Options{Compress: x.compress}
		exact, err := MeasureDisk(context.Background(), src, out, o, true)
		if err != nil {
			t.Fatal(err)
		}
		bound, err := MeasureDisk(context.Background(), src, out, o, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ToFile(context.Background(), src, out, o); err != nil {
			t.Fatal(err)
		}
		fi, err := os.Stat(out.Path)
		if err != nil {
			t.Fatal(err)
		}
		if exact.Required != fi.Size() || bound.Required < fi.Size() || bound.FullyAllocated < bound.Required {
			t.Errorf("%s: measured %+v and %+v, written are %d bytes", x.name, exact, bound, fi.Size())
		}
	}
}
