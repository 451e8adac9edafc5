#!/bin/bash
# dirty.sh: makes v5-dirty, a filesystem of version 5 that was shut down amid
# changes, and the list of what this kernel sees after its own recovery of a
# copy. Needs root, xfsprogs, attr and bzip2.
set -euo pipefail
cd "$(dirname "$0")"
here=$PWD
tmp=$(mktemp -d)
trap 'umount "$tmp/mnt" 2>/dev/null || true; rm -rf "$tmp"' EXIT
cp list.sh "$tmp"
cd "$tmp"
export LC_ALL=C TZ=UTC
mkdir mnt
truncate -s 32M disk
mkfs.xfs -q --unsupported -d agcount=2 -b size=1024 -m uuid=6b1f1b1e-0000-4000-8000-000000000002,rmapbt=1,reflink=1 -i nrext64=1 disk
mount -o loop disk mnt
(
	cd mnt
	mkdir -p dirs/a dirs/b dirs/many files xattrs
	seq -f 'dirs/many/an-entry-with-a-name-%g' 300 | xargs touch
	for i in $(seq 40); do seq $((i * 20)) > files/$i; done
	touch xattrs/{1,2,3}
	cmds=()
	for i in $(seq 0 299); do cmds+=(-c "pwrite -q -S $((i % 255 + 1)) $((i * 2048)) 1024"); done
	xfs_io -f "${cmds[@]}" files/fragmented
)
umount mnt
mount -o loop disk mnt
(
	cd mnt
	# Some of it gets to its place, the rest is in the log alone.
	seq -f 'dirs/a/new-%g' 100 | xargs touch
	for i in $(seq 1 2 40); do mv files/$i dirs/b/moved-$i; done
	xfs_io -c syncfs . # of this filesystem alone
	for i in $(seq 1 3 300); do echo dirs/many/an-entry-with-a-name-$i; done | xargs rm
	mkdir dirs/c dirs/c/sub && seq -f 'dirs/c/sub/%g' 60 | xargs touch
	mv dirs/c/sub dirs/a/sub && rm -r dirs/c
	seq 3000 >> files/2
	truncate -s 70000 files/fragmented
	truncate -s 5000000 files/4
	ln -s "$(printf 'long-target/%.0s' {1..50})end" long-link
	ln -s short short-link
	for i in $(seq 40); do setfattr -n user.attr$i -v "$(seq -s, $((i * 5)))" xattrs/1; done
	setfattr -n user.big -v "$(seq -s, 3000 | head -c 9000)" xattrs/2
	for i in $(seq 1 4 40); do setfattr -x user.attr$i xattrs/1; done
	cp --reflink=always files/2 files/clone
	chmod 4711 files/6 && chown 12:34 files/6 && mkfifo fifo
	sync -f . && seq -f 'dirs/b/last-%g' 30 | xargs touch
	xfs_io -r -x -c 'shutdown -f' .
)
umount mnt
cp disk copy
mount -o loop,noatime copy mnt
bash list.sh mnt | bzip2 -9c > "$here/v5-dirty.list.bz2"
umount mnt
bzip2 -9c disk > "$here/v5-dirty.img.bz2"
xfs_logprint -t disk 2>/dev/null | grep -E 'log device|log tail'
cd "$here"
sha256sum ./*.bz2 > MANIFEST
