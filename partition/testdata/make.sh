#!/usr/bin/env bash
# Makes the disks in this folder again, and what sfdisk says of each, and
# writes MANIFEST. Needs root (loop devices), fdisk, gdisk, parted and util-linux.
set -euo pipefail
cd "$(dirname "$0")"
export LC_ALL=C.UTF-8
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
disk=$tmp/disk

new() { rm -f "$disk"; truncate -s 16M "$disk"; }
# keep NAME DEVICE: stores the disk, with what sfdisk says of the device.
keep() {
	sfdisk -J "$2" | sed "s,$tmp/,," >"$1.json"
	gzip -9n <"$disk" >"$1.img.gz"
}

new
sfdisk -q "$disk" <<-END
	label: dos
	label-id: 0x1badb002
	,1M,c,*
	,2M,83
	,,E
	,1M,83
	,2M,82
	,1M,8e
END
keep mbr "$disk"

new
sfdisk -q "$disk" <<-END
	label: gpt
	label-id: 11111111-2222-4333-8444-555555555555
	size=1M, type=U, uuid=aaaaaaaa-0000-4000-8000-000000000001, name="EFI System Partition"
	size=2M, type=L, uuid=aaaaaaaa-0000-4000-8000-000000000002, attrs="RequiredPartition LegacyBIOSBootable GUID:60"
	size=3M, type=S, uuid=aaaaaaaa-0000-4000-8000-000000000003
END
sgdisk -c 2:'Größe 日本 😀' "$disk" >/dev/null # sfdisk takes no such names
keep gpt "$disk"

new
loop=$(losetup --show -f -b 4096 "$disk")
sfdisk -q "$loop" <<-END
	label: gpt
	label-id: 11111111-2222-4333-8444-666666666666
	table-length: 16
	size=2M, type=U, uuid=aaaaaaaa-0000-4000-8000-000000000011
	size=4M, type=L, uuid=aaaaaaaa-0000-4000-8000-000000000012, name=root
END
keep gpt4k "$loop"
losetup -d "$loop"

new
sgdisk -a 8 -U 11111111-2222-4333-8444-777777777777 -n 1:0:+1M -t 1:8300 -u 1:aaaaaaaa-0000-4000-8000-000000000021 \
	-n 3:0:+2M -t 3:0700 -u 3:aaaaaaaa-0000-4000-8000-000000000022 -h 1:EE "$disk" >/dev/null
keep hybrid "$disk"

# Labels of other machines, with what libblkid says of their partitions.
keep_label() {
	partx --show -g -o NR,START,SECTORS,TYPE "$disk" | tr -s ' ' | sed 's/^ //' >"$1.partx"
	gzip -9n <"$disk" >"$1.img.gz"
}

new
sfdisk -q "$disk" <<-END
	label: dos
	label-id: 0x1badb002
	,4M,83
	,10M,a5
END
fdisk "$disk" >/dev/null <<-END
	b
	y
	n
	a

	+3M
	t
	a
	7
	n
	b
	16896
	+2M
	t
	b
	1
	w
	r
	w
END
keep_label slice

new
parted -s "$disk" mklabel bsd mkpart ext2 3MiB 5MiB mkpart ext2 6MiB 9MiB
keep_label bsd

new
parted -s "$disk" mklabel mac mkpart root ext2 1MiB 5MiB mkpart other hfs 6MiB 9MiB 2>/dev/null
keep_label mac

new
parted -s "$disk" mklabel dvh mkpart primary ext2 3MiB 5MiB mkpart primary ext2 6MiB 9MiB
keep_label sgi

new
printf 'label: sun\n1: size=4M,type=83\n2: size=3M,type=82\n' | sfdisk -q "$disk"
keep_label sun

new
parted -s "$disk" mklabel atari mkpart primary ext2 1MiB 4MiB mkpart extended 4MiB 15MiB mkpart logical ext2 5MiB 8MiB mkpart logical ext2 9MiB 12MiB
keep_label atari

for f in *.img.gz *.json *.partx; do
	printf '%s  %s  partition/testdata/make.sh\n' "$(sha256sum "$f" | cut -d' ' -f1)" "$f"
done >MANIFEST
