#!/bin/sh
# Makes the fixtures of fs/ntfs: a volume that mkntfs made and ntfs-3g filled,
# with files of the Windows Overlay Filter whose chunks wimlib compressed, and a
# listing of what ntfs-3g shows of it. Needs root, Linux with FUSE, ntfs-3g,
# wimlib and Go. Times and identifiers differ in each run.
set -eu
cd "$(dirname "$0")/.."
GUESTKIT_MAKE_FIXTURES=1 go test -count=1 -run '^TestMakeFixtures$' -v .
cd testdata
sha256sum -- *.gz > MANIFEST
