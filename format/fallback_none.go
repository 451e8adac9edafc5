//go:build !qemu || !linux

package format

func fallbackDrivers() []driver { return nil }
