package format_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/testimg"
)

func gz(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// footer is the footer of a fixed VHD, as far as the probe looks at it.
func footer() []byte {
	b := make([]byte, 512)
	copy(b, "conectix")
	sum := uint32(0)
	for _, c := range b {
		sum += uint32(c)
	}
	sum = ^sum
	b[64], b[65], b[66], b[67] = byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum)
	return b
}

func TestStream(t *testing.T) {
	disk := bytes.Repeat([]byte("0123456789abcdef"), 10<<10)
	qcow2 := append([]byte("QFI\xfb\x00\x00\x00\x03"), make([]byte, 100<<10)...)
	vhd := append(bytes.Clone(disk), footer()...)
	unwrap := &format.Options{Unwrap: true}
	for name, x := range map[string]struct {
		b    []byte
		o    *format.Options
		open error // of OpenStream
		read error
		want []byte
	}{
		"raw":                    {b: disk, want: disk},
		"short":                  {b: disk[:3], want: disk[:3]},
		"empty":                  {b: nil, open: block.ErrCorrupt},
		"qcow2":                  {b: qcow2, open: block.ErrUnsupported},
		"qcow2 stated raw":       {b: qcow2, o: &format.Options{Format: "raw"}, want: qcow2},
		"fixed vhd":              {b: vhd, read: block.ErrAmbiguous},
		"fixed vhd, only footer": {b: footer(), open: block.ErrUnsupported},
		"fixed vhd stated raw":   {b: vhd, o: &format.Options{Format: "raw"}, want: vhd},
		"gz, not to be unpacked": {b: gz(t, disk), open: block.ErrUnsupported},
		"gz":                     {b: gz(t, disk), o: unwrap, want: disk},
		"gz of nothing":          {b: gz(t, nil), o: unwrap, open: block.ErrCorrupt},
		"gz of gz":               {b: gz(t, gz(t, disk)), o: unwrap, open: block.ErrUnsupported},
		"gz of qcow2":            {b: gz(t, qcow2), o: unwrap, open: block.ErrUnsupported},
		"gz of a fixed vhd":      {b: gz(t, vhd), o: unwrap, read: block.ErrAmbiguous},
		"gz of raw as stated":    {b: gz(t, qcow2), o: &format.Options{Unwrap: true, Format: "raw.gz"}, want: qcow2},
		"gz as raw":              {b: gz(t, disk), o: &format.Options{Unwrap: true, Format: "raw"}, want: gz(t, disk)},
		"gz cut":                 {b: gz(t, disk)[:100], o: unwrap, open: block.ErrTruncated},
		"gz of too much":         {b: gz(t, disk), o: &format.Options{Unwrap: true, Wrapped: format.WrappedLimits{Size: 100 << 10}}, read: block.ErrLimit},
		"raw of too much":        {b: disk, o: &format.Options{Wrapped: format.WrappedLimits{Size: 100 << 10}}, read: block.ErrLimit},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := format.OpenStream(iotest.HalfReader(bytes.NewReader(x.b)), x.o)
			if x.open != nil || err != nil {
				if !errors.Is(err, x.open) {
					t.Errorf("OpenStream: %v, want %v", err, x.open)
				}
				return
			}
			got, err := io.ReadAll(s)
			if x.read != nil || err != nil {
				if !errors.Is(err, x.read) {
					t.Errorf("Read: %v, want %v", err, x.read)
				}
				return
			}
			if !bytes.Equal(got, x.want) {
				t.Errorf("it holds %d bytes, want %d", len(got), len(x.want))
			}
		})
	}
}

// TestUnwrap opens a compressed image at any offset, and a raw disk for one
// pass.
func TestUnwrap(t *testing.T) {
	image, err := os.ReadFile("../testdata/images/debian12-bios.qcow2")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	packed := gz(t, image)
	path := filepath.Join(dir, "disk.qcow2.gz")
	write(t, path, packed)
	if _, err := format.OpenFile(path, nil); !errors.Is(err, block.ErrUnsupported) {
		t.Errorf("without Unwrap: %v", err)
	}
	o := &format.Options{Unwrap: true}
	if s, err := format.OpenFileStream(path, o); s != nil || err != nil {
		t.Errorf("a qcow2 image as a stream: %v", err)
	}
	im, err := format.OpenFile(path, o)
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	want, err := format.Open(bytes.NewReader(image), nil)
	if err != nil {
		t.Fatal(err)
	}
	if i := im.Info(); i.Wrapper != "gz" || i.Format != "qcow2" || i.FileSize != int64(len(packed)) || i.VirtualSize != want.Size() {
		t.Errorf("Info = %+v", i)
	}
	for _, off := range []int64{0, 100 << 20, 24 << 20, want.Size() - 512, 0} {
		a, b := make([]byte, 512), make([]byte, 512)
		if err := errors.Join(block.ReadFull(im, a, off), block.ReadFull(want, b, off)); err != nil || !bytes.Equal(a, b) {
			t.Errorf("at %#x: %v", off, err)
		}
	}

	disk := bytes.Repeat([]byte("disk"), 100<<10)
	path = filepath.Join(dir, "disk.raw.gz")
	write(t, path, gz(t, disk))
	s, err := format.OpenFileStream(path, o)
	if err != nil || s == nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got, err := io.ReadAll(s); err != nil || !bytes.Equal(got, disk) {
		t.Errorf("the stream: %v", err)
	}
	if i := s.Info(); i.Wrapper != "gz" || i.Format != "raw" || s.Size() != -1 {
		t.Errorf("Info = %+v", i)
	}
	if err := s.Changed(); err != nil {
		t.Error(err)
	}
	raw, err := format.OpenFile(path, o)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	testimg.TestDevice(t, raw, bytes.NewReader(disk), 64<<10)
}
