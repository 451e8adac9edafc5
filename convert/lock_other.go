//go:build !linux

package convert

import (
	"os"

	"github.com/guestkit/guestkit/block"
)

var inUse = block.ErrRefused

func lockStorage(*os.File) error { return nil }

// InUse cannot tell here.
func InUse(*os.File) bool { return false }

func writtenByQEMU(string) bool { return false }
