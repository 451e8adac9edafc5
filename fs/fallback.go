package fs

import "slices"

// borrowed are the filesystems that Probe knows, no driver reads, and the kernel
// of a libguestfs appliance mounts. A build with the tag libguestfs, on Linux,
// has guestfish read them.
func borrowed() []string {
	return []string{"f2fs", "jfs", "nilfs2"}
}

// advice says what reads a filesystem that has no driver.
func advice(typ string) string {
	if slices.Contains(borrowed(), typ) {
		return "; a build with the tag libguestfs, on Linux, has guestfish read it"
	}
	return ""
}
