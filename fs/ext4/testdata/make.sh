#!/bin/sh
# Makes the fixtures of fs/ext4: images that mke2fs made and the kernel filled,
# with listings of what the kernel shows of them. Needs root, Linux with loop
# devices, e2fsprogs and Go. Times and inode generations differ in each run.
set -eu
cd "$(dirname "$0")/.."
GUESTKIT_MAKE_FIXTURES=1 go test -count=1 -run '^TestMake(Fast|Continued)?Fixtures?$' -v .
cd testdata
sha256sum -- *.gz > MANIFEST
