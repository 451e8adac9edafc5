#!/usr/bin/env bash
# Makes the images under testdata/images again and writes MANIFEST. Needs
# root, a Debian mirror and: mmdebstrap e2fsprogs dosfstools mtools gdisk fdisk
# qemu-utils attr grub-common util-linux ntfs-3g
# golang.
#
# What is in them is real: every file comes as its Debian package installs it
# but for what an installer writes (fstab, hostname, machine-id) and what these
# lines say. To keep them small most files are left out, and the kernel and the
# initrd keep their size but only their first 32 KiB: the rest is a hole.
# Times, UUIDs and hash seeds are fixed, so the same packages give the same
# images; packages move on, so the versions will differ one day.
set -euo pipefail
cd "$(dirname "$0")"
export LC_ALL=C TZ=UTC
export SOURCE_DATE_EPOCH=1750000000 # 2025-06-15 15:06:40
export E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH
export MTOOLS_SKIP_CHECK=1

images=$PWD/images
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# The whole Debian that the guests are cut from.
full=$tmp/full
if [ -n "${GUESTKIT_DEBIAN_TAR:-}" ]; then
	cp "$GUESTKIT_DEBIAN_TAR" "$tmp/full.tar"
else
	mmdebstrap --variant=minbase \
		--include=systemd-sysv,systemd-boot-efi,linux-image-cloud-amd64,openssh-server,iproute2,grub-pc-bin \
		bookworm "$tmp/full.tar"
