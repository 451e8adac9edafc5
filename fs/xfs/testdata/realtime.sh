#!/bin/bash
# realtime.sh DIR: makes the fixtures with realtime files in DIR, as root, by xfsprogs
# 7.2 and a Linux of 6.15 or newer that has CONFIG_XFS_RT. "rtdev" lies on two devices, and
# nothing on the second tells whose it is; "rtgroups" lies on two devices, of groups;
# "rtzoned" has its zones behind its data, and is copied in use.
set -euo pipefail
lists=$(cd "$(dirname "$0")" && pwd)
cd "$1"
export LC_ALL=C TZ=UTC
mkfs=(mkfs.xfs -q --unsupported -m uuid=6f6b6579-0000-4000-8000-000000000009)

# fill DIR: files that lie in several groups, in many extents, in holes and unwritten.
fill() {
	seq 1 20000 >"$1/seq"
	printf small >"$1/small"
	mkdir "$1/dir"
	for i in $(seq 40); do
		for f in a b; do seq -f "$f $i %g" 1 900 | head -c 8192 | dd of="$1/dir/$f" bs=8k oflag=append,direct conv=notrunc status=none; done
	done
	seq 1 3000 | dd of="$1/holes" bs=8k seek=300 status=none
	truncate -s 5000001 "$1/holes"
	fallocate -l 100000 "$1/unwritten" 2>/dev/null || true
	cp --reflink=always "$1/dir/a" "$1/shared" 2>/dev/null && printf other | dd of="$1/shared" bs=8k seek=3 conv=notrunc status=none || rm -f "$1/shared"
	ln -s dir/a "$1/link"
	setfattr -n user.x -v realtime "$1/seq"
	for i in $(seq 30); do echo "$i" >"$1/dir/file$i"; done
	sync -f "$1"
}

mkdir m
# two NAME OPTIONS…: a filesystem whose realtime section is a device of its own.
two() {
	local name=$1
	shift
	truncate -s 48M "$name.img"
	truncate -s 51M "$name.rt.img"
	"${mkfs[@]}" "$@" -l size=9m -d rtinherit=1 "$name.img"
	rt=$(losetup -f --show "$name.rt.img")
	mount -o loop,rtdev="$rt" "$name.img" m
	fill m
	umount m
	mount -o loop,ro,rtdev="$rt" "$name.img" m
	bash "$lists/list.sh" m >"$name.list"
	umount m
	losetup -d "$rt"
	bzip2 -9 "$name.img" "$name.rt.img" "$name.list"
}
two rtdev -r rtdev=rtdev.rt.img,extsize=8k
two rtgroups -m metadir=1 -r rtdev=rtgroups.rt.img,rgcount=3,extsize=8k

truncate -s 130M live.img
"${mkfs[@]}" -m metadir=1,reflink=0,rmapbt=1 -d size=48m,rtinherit=1 -l size=9m -r zoned=1,rgsize=16m live.img
mount -o loop live.img m
fill m
rm m/dir/file7
mv m/small m/moved
sync -f m
cp --sparse=always live.img rtzoned.img
umount m
mount -o loop,ro live.img m
bash "$lists/list.sh" m >rtzoned.list
umount m
rm live.img
rmdir m
bzip2 -9 rtzoned.img rtzoned.list
