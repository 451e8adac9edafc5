package testimg

import (
	"os"
	"testing"

	"github.com/guestkit/guestkit/block"
)

// File opens a host file as a Reader for the length of the test.
func File(t testing.TB, path string) block.Reader {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return file{f, st.Size()}
}

type file struct {
	*os.File
	size int64
}

func (f file) Size() int64 { return f.size }

// ReadDevice reads the first n bytes of a device through its extents, as a
// converter does: the walk that mutations and fuzz targets of image formats
// share. It reads no byte of runs that are zero.
func ReadDevice(d block.Device, n int64) error {
	buf := make([]byte, 64<<10)
	for e, err := range block.Extents(d, 0, n) {
		if err != nil {
			return err
		}
		if e.Zero {
			continue
		}
		for off := e.Off; off < e.Off+e.Len; off += int64(len(buf)) {
			if err := block.ReadFull(d, buf[:min(int64(len(buf)), e.Off+e.Len-off)], off); err != nil {
				return err
			}
		}
	}
	return nil
}

// Extents walks the extents of a whole device and returns the first error.
func Extents(d block.Device) error {
	for _, err := range block.Extents(d, 0, d.Size()) {
		if err != nil {
			return err
		}
	}
	return nil
}
