#!/bin/sh
# Makes guests as the test suite of libguestfs has them (fedora-luks-on-lvm,
# fedora-lvm-on-luks, fedora-md1 and -md2), smaller, and one on thin volumes of LVM
# with a snapshot, for make.sh: it runs as root in libguestfs's appliance, in a
# folder with what make.sh puts beside it. Each case becomes a folder: its disks
# (fedora.img, md1.img …) and "sums" with the sha256 of each file of each
# filesystem, as the kernel read them.
set -eu
export MDADM_NO_UDEV=1 LC_ALL=C LVM_SYSTEM_DIR=/tmp/lvm LVM_SUPPRESS_FD_WARNINGS=1
mkdir -p /tmp/lvm /tmp/root
cat > /tmp/lvm/lvm.conf <<'C'
devices { use_devicesfile = 0
  scan_lvs = 0 }
activation { udev_sync = 0
  udev_rules = 0
  verify_udev_operations = 0
  monitoring = 0 }
global { thin_check_executable = ""
  event_activation = 0 }
backup { backup = 0
  archive = 0 }
C
here=$PWD
modprobe loop max_loop=16
for m in dm_mod dm_crypt dm_thin_pool raid1; do modprobe $m 2>/dev/null || true; done

# disk FILE: a disk with two partitions, which become $boot and $root.
disk() {
	truncate -s 96M "$1"
	printf 'label: dos\nlabel-id: 0x1badb00%s\nstart=64,size=32704\nstart=32768,size=163776\n' "$2" | sfdisk -q "$1"
	boot=$(losetup -f --show -o $((64 * 512)) --sizelimit $((32704 * 512)) "$1")
	root=$(losetup -f --show -o $((32768 * 512)) --sizelimit $((163776 * 512)) "$1")
	loops="${loops:-} $boot $root"
}
# ext2 DEVICE LABEL UUID: few inodes, since what is encrypted does not compress.
ext2() { mke2fs -q -t ext2 -b 1024 -I 128 -O ^resize_inode -N "${4:-80}" -m 0 -E nodiscard -L "$2" -U "$3" "$1"; }
guest() { name=$1; rm -rf "$here/$name"; mkdir "$here/$name"; cd "$here/$name"; loops=; : > sums; }
sums() { (cd "$1" && find . -type f -exec sha256sum {} + | sort -k2 | sed "s,  \./,  $2:,") >> "$here/$name/sums"; }
finish() {
	vgchange -an >/dev/null 2>&1 || true
	mdadm --stop --scan 2>/dev/null || true
	for l in $loops; do losetup -d "$l"; done
	cd "$here"; echo "done $name"
}
# tree VERSION: what a Fedora has in /tmp/root, where its filesystem is mounted.
tree() {
	cd /tmp/root
	mkdir -p bin etc/sysconfig usr/share/zoneinfo/Europe usr/lib/rpm var/lib/rpm boot/grub
	: > usr/share/zoneinfo/Europe/London; : > usr/lib/rpm/rpmrc; : > boot/grub/grub.conf
	printf '%%_dbpath /var/lib/rpm\n%%_db_backend sqlite\n' > usr/lib/rpm/macros
	printf 'LABEL=BOOT /boot ext2 default 0 0\nLABEL=ROOT / ext2 default 0 0\n' > etc/fstab
	printf 'Fedora release %s (Phony)' "$1" > etc/redhat-release
	cp etc/redhat-release etc/fedora-release
	printf 'HOSTNAME=fedora.invalid' > etc/sysconfig/network
	printf 'a\nb\nc\n' > etc/test3
	cp "$here/rpmdb.sqlite" var/lib/rpm/
	cp "$here/bin-ls" bin/ls; chmod 755 bin/ls
	cd "$here"
}
fill() { mount "$1" /tmp/root; mkdir -p /tmp/root/boot; mount "$boot" /tmp/root/boot; tree 14; }
done_with() { umount /tmp/root/boot; sums /tmp/root "$1"; umount /tmp/root; }
B=01234567-0123-0123-0123-012345678901 R=01234567-0123-0123-0123-012345678902
group() { vgcreate -qq VG "$1"; lvcreate -qq -y -Wn -n Root -L 8M VG; lvcreate -qq -y -Wn -n LV1 -L 8M VG; vgmknodes -qq; }
# luks DEVICE KEY OPTIONS…: cheap to open, with few bits of key material.
luks() { d=$1 k=$2; shift 2; printf %s "$k" | cryptsetup -q luksFormat "$@" "$d" -; }
open() { printf %s "$2" | cryptsetup open --key-file - "$1" "$3"; }

