//go:build !linux && !darwin

package convert

// freeSpace is not known here.
func freeSpace(string) int64 { return -1 }
