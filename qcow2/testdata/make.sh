#!/usr/bin/env bash
# Makes the qcow2 fixtures again: testdata/make.sh, with qemu-img and qemu-io 7.2.
# MANIFEST has a line per fixture: sha256 of the image, sha256 of the disk that it
# holds ("-" for files that are no qcow2 image), size of the disk, name.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")"
out=$PWD
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
io() { local f=$1; shift; local a=(); for c in "$@"; do a+=(-c "$c"); done; qemu-io -f qcow2 -d unmap "${a[@]}" "$f" >/dev/null; }
seq 1 20000 >text

# The base of the recipes for hostile images: one cluster of 'A' at 0x50000.
qemu-img create -q -f qcow2 -o cluster_size=65536,compat=1.1 base.qcow2 64M
io base.qcow2 "write -P 0x41 0 64k"

# Version 2, with compressed clusters and a size that is no multiple of the cluster.
qemu-img create -q -f qcow2 -o compat=0.10,cluster_size=4096 v2.qcow2 1049088
io v2.qcow2 "write -P 1 0 10k" "write -c -s text 64k 64k" "write -c -P 2 256k 4k" "write -P 3 1048576 512" "write -z 128k 8k"

# Compressed clusters of both kinds among verbatim, zero and allocated zero ones.
for t in zlib zstd; do
	qemu-img create -q -f qcow2 -o compression_type=$t,cluster_size=16k $t.qcow2 2M
	io $t.qcow2 "write -c -s text 0 96k" "write -c -P 7 512k 16k" "write -P 9 1M 40k" "write -z 1100k 40k" "write -P 5 1536k 16k" "write -z 1536k 16k"
done

# Subclusters in all their states, before and after whole clusters.
qemu-img create -q -f qcow2 -o extended_l2=on,cluster_size=64k extl2.qcow2 4M
io extl2.qcow2 "write -P 1 2k 2k" "write -P 2 64k 128k" "write -z 70k 6k" "write -z 1M 32k" "write -P 3 1030k 2k" "write -c -P 4 2M 64k" "discard 66k 2k" "write -P 5 3M 2k"

# The smallest clusters: many L2 tables.
qemu-img create -q -f qcow2 -o cluster_size=512 small.qcow2 1M
io small.qcow2 "write -P 1 0 3k" "write -P 2 100k 17k" "write -z 200k 5k" "write -P 3 1023k 1k" "write -c -s text 512k 512"

# Two snapshots, and a disk that grew between them.
qemu-img create -q -f qcow2 snapshots.qcow2 1M
io snapshots.qcow2 "write -P 1 0 64k"
qemu-img snapshot -c "before" snapshots.qcow2
qemu-img resize -q snapshots.qcow2 2M
io snapshots.qcow2 "write -P 2 0 128k" "write -P 3 1M 64k"
qemu-img snapshot -c "after" snapshots.qcow2
io snapshots.qcow2 "write -P 4 0 64k"

qemu-img create -q -f qcow2 -o cluster_size=4k,lazy_refcounts=on bitmaps.qcow2 1M
qemu-img bitmap --add bitmaps.qcow2 "backup 1"
qemu-img bitmap --add --disable -g 4k bitmaps.qcow2 "backup 2"
io bitmaps.qcow2 "write -P 6 64k 64k"

# An overlay that is larger than what lies behind it.
qemu-img create -q -f raw backing.raw 600k
qemu-io -f raw -c "write -P 0x61 0 100k" -c "write -P 0x62 500k 100k" backing.raw >/dev/null
qemu-img create -q -f qcow2 -o cluster_size=4k -b backing.raw -F raw overlay.qcow2 1M
io overlay.qcow2 "write -P 1 4k 6k" "write -z 512k 8k" "write -P 2 900k 4k"

qemu-img create -q -f qcow2 -o data_file=data.raw,cluster_size=4k datafile.qcow2 256k
io datafile.qcow2 "write -P 1 0 8k" "write -P 2 100k 30k" "write -z 16k 8k"

rm -f "$out"/*.gz
: >"$out/MANIFEST"
for f in *.qcow2 *.raw; do
	raw=- size=-
	case $f in *.qcow2)
		qemu-img convert -O raw "$f" "$f.out"
		raw=$(sha256sum <"$f.out" | cut -d' ' -f1)
		size=$(stat -c %s "$f.out")
		;;
	esac
	echo "$(sha256sum <"$f" | cut -d' ' -f1) $raw $size $f" >>"$out/MANIFEST"
	gzip -9n <"$f" >"$out/$f.gz"
done
