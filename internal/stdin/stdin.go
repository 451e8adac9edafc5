// Package stdin finds a name for standard input.
package stdin

import (
	"io"
	"os"
)

// Name returns a name of r if that is a file that can be read at any offset, as
// with "<disk.qcow2", else "".
func Name(r io.Reader) string {
	const name = "/dev/stdin"
	f, ok := r.(*os.File)
	if !ok {
		return ""
	}
	fi, err := f.Stat()
	if err != nil || !fi.Mode().IsRegular() {
		return ""
	}
	if at, err := f.Seek(0, io.SeekCurrent); err != nil || at != 0 {
		return ""
	}
	if named, err := os.Stat(name); err != nil || !os.SameFile(fi, named) {
		return ""
	}
	return name
}
