//go:build libguestfs && linux

package fs

// OpenBorrowed has guestfish read a filesystem that the drivers read as well:
// one that a kernel here judges.
var OpenBorrowed = openBorrowed
