//go:build !libguestfs || !linux

package fs

func fallbackDriver(string) *Driver { return nil }
