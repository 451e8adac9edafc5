#!/bin/sh
# Makes the images in this folder with mkfs.erofs 1.9, and the listings of what
# the kernel (6.18) shows of them. It needs root.
cd "$(dirname "$0")/.." && GUESTKIT_MAKE_FIXTURES=1 go test -count=1 -v -run TestMakeFixtures .
