#!/bin/sh
# Makes volume groups with lvm and the kernel, for make.sh: it runs as root in
# libguestfs's appliance, where the kernel has device-mapper, inside of an empty
# folder that holds the file "pattern". Each case becomes a folder: the physical
# volumes as files (m0, m1 …), "sum" with the sha256, size and name of each
# logical volume as the kernel read it, and "lvs" with what lvm says.
set -u
export LC_ALL=C LVM_SYSTEM_DIR=/tmp/lvm LVM_SUPPRESS_FD_WARNINGS=1
mkdir -p /tmp/lvm
cat > /tmp/lvm/lvm.conf <<'C'
devices { use_devicesfile = 0
  scan_lvs = 0 }
activation { udev_sync = 0
  udev_rules = 0
  verify_udev_operations = 0
  monitoring = 0
  raid_region_size = 4
  mirror_region_size = 4 }
global { thin_check_executable = ""
  cache_check_executable = ""
  event_activation = 0 }
backup { backup = 0
  archive = 0 }
C
here=$PWD
modprobe loop max_loop=64
for m in dm_mod dm_mirror dm_log dm_raid raid0 raid1 raid10 raid456 dm_snapshot dm_thin_pool dm_cache dm_cache_smq dm_writecache dm_integrity; do modprobe $m 2>/dev/null; done
echo 200000 > /proc/sys/dev/raid/speed_limit_min

# members CASE COUNT SIZE: makes the files, attaches them as $devs and makes the
# group CASE of them.
members() {
	name=$1
	rm -rf "$here/$name"; mkdir -p "$here/$name"; cd "$here/$name"; : > sum
	devs=; n=0
	while [ $n -lt "$2" ]; do
		truncate -s "$3" m$n
		devs="$devs $(losetup -f --show m$n)"
		n=$((n+1))
	done
	lvm pvcreate -q --metadatasize 60k --dataalignment 64k $devs >/dev/null && lvm vgcreate -q -s 64k $name $devs >/dev/null
}
dev() { i=$1; set -- $devs; shift "$i"; echo "$1"; }
make() { lvm lvcreate -q -y -Wn -Zn "$@" >/dev/null || echo "FAILED $name: $*"; }
snap() { lvm lvcreate -q -y -s "$@" >/dev/null || echo "FAILED $name: -s $*"; }
tl() { lvm lvcreate -q -y "$@" >/dev/null || echo "FAILED $name: $*"; }
insync() { i=0; while [ $i -lt 300 ] && ! lvm lvs --noheadings -o sync_percent $name/$1 | grep -q 100.00; do sleep 0.2; i=$((i+1)); done; }
# put LV SKIP COUNT SEEK: copies a part of the pattern, in blocks of 4 KiB.
put() { dd if="$here/pattern" of=/dev/$name/$1 bs=4k skip=$2 ${3:+count=$3} ${4:+seek=$4} oflag=direct conv=notrunc 2>/dev/null; }
sum() { echo 3 > /proc/sys/vm/drop_caches; for v in "$@"; do blockdev --flushbufs /dev/$name/$v; echo "$(sha256sum < /dev/$name/$v | cut -d' ' -f1) $(blockdev --getsize64 /dev/$name/$v) $v" >> sum; done; }
finish() {
	sync
	lvm vgchange -q -an $name >/dev/null
	lvm lvs -a -o lv_name,lv_attr,lv_size,segtype,devices $name > lvs 2>&1
	for d in $devs; do losetup -d $d; done
	dmsetup remove_all >/dev/null 2>&1
	cd "$here"
	echo "done $name"
}

members basic 3 4M
make -n lin -l 12 basic $(dev 1); lvm lvextend -q -l +10 basic/lin $(dev 0) >/dev/null
make -n str2 -i2 -I 4k -l 10 basic; make -n str3 -i3 -I 16k -l 12 basic
i=0; while [ $i -lt 60 ]; do lvm lvchange -q --addtag "a_tag_to_turn_the_ring_of_the_metadata_$i" basic/lin >/dev/null; i=$((i+1)); done
put lin 0; put str2 100; put str3 200; sum lin str2 str3; finish

members mirrors 4 4M
make -n core --type mirror -m1 --mirrorlog core -l 8 mirrors
make -n disk --type mirror -m2 --mirrorlog disk -l 8 mirrors
insync core; insync disk; put core 0; put disk 50; sum core disk; finish