small="--type luks2 --offset 1024 --luks2-metadata-size 16k" # its key slots are filled with noise

guest fedora-lvm-on-luks
disk fedora.img 1
ext2 "$boot" BOOT $B
luks "$root" FEDORA $small --pbkdf pbkdf2 --pbkdf-force-iterations 1000 -c aes-cbc-essiv:sha256 -s 128 --luks2-keyslots-size 64k
open "$root" FEDORA luks
group /dev/mapper/luks
ext2 /dev/VG/Root ROOT $R
fill /dev/VG/Root; done_with luks
vgchange -an VG >/dev/null; cryptsetup close luks
finish

guest fedora-luks-on-lvm
disk fedora.img 2
ext2 "$boot" BOOT $B
group "$root"
argon="$small --pbkdf argon2id --pbkdf-memory 1024 --pbkdf-parallel 1 --pbkdf-force-iterations 4"
luks /dev/VG/Root FEDORA-Root $argon -c aes-xts-plain64 -s 256 --luks2-keyslots-size 128k
luks /dev/VG/LV1 FEDORA-LV1 $argon -c aes-cbc-plain64 -s 128 --luks2-keyslots-size 64k
open /dev/VG/Root FEDORA-Root Root-luks; open /dev/VG/LV1 FEDORA-LV1 LV1-luks
ext2 /dev/mapper/Root-luks ROOT $R
fill /dev/mapper/Root-luks; done_with root
cryptsetup close Root-luks; cryptsetup close LV1-luks
finish

guest fedora-md
disk md1.img 3; b1=$boot r1=$root
disk md2.img 4; b2=$boot r2=$root
mdadm --create /dev/md126 --run --homehost=any --name=bootdev -l1 -n2 -e1.2 --bitmap=none --assume-clean "$b1" "$b2" </dev/null
mdadm --create /dev/md127 --run --homehost=any --name=rootdev -l1 -n2 -e1.2 --bitmap=none --assume-clean "$r1" "$r2" </dev/null
boot=/dev/md126
ext2 /dev/md126 BOOT $B
group /dev/md127
ext2 /dev/VG/Root ROOT $R
ext2 /dev/VG/LV1 LV1 01234567-0123-0123-0123-012345678903 16
fill /dev/VG/Root
printf '/dev/md0 /boot ext2 default 0 0\nLABEL=ROOT / ext2 default 0 0\n' > /tmp/root/etc/fstab
{
	printf 'MAILADDR root\nAUTO +imsm +1.x -all\n'
	i=0
	for d in /dev/md126 /dev/md127; do
		echo "ARRAY /dev/md$i level=raid1 num-devices=2 UUID=$(mdadm --detail $d | sed -n 's/ *UUID : //p')"
		i=$((i + 1))
	done
} > /tmp/root/etc/mdadm.conf
done_with root
finish

# A thin volume whose snapshot is the guest of before an upgrade.
guest thin-snapshot
truncate -s 96M disk.img
loops=$(losetup -f --show disk.img)
pvcreate -qq $loops; vgcreate -qq -s 1M VG $loops
lvcreate -qq -y -Zn --type thin-pool -L 32M --poolmetadatasize 2M -c 64k --poolmetadataspare n -n pool VG
lvcreate -qq -y -V 64M --thinpool pool -n root VG; { vgmknodes -qq || true; }
ext2 /dev/VG/root ROOT $R
mount /dev/VG/root /tmp/root; tree 14
printf '/dev/VG/root / ext2 defaults 0 0\n' > /tmp/root/etc/fstab
sums /tmp/root before; umount /tmp/root
lvcreate -qq -y -s -kn -n before VG/root; { vgmknodes -qq || true; }
mount /dev/VG/root /tmp/root
for f in redhat-release fedora-release; do printf 'Fedora release 15 (Phony)' > /tmp/root/etc/$f; done
rm /tmp/root/etc/test3; head -c 40000 "$here/pattern" > /tmp/root/var/new
sums /tmp/root root; umount /tmp/root
lvs --noheadings -o lv_name,origin,segtype,lv_size > "$here/$name/lvs"
finish
echo ALL DONE
