#!/bin/sh
# Makes the fixtures with mkfs.btrfs and the kernel, and the listings of what the
# kernel shows of them. It needs root.
cd "$(dirname "$0")/.." && GUESTKIT_MAKE_FIXTURES=1 go test -run TestMakeFixtures -v .
