//go:build !unix

package format_test

import "errors"

func mkfifo(string) error { return errors.ErrUnsupported }
