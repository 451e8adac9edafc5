//go:build !linux

package convert

import (
	"fmt"
	"os"

	"github.com/guestkit/guestkit/block"
)

// openDevice refuses: here nothing tells whether a device is in use.
func openDevice(path string, size int64, o *FileOptions) (hostFile, error) {
	return nil, &os.PathError{Op: "open", Path: path, Err: fmt.Errorf("%w: devices are written on Linux only", block.ErrUnsupported)}
}