members raids 6 8M
make -n r0 --type raid0 -i3 -I 4k -l 9 raids
make -n r0m --type raid0_meta -i2 -I 8k -l 8 raids
make -n r1 --type raid1 -m2 -l 4 raids
make -n r4 --type raid4 -i3 -I 4k -l 6 raids
for t in la ra ls rs n; do make -n r5$t --type raid5_$t -i3 -I 4k -l 6 raids; done
for t in zr nr nc n_6 la_6 ra_6 ls_6; do make -n r6$t --type raid6_$t -i3 -I 4k -l 6 raids; done
s=0; all=$(lvm lvs --noheadings -o lv_name raids)
for v in $all; do case $v in r0|r0m) ;; *) insync $v;; esac; put $v $s; s=$((s+100)); done
sum $all; finish

# What the metadata of one group has no room for.
members raids2 6 8M
make -n r6rs_6 --type raid6_rs_6 -i3 -I 4k -l 6 raids2; make -n r10 --type raid10 -i2 -m1 -I 4k -l 6 raids2; make -n r10x3 --type raid10 -i3 -m1 -I 8k -l 9 raids2
s=0; for v in r6rs_6 r10 r10x3; do insync $v; put $v $s; s=$((s+100)); done
sum r6rs_6 r10 r10x3; finish

members stale 5 8M
make -n s1 --type raid1 -m1 -l 8 stale $(dev 0) $(dev 1)
make -n s5 --type raid5_ls -i2 -I 4k -l 8 stale $(dev 0) $(dev 1) $(dev 2)
make -n s6 --type raid6_zr -i3 -I 4k -l 9 stale
make -n s10 --type raid10 -i2 -m1 -I 4k -l 8 stale $(dev 0) $(dev 1) $(dev 2) $(dev 3)
for v in s1 s5 s6 s10; do insync $v; put $v 0; done
lvm vgchange -q -an stale >/dev/null; losetup -d $(dev 1); lvm vgchange -q -ay --activationmode degraded stale >/dev/null 2>&1
for v in s1 s5 s6 s10; do put $v 700; done; sum s1 s5 s6 s10; finish

members rebuilding 2 24M
make -n r -l 256 rebuilding $(dev 0); put r 0 4096; echo 0 > /proc/sys/dev/raid/speed_limit_min; echo 50 > /proc/sys/dev/raid/speed_limit_max
lvm lvconvert -q -y --type raid1 -m1 rebuilding/r >/dev/null; sleep 1; put r 900 4 2000; sum r; lvm lvs -a -o lv_name,sync_percent rebuilding; finish
echo 200000 > /proc/sys/dev/raid/speed_limit_min; echo 200000 > /proc/sys/dev/raid/speed_limit_max

members snaps 1 16M
make -n org -l 32 snaps; put org 0
snap -n s1 -c 4k -l 32 snaps/org; put org 1000 32 64; put s1 2000 20 10; put s1 2100 3 200
snap -n s2 -c 16k -l 16 snaps/org; put org 1500 64 100; put s2 3000 5 120
snap -n full -c 4k -l 2 snaps/org; put org 2500 128 300 
sum org s1 s2; lvm lvs snaps; finish

members merging 1 8M
make -n org -l 32 merging; put org 0; snap -n s1 -c 4k -l 20 merging/org; put org 1000 32 64; put s1 2000 20 10; sum org s1
exec 3< /dev/merging/org; lvm lvconvert -q --merge merging/s1; exec 3<&-; finish

members thin 2 48M
make -n ext -l 32 thin; put ext 5000; lvm lvchange -q -an -pr thin/ext
lvm lvcreate -q -y --type thin-pool -n pool -L 40M --poolmetadatasize 2M -c 64k thin >/dev/null
tl -n t1 -V 32M --thinpool pool thin; put t1 0 256; put t1 1000 100 4000
tl -s -n t2 thin/t1; lvm lvchange -q -K -ay thin/t2; put t1 3000 20 5; put t2 4000 30 40; put t2 4100 17 7000
tl -n many -V 64M --thinpool pool thin; i=0; while [ $i -lt 400 ]; do put many $((i+10000)) 1 $((i*37)); i=$((i+1)); done
tl -n holes -V 16M --thinpool pool thin; put holes 6000 512; blkdiscard -o 1048576 -l 524288 /dev/thin/holes; sync
tl -s -n x1 --thinpool pool thin/ext; lvm lvchange -q -K -ay thin/x1; put x1 7000 10 50; lvm lvextend -q -L 4M thin/x1 >/dev/null; put x1 7100 10 900
tl -s -n x2 thin/x1; lvm lvchange -q -K -ay thin/x2; put x2 7200 3 20
tl -n huge -V 15T --thinpool pool thin; put huge 100 16; dd if=$here/pattern of=/dev/thin/huge bs=64k count=1 seek=200000000 oflag=direct conv=notrunc 2>/dev/null
lvm lvchange -q -ay thin/ext; sum t1 t2 many holes x1 x2 ext; lvm lvs -a thin; finish

