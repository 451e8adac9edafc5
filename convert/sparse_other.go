//go:build !linux && !windows

package convert

import "os"

// setSparse does nothing: a file has holes where it is not written.
func setSparse(*os.File) error { return nil }
