#!/bin/bash
# zoned.sh: makes zoned.qcow2.bz2 and prints what the kernel shows of it, as list.sh of
# fs/xfs does (zoned.tree.gz is testimg.Listing of that). As root, with null_blk, configfs
# and btrfs-progs; Linux 7.2 was used. null_blk reads as ones where nothing was written.
set -euo pipefail
cd "$(dirname "$0")"
here=$PWD
nullb=/sys/kernel/config/nullb/nullb0
tmp=$(mktemp -d)
mkdir "$nullb" "$tmp/m"
echo 1 >"$nullb/memory_backed"
echo 1 >"$nullb/zoned"
echo 64 >"$nullb/zone_size"
echo 6144 >"$nullb/size"
echo 4096 >"$nullb/blocksize"
echo 1 >"$nullb/power"
mkfs.btrfs -q -O zoned -U 5a6f6e65-0000-4000-8000-000000000001 -L zoned /dev/nullb0
m=$tmp/m
mount /dev/nullb0 "$m"
seq 1 20000 >"$m/seq"
printf small >"$m/small"
mkdir "$m/dir"
for i in $(seq 30); do echo "$i" >"$m/dir/f$i"; done
for i in 1 2 3; do
	seq -f "$i %g" 1 30000 | dd of="$m/over" bs=64k conv=notrunc status=none
	sync -f "$m"
done
rm "$m/dir/f7"
mv "$m/small" "$m/moved"
setfattr -n user.x -v y "$m/seq"
truncate -s 3M "$m/hole"
btrfs subvolume create "$m/sub" >/dev/null
echo in >"$m/sub/file"
sync -f "$m"
for i in $(seq 40); do # so that the log of superblocks is long
	echo "$i" >"$m/last"
	sync -f "$m"
done
umount "$m"
mount -o ro /dev/nullb0 "$m"
bash ../../xfs/testdata/list.sh "$m"
umount "$m"
python3 - /dev/nullb0 "$tmp/disk" <<'P'
import sys
src, dst = open(sys.argv[1], "rb"), open(sys.argv[2], "wb")
dst.truncate(6144 << 20)
for off in range(0, 6144 << 20, 4096):
    b = src.read(4096)
    if b != b"\xff" * 4096:
        dst.seek(off)
        dst.write(b)
P
qemu-img convert -f raw -O qcow2 "$tmp/disk" "$tmp/zoned.qcow2"
bzip2 -9c "$tmp/zoned.qcow2" >"$here/zoned.qcow2.bz2"
rmdir "$nullb"
rm -r "$tmp"