fi
mkdir "$full"
tar -xf "$tmp/full.tar" -C "$full"
kernel=$(basename "$full"/boot/vmlinuz-*)
kernel=${kernel#vmlinuz-}

# take ROOT FILE…: copies files of the full system with all their metadata.
take() {
	local root=$1 file
	shift
	for file; do
		(cd "$full" && cp -a --parents $file "$root/")
	done
}

# head_of ROOT FILE: keeps the first 32 KiB and the size of a file.
head_of() {
	local size time
	size=$(stat -c %s "$full/$2") time=$(stat -c %Y "$full/$2")
	mkdir -p "$(dirname "$1/$2")"
	head -c 32768 "$full/$2" >"$1/$2"
	truncate -s "$size" "$1/$2"
	touch -d "@$time" "$1/$2"
}

# skeleton ROOT: what both guests have.
skeleton() {
	local root=$1 dir
	mkdir "$root"
	for dir in boot dev etc home media mnt opt proc root run srv sys tmp usr var; do
		mkdir "$root/$dir"
		chmod --reference="$full/$dir" "$root/$dir"
	done
	take "$root" bin sbin lib lib64 \
		etc/os-release usr/lib/os-release etc/debian_version etc/issue etc/passwd etc/group etc/shells \
		etc/timezone etc/localtime etc/mtab etc/ssh/sshd_config etc/apt/sources.list etc/systemd/system \
		usr/bin/sh usr/bin/dash usr/bin/apt usr/sbin/init usr/lib/systemd/systemd \
		var/lib/dpkg/status var/lib/dpkg/arch "var/lib/dpkg/info/dash.*" "var/lib/dpkg/info/base-files.*" \
		usr/share/doc/dash/copyright
	mkdir -p "$root"/home/admin
	chown 1000:1000 "$root"/home/admin
	mknod -m 600 "$root/dev/console" c 5 1
	mknod -m 666 "$root/dev/null" c 1 3
}

# filesystem ROOT IMAGE SIZE ARG…: an ext filesystem that holds a tree.
filesystem() {
	local root=$1 image=$2 size=$3 count i
	shift 3
	find "$root" -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	truncate -s "$size" "$image"
	mke2fs -q -F -d "$root" "$@" "$image"
	# mke2fs takes change and access times from the tree that was just made.
	count=$(find "$root" -mindepth 1 -printf '%i\n' | sort -u | wc -l)
	for i in $(seq 12 $((11 + count))); do
		echo "sif <$i> ctime @$SOURCE_DATE_EPOCH"
		echo "sif <$i> atime @$SOURCE_DATE_EPOCH"
	done >"$tmp/times"
	debugfs -w -f "$tmp/times" "$image" >/dev/null 2>&1
	e2fsck -fn "$image" >/dev/null 2>&1
}

# put DISK IMAGE OFFSET: lays a filesystem into a disk, holes kept.
put() { dd if="$2" of="$1" bs=1M seek=$(($3 >> 20)) conv=notrunc,sparse status=none; }

# qcow2 DISK NAME [OPTION…]: the compressed image that is committed.
qcow2() { qemu-img convert -c -O qcow2 "${@:3}" "$1" "$images/$2"; }

# --- debian12-uefi: GPT, ESP with systemd-boot, ext4 -------------------------

uefi() {
	local root=$tmp/uefi esp=$tmp/esp.img disk=$tmp/uefi.img file
	skeleton "$root"
	take "$root" vmlinuz initrd.img "boot/config-*" "boot/System.map-*" \
		"usr/lib/modules/*/modules.builtin" "usr/lib/modules/*/modules.softdep" "usr/lib/modules/*/modules.devname" \
		usr/bin/ls usr/sbin/unix_chkpwd
	head_of "$root" "boot/vmlinuz-$kernel"
	head_of "$root" "boot/initrd.img-$kernel"
	mkdir -p "$root/boot/efi"
	echo web-1 >"$root/etc/hostname"
	echo 9d3a5c0f1b7e4f2a8c6d0e1f2a3b4c5d >"$root/etc/machine-id"
	cat >"$root/etc/fstab" <<-EOT
		# /etc/fstab: static file system information.
		#
		# <file system> <mount point>   <type>  <options>       <dump>  <pass>
		UUID=5f1d2c3b-4a59-4687-9786-a5b4c3d2e1f0 /               ext4    errors=remount-ro 0       1
		UUID=1234-ABCD  /boot/efi       vfat    umask=0077      0       1
	EOT
	# What file servers gather: other alphabets, Latin-1, links, holes.
	mkdir "$root/srv/share"
	echo 'Käse und Brot' >"$root/srv/share/Einkaufsliste für März.txt"
	printf 'caf\xe9\n' >"$root/srv/share/$(printf 'caf\xe9.txt')"
	ln "$root/srv/share/Einkaufsliste für März.txt" "$root/srv/share/list"
	ln -s ../../etc/hostname "$root/srv/share/host"
	ln -s /nowhere "$root/srv/share/dangling"
	truncate -s 16M "$root/srv/share/swapfile"
	mkfifo "$root/srv/share/queue"
	setfattr -n user.comment -v 'kept for the audit' "$root/srv/share/list"
	filesystem "$root" "$tmp/uefi-root.img" 384M -t ext4 -L root -N 4096 -J size=4 \
		-U 5f1d2c3b-4a59-4687-9786-a5b4c3d2e1f0 -E hash_seed=5f1d2c3b-4a59-4687-9786-a5b4c3d2e1f0

	truncate -s 64M "$esp"
	mkfs.vfat -F 32 -s 1 -n ESP --invariant "$esp" >/dev/null
	file=$full/usr/lib/systemd/boot/efi/systemd-bootx64.efi
	printf 'timeout 3\nconsole-mode keep\n' >"$tmp/loader.conf"
	touch -d "@$SOURCE_DATE_EPOCH" "$tmp/loader.conf"
	mmd -i "$esp" ::/EFI ::/EFI/BOOT ::/EFI/systemd ::/loader ::/loader/entries
	mcopy -m -i "$esp" "$file" ::/EFI/BOOT/BOOTX64.EFI
	mcopy -m -i "$esp" "$file" ::/EFI/systemd/systemd-bootx64.efi
	mcopy -m -i "$esp" "$tmp/loader.conf" ::/loader/loader.conf

	truncate -s 512M "$disk"
	sgdisk -a 2048 -U 0B6E6F4C-8A53-4C2D-9F1E-7D6C5B4A3921 \
		-n 1:1M:+64M -t 1:ef00 -c 1:"EFI System" -u 1:1A2B3C4D-0001-4000-8000-000000000001 \
		-n 2:65M:+384M -t 2:8304 -c 2:root -u 2:1A2B3C4D-0002-4000-8000-000000000002 "$disk" >/dev/null
	put "$disk" "$esp" $((1 << 20))
	put "$disk" "$tmp/uefi-root.img" $((65 << 20))
	qcow2 "$disk" debian12-uefi.qcow2
}

# --- debian12-bios: MBR, GRUB, ext2 /boot, swap and ext3 root in an extended
# partition --------------------------------------------------------------------

bios() {
	local root=$tmp/bios disk=$tmp/bios.img grub=$full/usr/lib/grub/i386-pc
	skeleton "$root"
	mv "$root/boot" "$tmp/bios-boot"
	mkdir "$root/boot"
	take "$tmp" "boot/config-*" "boot/System.map-*"
	mv "$tmp"/boot/* "$tmp/bios-boot/"
	rmdir "$tmp/boot"
	head_of "$tmp" "boot/vmlinuz-$kernel"
	mv "$tmp"/boot/* "$tmp/bios-boot/"
	mkdir -p "$tmp/bios-boot/grub"
	cat >"$tmp/bios-boot/grub/grub.cfg" <<-EOT
		set default="0"
		set timeout=5
		menuentry 'Debian GNU/Linux' --class debian --class gnu-linux {
		        search --no-floppy --fs-uuid --set=root 0a1b2c3d-1111-4222-8333-444455556666
		        linux   /vmlinuz-$kernel root=UUID=0a1b2c3d-7777-4888-8999-aaaabbbbcccc ro quiet
		}
	EOT
	echo db-1 >"$root/etc/hostname"
	cat >"$root/etc/fstab" <<-EOT
		UUID=0a1b2c3d-7777-4888-8999-aaaabbbbcccc / ext3 errors=remount-ro 0 1
		LABEL=boot      /boot   ext2    defaults        0       2
		/dev/sda5       none    swap    sw              0       0
		/dev/sr0        /media/cdrom0 udf,iso9660 user,noauto 0 0
	EOT
	filesystem "$tmp/bios-boot" "$tmp/bios-boot.img" 24M -t ext2 -L boot -N 64 \
		-U 0a1b2c3d-1111-4222-8333-444455556666 -E hash_seed=0a1b2c3d-1111-4222-8333-444455556666
	filesystem "$root" "$tmp/bios-root.img" 96M -t ext3 -L root -N 2048 -J size=4 \
		-U 0a1b2c3d-7777-4888-8999-aaaabbbbcccc -E hash_seed=0a1b2c3d-7777-4888-8999-aaaabbbbcccc
	(umask 077 && fallocate -l 16M "$tmp/swap.img")
	mkswap -L swap -U 0a1b2c3d-5555-4666-8777-ddddeeeeffff "$tmp/swap.img" >/dev/null

	truncate -s 160M "$disk"
	sfdisk -q "$disk" <<-EOT
		label: dos
		label-id: 0xdeb12000
		start=1MiB, size=24MiB, type=83, bootable
		start=26MiB, size=133MiB, type=5
		start=27MiB, size=16MiB, type=82
		start=45MiB, size=96MiB, type=83
	EOT
	# GRUB as grub-install lays it: the boot sector around the table, the core
	# in the gap before the first partition.
	grub-mkimage -d "$grub" -O i386-pc -p '(hd0,msdos1)/grub' -o "$tmp/core.img" biosdisk part_msdos ext2 normal linux
	dd if="$grub/boot.img" of="$disk" bs=440 count=1 conv=notrunc status=none
	dd if="$tmp/core.img" of="$disk" bs=512 seek=1 conv=notrunc status=none
	put "$disk" "$tmp/bios-boot.img" $((1 << 20))
	put "$disk" "$tmp/swap.img" $((27 << 20))
	put "$disk" "$tmp/bios-root.img" $((45 << 20))
	qcow2 "$disk" debian12-bios.qcow2 -o cluster_size=16k,compression_type=zstd
}

# --- hostile-names: a bare ext4 whose names attack the terminal ----------------

names() {
	local root=$tmp/names
	mkdir "$root"
	echo a >"$root/$(printf '\x1b]0;owned\x07\x1b[31mred')"
	echo b >"$root/$(printf 'two\nlines')"
	echo c >"$root/$(printf 'invoice\xe2\x80\xaefdp.exe')"
	echo d >"$root/$(printf 'c1\xc2\x9b31m')"
	echo e >"$root/$(printf 'latin\xe9')"
	ln -s "$(printf '\x1b[2J')" "$root/link"
	filesystem "$root" "$tmp/names.img" 1M -t ext4 -b 1024 -N 32 -O ^has_journal -L "$(printf '\x1b[5mlabel')" \
		-U 0badbeef-0000-4000-8000-000000000001 -E hash_seed=0badbeef-0000-4000-8000-000000000001
	qcow2 "$tmp/names.img" hostile-names.qcow2 -o cluster_size=512,compat=0.10
}

mkdir -p "$images"
uefi
bios
names
# A Windows: NTFS and FAT by the real tools, with hives that a test makes.
(cd .. && GUESTKIT_PEERS=require GUESTKIT_MAKE_FIXTURES=1 go test -count=1 -run 'TestWindowsGuests$' .)
(cd images && sha256sum -- *.qcow2 | sed 's|$|  testdata/make.sh|') >MANIFEST
cat MANIFEST
