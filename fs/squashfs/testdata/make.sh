#!/bin/sh
# Makes the images in this folder with mksquashfs, and the listing of what the
# kernel shows of them. It needs root.
cd "$(dirname "$0")/.." && GUESTKIT_MAKE_FIXTURES=1 go test -count=1 -v -run TestMakeFixtures .
