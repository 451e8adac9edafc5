#!/bin/sh
# Makes the images in this folder with genisoimage and xorriso, and listings of
# the folders that they are made of. It needs root.
cd "$(dirname "$0")/.." && GUESTKIT_MAKE_FIXTURES=1 go test -count=1 -v -run TestMakeFixtures .
