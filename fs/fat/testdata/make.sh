#!/usr/bin/env bash
# Makes the volumes in this folder again, tree.tsv (what is in each of them),
# and MANIFEST. Needs dosfstools and mtools.
set -euo pipefail
cd "$(dirname "$0")"
export LC_ALL=C.UTF-8 TZ=UTC MTOOLS_SKIP_CHECK=1 SOURCE_DATE_EPOCH=1718454645
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

tree=$tmp/tree
mkdir -p "$tree"/EFI/BOOT "$tree"/deep/er/still "$tree/a directory with a long name" "$tree"/many
bytes() { head -c "$2" < <(yes "$1"); }
bytes boot 5000 >"$tree/EFI/BOOT/BOOTX64.EFI"
bytes long 700 >"$tree/a long name with spaces.txt"
bytes accents 512 >"$tree/Größe ÄÖÜ.txt"
bytes japan 513 >"$tree/日本語.txt"
bytes lower 1 >"$tree/lower.txt"
bytes upper 511 >"$tree/UPPER.TXT"
bytes mixed 1024 >"$tree/MiXeD.TxT"
bytes exactly 100 >"$tree/thirteen char" # a long name that fills its slots
bytes exactly 101 >"$tree/twenty-six characters long"
bytes dots 102 >"$tree/.hidden.file.with.dots"
bytes noext 103 >"$tree/noext"
bytes name 104 >"$tree/$(printf 'n%.0s' {1..255})"
bytes read 105 >"$tree/readonly.txt"
: >"$tree/empty"
bytes deep 9000 >"$tree/deep/er/still/file"
for i in $(seq 1 150); do bytes "$i" "$i" >"$tree/many/file number $i"; done
bytes fragments 60000 >"$tree/fragments"
find "$tree" -exec touch -d '2024-06-15 12:30:44' {} +
touch -d '1980-01-01 00:00:00' "$tree/lower.txt"
touch -d '2107-12-31 23:59:58' "$tree/UPPER.TXT"

(cd "$tree" && find . -type f -printf '%P\t%T@\t' -exec sha256sum {} \; | sed 's/\.0*\t/\t/; s/  .*//' | sort) >tree.tsv

mv "$tree/fragments" "$tmp" # it goes first

# make NAME KIB mkfs-options…
make() {
	local img=$tmp/$1 kib=$2 i
	shift 2
	mkfs.vfat -C --invariant -n 'GUEST KIT' -i 1234abcd "$@" "$img" "$kib" >/dev/null
	# Small files between which the fragmented one has to go.
	for i in $(seq 1 40); do bytes hole 512 >"$tmp/hole"; mcopy -i "$img" "$tmp/hole" "::/hole$i"; done
	for i in $(seq 1 2 40); do mdel -i "$img" "::/hole$i"; done
	if [ "$1" = -F ] && [ "$2" = 32 ]; then # search for free clusters from the start
		printf '\2\0\0\0' | dd of="$img" bs=1 seek=$((512 + 492)) conv=notrunc status=none
	fi
	mcopy -i "$img" -m "$tmp/fragments" ::/
	for i in $(seq 2 2 40); do mdel -i "$img" "::/hole$i"; done
	mcopy -i "$img" -s -m "$tree"/* "$tree"/.h* ::/
	mattrib -i "$img" +r +h ::/readonly.txt
	fsck.vfat -n "$img" >/dev/null
	gzip -9n <"$img" >"$(basename "$img").img.gz"
}
make fat12 1440 -F 12
make fat16 16384 -F 16 -s 4
make fat32 34000 -F 32 -s 1

for f in *.img.gz *.tsv; do
	printf '%s  %s  fs/fat/testdata/make.sh\n' "$(sha256sum "$f" | cut -d' ' -f1)" "$f"
done >MANIFEST
