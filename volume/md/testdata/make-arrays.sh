#!/bin/sh
# Makes arrays of Linux software RAID with mdadm and the kernel, for make.sh:
# it runs as root in libguestfs's appliance, where the kernel has MD, inside of
# an empty folder that holds the file "pattern". Each case becomes a folder:
# the members as files (m0, m1 …), "sum" with the sha256 of the whole array as
# the kernel read it, and "examine" with what mdadm says of the members.
set -u
export MDADM_NO_UDEV=1 IMSM_NO_PLATFORM=1 IMSM_DEVNAME_AS_SERIAL=1 LC_ALL=C
here=$PWD
modprobe loop max_loop=64
for m in linear raid0 raid1 raid10 raid456 multipath faulty; do modprobe $m 2>/dev/null; done
echo 200000 > /proc/sys/dev/raid/speed_limit_min

# members CASE SIZE…: makes the files and attaches them as $devs.
members() {
	name=$1; shift
	rm -rf "$here/$name"; mkdir -p "$here/$name"; cd "$here/$name"
	devs=; n=0
	for size in "$@"; do
		truncate -s "$size" m$n
		devs="$devs $(losetup -f --show m$n)"
		n=$((n+1))
	done
}
dev() { i=$1; set -- $devs; shift "$i"; echo "$1"; }
write() { [ -b /dev/md0 ] || return; dd if="$here/pattern" of=/dev/md0 bs=64k skip="${1:-0}" oflag=direct conv=notrunc 2>/dev/null; blockdev --flushbufs /dev/md0; sync; }
sum() { [ -b /dev/md0 ] || return; blockdev --flushbufs /dev/md0; echo 3 > /proc/sys/vm/drop_caches; sha256sum < /dev/md0 | cut -d' ' -f1 > "${1:-sum}"; blockdev --getsize64 /dev/md0 >> "${1:-sum}"; }
finish() {
	[ -n "${keep:-}" ] || mdadm --stop /dev/md0 2>/dev/null
	mdadm --stop --scan 2>/dev/null
	for d in $devs; do mdadm --examine $d; done > examine 2>&1
	for d in $devs; do losetup -d $d; done
	cd "$here"; keep=
	echo "done $name"
}
idle() { mdadm --wait /dev/md0 >/dev/null 2>&1; }
create() { rm -f /dev/md0; mdadm --create /dev/md0 --run --force --homehost=any --name=test "$@" $devs </dev/null 2>&1 | grep -v started; idle; }
# plain CASE COUNT SIZE OPTIONS…: an array of equal members.
plain() {
	c=$1 k=$2 z=$3; shift 3
	set -- "$@"; sizes=; i=0; while [ $i -lt $k ]; do sizes="$sizes $z"; i=$((i+1)); done
	members $c $sizes
	create -n $k "$@"; write; sum; finish
}

# Versions of the superblock.
plain v090-raid1 2 2M -l1 -z 512 -e 0.90
plain v10-raid1 2 2M -l1 -z 512 -e 1.0
plain v11-raid1 2 2M -l1 -z 512 -e 1.1
plain v12-raid1 2 2M -l1 -z 512 -e 1.2
plain v090-raid5 3 2M -l5 -z 512 -c4 -e 0.90
plain v10-raid5 3 2M -l5 -z 512 -c4 -e 1.0
plain v11-raid5 3 2M -l5 -z 512 -c4 -e 1.1
plain bitmap 2 2M -l1 -z 512 -e 1.2 --bitmap=internal --bitmap-chunk=4K

members linear 1400K 2M 1300K; create -l linear -n 3; write; sum; finish
members v090-linear 512K 1M 300K; create -l linear -n 3 -e 0.90; write; sum; finish
plain raid0 3 1400K -l0 -c4
for l in original alternate; do
	members raid0-$l 1400K 2M 1700K; create -l0 -n 3 -c 8 --layout=$l; write; sum; finish
done
members raid0-dangerous 1400K 2M 1700K; create -l0 -n 3 -c 8 --layout=dangerous; finish
members raid0-zones 1400K 2M 2M 1700K; create -l0 -n 4 -c 16; write; sum; finish
plain raid4 4 2M -l4 -z 512 -c4
for l in left-asymmetric right-asymmetric left-symmetric right-symmetric parity-first parity-last; do
	plain raid5-$l 4 2M -l5 -z 512 -c4 --layout=$l
