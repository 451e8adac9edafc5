package convert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestCopyRange lets the system call fail in every way that it has.
func TestCopyRange(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 1000)
	dir := t.TempDir()
	open := func(name string, b []byte) *os.File {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	src := open("src", content)
	for _, x := range []struct {
		name string
		err  error // of every second call
		most int   // bytes of a call
		want error
	}{
		{"short copies", nil, 1000, nil},
		{"interrupted", unix.EINTR, 1000, nil},
		{"another file system", unix.EXDEV, 1000, errors.ErrUnsupported},
		{"overlap or device", unix.EINVAL, 1000, errors.ErrUnsupported},
		{"old kernel", unix.ENOSYS, 1000, errors.ErrUnsupported},
		{"not supported", unix.EOPNOTSUPP, 1000, errors.ErrUnsupported},
		{"read error", unix.EIO, 1000, errors.ErrUnsupported}, // who reads says where
		{"nothing is copied", nil, 0, errors.ErrUnsupported},
		{"full disk", unix.ENOSPC, 1000, unix.ENOSPC},
		{"quota", unix.EDQUOT, 1000, unix.EDQUOT},
	} {
		dst := open("dst", make([]byte, 100))
		calls := 0
		call := func(rfd int, roff *int64, wfd int, woff *int64, n, flags int) (int, error) {
			if calls++; calls%2 == 0 && x.err != nil {
				return -1, x.err
			}
			p := make([]byte, min(n, x.most))
			n, err := unix.Pread(rfd, p, *roff)
			if err == nil {
				n, err = unix.Pwrite(wfd, p[:n], *woff)
			}
			*roff, *woff = *roff+int64(n), *woff+int64(n)
			return n, err
		}
		err := copyRange(call, int(dst.Fd()), 100, 9000, int(src.Fd()), 16)
		if !errors.Is(err, x.want) {
			t.Errorf("%s: %v", x.name, err)
		}
		if b, _ := os.ReadFile(dst.Name()); x.want == nil && !bytes.Equal(b[100:], content[16:9016]) {
			t.Errorf("%s: the bytes differ", x.name)
		}
	}
}

// reluctant is a target into which the kernel copies for a while.
type reluctant struct {
	Copier
	calls   int // until it fails
	copied  int64
	err     error
	partial bool
}

func (r *reluctant) CopyHost(host, n int64, src *os.File, srcOff int64) error {
	if r.calls--; r.calls < 0 {
		if r.partial {
			if err := r.Copier.CopyHost(host, n/2, src, srcOff); err != nil {
				return err
			}
		}
		return r.err
	}
	r.copied += n
	return r.Copier.CopyHost(host, n, src, srcOff)
}

// start makes a target of a format in a file.
func start(t *testing.T, format, path string, size int64) (*File, Copier) {
	t.Helper()
	f, err := CreateFile(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	w, err := writerOf(format)
	if err != nil {
		t.Fatal(err)
	}
	target, err := w.start(&Output{}, size, f, nil)
	if err != nil {
		t.Fatal(err)
	}
	return f, target.(Copier)
}

// TestCopyInKernel copies whole images in the kernel, as far as that goes.
func TestCopyInKernel(t *testing.T) {
	size := int64(24<<20 + 512)
	src := openImage(t, sample(t, size), "raw")
	unsupported := fmt.Errorf("%w: %w", errors.ErrUnsupported, unix.EXDEV)
	for _, format := range []string{"raw", "qcow2"} {
		for _, x := range []struct {
			calls   int
			err     error
			partial bool
		}{{1000, nil, false}, {0, unsupported, false}, {2, unsupported, true}, {2, unix.ENOSPC, true}} {
			dir := t.TempDir()
			f, target := start(t, format, dir+"/out", size)
			r := &reluctant{Copier: target, calls: x.calls, err: x.err, partial: x.partial}
			res, err := Run(context.Background(), src, r, &Options{Sparse: -1, Workers: 1})
			if x.err == unix.ENOSPC {
				if !errors.Is(err, x.err) {
					t.Errorf("%s: %v", format, err)
				}
				f.Close()
				nothing(t, dir)
				continue
			}
			if err == nil {
				err = f.Commit()
			}
			if err != nil {
				t.Fatal(err)
			}
			if (r.copied > 0) != (x.calls > 0) || r.copied > res.Data {
				t.Errorf("%s: the kernel has copied %d of %d bytes", format, r.copied, res.Data)
			}
			if d, err := Compare(context.Background(), src, openImage(t, dir+"/out", format), true, nil); d != nil || err != nil {
				t.Errorf("%s, %+v: %+v %v", format, x, d, err)
			}
		}
	}
	// Where zeros are looked for, the bytes are read.
	_, target := start(t, "raw", t.TempDir()+"/out", size)
	r := &reluctant{Copier: target, calls: 1000}
	if _, err := Run(context.Background(), src, r, nil); err != nil || r.copied > 0 {
		t.Errorf("%d bytes were copied unseen, %v", r.copied, err)
	}
}
