#!/bin/sh
# Makes the images in this folder with mkfs.erofs 1.9, and the listings of what
# the kernel (6.18) shows of them. It needs root.
# "merged" has the tree of two others, and their files: made by
#	mkfs.erofs -T1700000000 --all-root --chunksize=4096 merged-a A   (and merged-b of B)
#	mkfs.erofs -T1700000000 merged merged-a merged-b
# of A/one, "one", A/sub/big, "seq 3000", and B/big2, "seq 5000 9000".
cd "$(dirname "$0")/.." && GUESTKIT_MAKE_FIXTURES=1 go test -count=1 -v -run TestMakeFixtures .
