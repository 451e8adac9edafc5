// Package bench compares guestkit with what people use instead, on the same data, in
// turn. It holds tests only:
//
//	GUESTKIT_BENCH=make go test ./bench -v -timeout 0
//
// prints two tables in Markdown, of conversions against qemu-img (-run Convert) and of
// commands against qemu-img and the tools of a system on a kernel's mount (-run
// Commands). -run 'Convert/zlib' takes the jobs with that in their names. What needs a
// mount needs root. A job whose goal is missed by more than a tenth fails.
//
//	GUESTKIT_BENCH         make: a disk of 2 GiB is made with 860 MiB of files;
//	                       otherwise a raw disk, a root filesystem of a GiB or more
//	GUESTKIT_BENCH_TREE    where those files come from: /usr
//	GUESTKIT_BENCH_DIR     where all is made, up to eight times the files: beside the
//	                       disk, or where temporary files go. A tmpfs is a good place
//	GUESTKIT_BENCH_ROUNDS  how often each is run: 5
//	GUESTKIT_BENCH_WRITE   a document; the tables are written between its markers,
//	                       <!-- bench: conversions --> or <!-- bench: commands -->
//	                       and <!-- end -->
//
// How it is measured: each round runs both programs, and every second round
// the other one first; before the first round each runs once unmeasured.
// Ratios are medians over the rounds of what guestkit took to what the other program
// took in the same round; the range of wall times is from the best to the worst
// round. Sources are in the page cache. qemu-img does not wait for the disk at
// the end, so guestkit runs with --no-sync. Peak memory is the largest of all
// rounds. What guestkit has converted is compared with the source by qemu-img. GNU tar
// writes to a pipe, since it notices /dev/null and then reads no files.
package bench
