//go:build !libguestfs || !linux

package fs

func fallbackDriver(string) *driver { return nil }
