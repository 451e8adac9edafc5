// Package bench compares guestkit with qemu-img on the same data, in turn. It
// holds tests only:
//
//	GUESTKIT_BENCH=disk.raw go test ./bench -v -run Convert -timeout 0
//
// prints a table in Markdown. The image is a raw one; a root filesystem of a
// GiB or more is a good one. All else is made beside it, or in the folder
// GUESTKIT_BENCH_DIR: up to seven times as much. -run 'Convert/zlib' takes the
// jobs with that in their names, and GUESTKIT_BENCH_ROUNDS runs each so often
// (5). The jobs that share blocks need root, for a mount.
//
// How it is measured: each round runs both programs, and every second round
// the other one first; before the first round each runs once unmeasured.
// Ratios are medians over the rounds of what guestkit took to what qemu-img
// took in the same round; the range of wall times is from the best to the worst
// round. Sources are in the page cache. qemu-img does not wait for the disk at
// the end, so guestkit runs with --no-sync. Peak memory is the largest of all
// rounds. What guestkit has written is compared with the source by qemu-img.
package bench
