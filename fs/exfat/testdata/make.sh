#!/bin/sh
# Makes the volumes in this folder with mkfs.exfat and exfat-fuse, and listings of
# what the latter shows. It needs root.
cd "$(dirname "$0")/.." && GUESTKIT_MAKE_FIXTURES=1 go test -count=1 -v -run TestMakeFixtures .
