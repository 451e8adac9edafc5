// Package bench compares guestkit with qemu-img on the same data, in turn. It
// holds tests only:
//
//	GUESTKIT_BENCH=disk.raw go test ./bench -v -run Convert -timeout 60m
//
// The image is a raw one; a root filesystem of a GiB or more is a good one.
package bench