members thinraid 2 16M
make -n tdata --type raid1 -m1 -l 64 thinraid; make -n tmeta --type raid1 -m1 -L 2M thinraid; insync tdata; insync tmeta
lvm lvconvert -q -y -c 64k --type thin-pool --poolmetadata thinraid/tmeta thinraid/tdata >/dev/null
tl -n t -V 8M --thinpool tdata thinraid; put t 0 300; put t 1000 10 1500; sum t; finish

cache() { # CASE MODE FORMAT
	members $1 2 24M
	make -n org -l 64 $1 $(dev 0); put org 0
	lvm lvcreate -q -y --type cache-pool -n cp -L 4M --poolmetadatasize 8M -c 32k $1 $(dev 1) >/dev/null
	lvm lvconvert -q -y --type cache --cachemode $2 --cachemetadataformat $3 --cachepool $1/cp $1/org >/dev/null
	i=0; while [ $i -lt 6 ]; do cat /dev/$1/org > /dev/null; echo 3 > /proc/sys/vm/drop_caches; i=$((i+1)); done
}
cache cachewt writethrough 2; put org 2000 100 50; sum org; lvm lvs -o+cache_dirty_blocks,cache_used_blocks cachewt; finish
for f in 1 2; do
	cache cachewb$f writeback $f; lvm lvchange -q --cachesettings migration_threshold=0 cachewb$f/org
	i=0; while [ $i -lt 8 ]; do put org 2000 500 50; i=$((i+1)); done; sum org; lvm lvs -o+cache_dirty_blocks,cache_used_blocks cachewb$f
	cp --sparse=always m0 live0; cp --sparse=always m1 live1; finish
	cache cacheclean$f writeback $f; i=0; while [ $i -lt 8 ]; do put org 2000 500 50; i=$((i+1)); done
	lvm lvchange -q -y --cachepolicy cleaner cacheclean$f/org; i=0; while [ $i -lt 100 ] && ! lvm lvs --noheadings -o cache_dirty_blocks cacheclean$f/org | grep -q ' 0$'; do sleep 0.2; i=$((i+1)); done
	sum org; lvm lvs -o+cache_dirty_blocks,cache_used_blocks cacheclean$f; finish
done
members cachevol 2 24M; make -n org -l 64 cachevol $(dev 0); put org 0; make -n cv -L 16M cachevol $(dev 1)
lvm lvconvert -q -y --type cache --cachemode writethrough --cachevol cachevol/cv cachevol/org >/dev/null; cat /dev/cachevol/org >/dev/null; put org 2000 100 50; sum org; finish
members writecache 2 24M; make -n org -l 64 writecache $(dev 0); put org 0; make -n cv -L 16M writecache $(dev 1); lvm lvchange -q -an writecache
lvm lvconvert -q -y --type writecache --cachevol writecache/cv writecache/org; lvm lvchange -q -ay writecache; put org 2000 100 50; sum org; finish
members integrity 2 16M; make -n r --type raid1 -m1 --raidintegrity y -l 32 integrity; insync r; put r 0; sum r; finish
members pvmove 2 16M; make -n v -l 128 pvmove $(dev 0); put v 0; sum v; lvm pvmove -q -b -i 60 $(dev 0); sleep 2; cp --sparse=always m0 live0; cp --sparse=always m1 live1; lvm lvs -a -o+devices pvmove; lvm pvmove --abort; finish
members reshape 4 16M; make -n r --type raid5_ls -i2 -I 64k -l 64 reshape $(dev 0) $(dev 1) $(dev 2); insync r; put r 0; echo 0 > /proc/sys/dev/raid/speed_limit_min; echo 50 > /proc/sys/dev/raid/speed_limit_max
lvm lvconvert -q -y --stripes 3 reshape/r; sum r; lvm lvs -a -o+devices reshape; finish
echo ALL DONE
