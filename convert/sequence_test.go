package convert

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/qcow2"
)

// testStream is a Stream of any reader.
type testStream struct {
	io.Reader
	size int64
}

func (s testStream) Size() int64 { return s.size }

// TestStreamToFile writes disks whose size is known and not, in the layouts of
// the formats.
func TestStreamToFile(t *testing.T) {
	for _, size := range []int64{1, 513, 1 << 20, 3<<20 + 512} {
		name := sample(t, size)
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		src := openImage(t, name, "raw")
		for _, x := range []struct {
			format   string
			l        qcow2.Layout
			compress bool
		}{
			{format: "raw"},
			{format: "qcow2"},
			{format: "qcow2", l: qcow2.Layout{ClusterSize: 512}},
			{format: "qcow2", l: qcow2.Layout{ClusterSize: 2 << 20}, compress: true},
			{format: "qcow2", l: qcow2.Layout{ExtendedL2: true}},
			{format: "qcow2", l: qcow2.Layout{Preallocation: qcow2.PreallocMetadata}},
			{format: "qcow2", l: qcow2.Layout{DataFile: "data", DataFileRaw: true}},
			{format: "qcow2", l: qcow2.Layout{Compression: "zstd"}, compress: true},
		} {
			for _, known := range []int64{-1, size} {
				dir := t.TempDir()
				out := &Output{Path: dir + "/out", Format: x.format, Qcow2: x.l, Verify: true}
				res, err := StreamToFile(context.Background(), testStream{iotest.DataErrReader(bytes.NewReader(data)), known}, out, &Options{Compress: x.compress})
				if err != nil {
					t.Errorf("%d bytes (known: %d) to %+v: %v", size, known, x, err)
					continue
				}
				if res.Size != size || res.Data+res.Zero != size {
					t.Errorf("%d bytes (known: %d) to %+v: result %+v", size, known, x, res)
				}
				if d, err := Compare(context.Background(), src, openImage(t, out.Path, x.format), x.format == "raw", nil); d != nil || err != nil {
					t.Errorf("%d bytes (known: %d) to %+v: %+v %v", size, known, x, d, err)
				}
				if x.format == "qcow2" && size > 1<<20 && known < 0 {
					judgeQcow2(t, name, out.Path)
				}
			}
		}
		for _, known := range []int64{-1, size} {
			var b bytes.Buffer
			if _, err := StreamToStream(context.Background(), testStream{bytes.NewReader(data), known}, &b, nil); err != nil || !bytes.Equal(b.Bytes(), data) {
				t.Errorf("%d bytes to a stream: %d bytes, %v", size, b.Len(), err)
			}
		}
	}
}

// TestStreamFaults: a stream that fails, or has not the size that it says,
// leaves nothing behind.
func TestStreamFaults(t *testing.T) {
	data := bytes.Repeat([]byte("data"), 1<<20)
	n := int64(len(data))
	for name, x := range map[string]struct {
		s    Stream
		want error
	}{
		"broken":   {testStream{io.MultiReader(bytes.NewReader(data), iotest.ErrReader(errBroken)), -1}, errBroken},
		"short":    {testStream{bytes.NewReader(data), n + 1}, block.ErrTruncated},
		"long":     {testStream{bytes.NewReader(data), n - 1}, block.ErrCorrupt},
		"too long": {testStream{bytes.NewReader(data), n - 3<<20}, block.ErrCorrupt},
		"changed":  {changedStream{testStream{bytes.NewReader(data), n}}, block.ErrChanged},
	} {
		for _, f := range []string{"raw", "qcow2"} {
			dir := t.TempDir()
			if _, err := StreamToFile(context.Background(), x.s, &Output{Path: dir + "/out", Format: f}, nil); !errors.Is(err, x.want) {
				t.Errorf("%s to %s: %v, want %v", name, f, err, x.want)
			}
			nothing(t, dir)
			switch s := x.s.(type) { // for the next format
			case testStream:
				x.s = testStream{again(s.Reader, data), s.size}
			case changedStream:
				x.s = changedStream{testStream{bytes.NewReader(data), n}}
			}
		}
	}
}

// again is the reader of a test once more.
func again(r io.Reader, data []byte) io.Reader {
	if _, ok := r.(*bytes.Reader); ok {
		return bytes.NewReader(data)
	}
	return io.MultiReader(bytes.NewReader(data), iotest.ErrReader(errBroken))
}

type changedStream struct{ testStream }

func (changedStream) Changed() error { return block.ErrChanged }

// TestStreamCancel ends a copy whose stream says nothing any more.
func TestStreamCancel(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	go w.Write(make([]byte, 3<<20))
	ctx, cancel := context.WithCancelCause(context.Background())
	stop := errors.New("enough")
	dir := t.TempDir()
	done := make(chan error, 1)
	go func() {
		_, err := StreamToFile(ctx, testStream{r, -1}, &Output{Path: filepath.Join(dir, "out"), Format: "qcow2"}, nil)
		done <- err
	}()
	cancel(stop)
	select {
	case err := <-done:
		if !errors.Is(err, stop) {
			t.Errorf("err = %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it hangs")
	}
	nothing(t, dir)
}

// TestVerifyStream sees that what was written is not what was read.
func TestVerifyStream(t *testing.T) {
	dir := t.TempDir()
	s := newSequence(testStream{bytes.NewReader(make([]byte, 1<<20)), -1}, true)
	out := &Output{Path: dir + "/out", Format: "raw", growing: true}
	o, err := out.open(1 << 40)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if _, err := s.run(context.Background(), o.target, nil); err != nil {
		t.Fatal(err)
	}
	if err := o.verifySum(context.Background(), s, out); err != nil {
		t.Error(err)
	}
	if _, err := o.file.WriteAt([]byte{1}, 1<<19); err != nil {
		t.Fatal(err)
	}
	if err := o.verifySum(context.Background(), s, out); !errors.Is(err, ErrVerify) {
		t.Errorf("a byte changed: %v", err)
	}
}
