//go:build !linux

package convert

import "os"

func lockStorage(*os.File) error { return nil }

// InUse cannot tell here.
func InUse(*os.File) bool { return false }