done
for l in left-asymmetric right-asymmetric left-symmetric right-symmetric parity-first parity-last ddf-zero-restart ddf-N-restart ddf-N-continue left-asymmetric-6 right-asymmetric-6 left-symmetric-6 right-symmetric-6 parity-first-6; do
	plain raid6-$l 5 2M -l6 -z 512 -c4 --layout=$l
done
for l in n2 f2 o2; do plain raid10-$l-3 3 2M -l10 -z 512 -c4 --layout=$l; plain raid10-$l-4 4 2M -l10 -z 512 -c4 --layout=$l; done
for l in n3 f3 o3; do plain raid10-$l-5 5 2M -l10 -z 512 -c4 --layout=$l; done

# One member failed, and the array went on without it.
members stale-raid1 2M 2M; create -l1 -z 512 -n2; write; mdadm /dev/md0 --fail $(dev 0) --remove $(dev 0); write 1; sum; finish
members stale-bitmap 2M 2M; create -l1 -z 512 -n2 --bitmap=internal; write; mdadm /dev/md0 --fail $(dev 0) --remove $(dev 0); write 1; sum; finish
members stale-raid5 2M 2M 2M 2M; create -l5 -z 512 -c4 -n4; write; mdadm /dev/md0 --fail $(dev 1) --remove $(dev 1); write 1; sum; finish
members stale-raid6 2M 2M 2M 2M 2M; create -l6 -z 512 -c4 -n5; write
mdadm /dev/md0 --fail $(dev 1) --remove $(dev 1); write 1; mdadm /dev/md0 --fail $(dev 3) --remove $(dev 3); write 2; sum; finish
members stale-raid10 2M 2M 2M 2M; create -l10 -z 512 -c4 -n4; write; mdadm /dev/md0 --fail $(dev 2) --remove $(dev 2); write 1; sum; finish

# A spare, a replacement that is done, and one that is under way.
members spare 2M 2M 2M 2M; create -l5 -z 512 -c4 -n3 -x1; write; sum; finish
members replaced 2M 2M 2M; mdadm --create /dev/md0 --run -z 512 -l1 -n2 $(dev 0) $(dev 1) </dev/null 2>/dev/null; idle; write
mdadm /dev/md0 --add $(dev 2); mdadm /dev/md0 --replace $(dev 0) --with $(dev 2); sleep 2; idle; write 1; sum; finish
members replacing 8M 8M 8M 8M; mdadm --create /dev/md0 --run -l5 -c64 -n3 $(dev 0) $(dev 1) $(dev 2) </dev/null 2>/dev/null; idle; write
mdadm /dev/md0 --add $(dev 3); echo 4096 > /sys/block/md0/md/sync_max; mdadm /dev/md0 --replace $(dev 0) --with $(dev 3); sleep 3; echo frozen > /sys/block/md0/md/sync_action; write 1; sum; cat /proc/mdstat; finish

# A member that is being rebuilt: it holds what lies before its recovery offset.
members recovering 8M 8M 8M 8M; mdadm --create /dev/md0 --run -l5 -c64 -n3 $(dev 0) $(dev 1) $(dev 2) </dev/null 2>/dev/null; idle; write
mdadm /dev/md0 --fail $(dev 1) --remove $(dev 1); echo 4096 > /sys/block/md0/md/sync_max; mdadm /dev/md0 --add $(dev 3); sleep 3; echo frozen > /sys/block/md0/md/sync_action; write 1; sum; cat /proc/mdstat; finish

