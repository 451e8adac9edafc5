//go:build qemu && linux

// Package qemuimg has qemu-img read images of formats that guestkit names and
// does not read itself. It exists in builds with the tag qemu alone.
//
// qemu-img is looked up in PATH, gets an empty environment, two open files and
// their names under /proc/self/fd, and the format, so that it probes nothing.
// The backing file that an image may name is never opened. What qemu-img does
// with the bytes of the image is beyond what guestkit promises.
package qemuimg
