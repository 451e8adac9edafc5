//go:build linux || darwin

package convert

import "golang.org/x/sys/unix"

// freeSpace is how many bytes may be written to the file system of a folder, -1
// if that is unknown.
func freeSpace(dir string) int64 {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil || st.Blocks == 0 {
		return -1
	}
	return int64(min(st.Bavail, 1<<62/max(uint64(st.Bsize), 1)) * uint64(st.Bsize))
}
