//go:build !linux

package convert

import (
	"os"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/problem"
)

// punch gives the room of a part of a file back; it reads as zeros.
func punch(*os.File, int64, int64) error {
	return problem.Class(block.ErrUnsupported, "holes are punched into files on Linux only; convert the image")
}