# Journal, partial parity log, blocks that are known to be bad.
members journal 2M 2M 2M 8M; mdadm --create /dev/md0 --run -l5 -c4 -n3 $(dev 0) $(dev 1) $(dev 2) --write-journal $(dev 3) </dev/null; idle; write; sum; finish
members writeback 2M 2M 2M 8M; mdadm --create /dev/md0 --run -l5 -c4 -n3 $(dev 0) $(dev 1) $(dev 2) --write-journal $(dev 3) </dev/null; idle; write; echo write-back > /sys/block/md0/md/journal_mode; write 1
keep=1; for i in 0 1 2 3; do cp --sparse=always m$i live$i; done; keep=; sum; finish
plain ppl 3 4M -l5 -c4 --consistency-policy=ppl
# bad I SECTOR COUNT: lists blocks of a member, counted from where its data
# begin. The list is written with the next superblock, when a write ends a rest.
bad() { m=/sys/block/md0/md/dev-$(basename $(dev $1)); echo "$(($(cat $m/offset)+$2)) $3" > $m/bad_blocks; }
members badblocks 2M 2M; create -l1 -z 512 -n2; write; bad 0 300 8; bad 1 500 16; sleep 1; dd if="$here/pattern" of=/dev/md0 bs=4k count=1 oflag=direct 2>/dev/null; sleep 1; sum; for d in $devs; do mdadm --examine-badblocks $d; done > badblocks; finish
members badblocks5 2M 2M 2M; create -l5 -z 512 -c4 -n3; write; bad 0 300 8; bad 1 500 16; sleep 1; dd if="$here/pattern" of=/dev/md0 bs=4k count=1 oflag=direct 2>/dev/null; sleep 1; sum; for d in $devs; do mdadm --examine-badblocks $d; done > badblocks; finish

# Never resynced: copied while it ran.
members dirty 4M 4M 4M; echo 0 > /proc/sys/dev/raid/speed_limit_min; mdadm --create /dev/md0 --run --force -l5 -c4 -n3 $devs </dev/null 2>/dev/null; echo frozen > /sys/block/md0/md/sync_action; write; sum; finish
echo 200000 > /proc/sys/dev/raid/speed_limit_min; echo 200000 > /proc/sys/dev/raid/speed_limit_max

# Other levels, and what other firmware writes.
members multipath 2M; mdadm --create /dev/md0 --run --force -l multipath -n1 $devs </dev/null; write; sum; finish
members faulty 2M; mdadm --create /dev/md0 --run --force -l faulty -n1 $devs </dev/null; finish
members imsm 8M 8M 8M; mdadm --create /dev/md/imsm --run -e imsm -n3 $devs </dev/null; mdadm --create /dev/md0 --run -l5 -n3 -c 16 /dev/md/imsm </dev/null; idle; write; sum; finish
members ddf 40M 40M 40M; mdadm --create /dev/md/ddf --run -e ddf -n3 $devs </dev/null; mdadm --create /dev/md0 --run -l5 -n3 -c 64 -z 4M /dev/md/ddf </dev/null; idle; write; sum; finish
# Halves of a mirror that went on without each other.
members split 2M 2M; create -l1 -z 512 -n2; write; mdadm --stop /dev/md0; for i in 0 1; do mdadm --assemble --run /dev/md0 $(dev $i); write $((i+1)); sum sum$i; mdadm --stop /dev/md0; done; finish
# A whole guest: ext4 on LVM on RAID1.
members guest 12M 12M; create -l1 -n2
lvm pvcreate -q /dev/md0 && lvm vgcreate -q -s 64k vgr /dev/md0 && lvm lvcreate -q -y -an -Zn -Wn -n root -L 8M vgr && lvm vgchange -q -ay vgr
mkdir -p /tmp/m; mkfs.ext4 -q -N 64 -J size=1 /dev/vgr/root && mount /dev/vgr/root /tmp/m && mkdir -p /tmp/m/etc /tmp/m/usr/bin && { printf 'NAME="Test Linux"\nID=test\nVERSION_ID=1\n' > /tmp/m/etc/os-release; echo '/dev/mapper/vgr-root / ext4 defaults 0 1' > /tmp/m/etc/fstab; echo raid1 > /tmp/m/etc/hostname; umount /tmp/m; }
lvm vgchange -q -an vgr; sum; finish
# Reshape under way, from three members to four: copied while it runs.
members reshape 8M 8M 8M 8M; mdadm --create /dev/md0 --run -l5 -c64 -n3 $(dev 0) $(dev 1) $(dev 2) </dev/null 2>/dev/null; idle; write
echo 0 > /proc/sys/dev/raid/speed_limit_min; echo 50 > /proc/sys/dev/raid/speed_limit_max
mdadm /dev/md0 --add $(dev 3); timeout 20 mdadm --grow /dev/md0 -n4 --backup-file=/tmp/backup </dev/null &
sleep 8; cat /proc/mdstat; sync; for i in 0 1 2 3; do cp --sparse=always m$i c$i; done; for i in 0 1 2 3; do mv c$i m$i; mdadm --examine m$i; done > examine 2>&1; echo "done reshape"; sync
echo ALL DONE
