#!/bin/sh
# Makes the fixtures of fs/udf: images of mkudffs that the Linux kernel of a
# libguestfs appliance fills, one of genisoimage, and listings of the folder that
# they hold. Needs root, udftools, genisoimage, libguestfs and Go.
set -eu
cd "$(dirname "$0")"
here=$PWD
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
tree=$dir/tree
mkdir -p "$tree/sub/deep" "$tree/many"
for i in $(seq 60); do echo "$i" > "$tree/many/a file with a name of some length $i"; done
: > "$tree/size-0"
head -c 5000 /dev/zero | tr '\0' 'x' > "$tree/size-5000"
seq 30000 > "$tree/noise"
echo 'in the entry' > "$tree/small"
truncate -s 300K "$tree/holes"
echo end >> "$tree/holes"
echo name > "$tree/ünïcode 日本語"
ln -s sub/deep "$tree/link"
ln -s /an/absolute/target "$tree/absolute"
ln -s ../up/./there "$tree/up"
ln "$tree/small" "$tree/hard link"
mknod "$tree/device" c 5 60
mkfifo "$tree/fifo"
chmod 4711 "$tree/small"
chown 12:345 "$tree/noise"
tar -C "$tree" -cf "$dir/tree.tar" .
make() { name=$1; size=$2; shift 2; truncate -s "$size" "$dir/$name.img"; mkudffs "$@" --label='A LABEL' "$dir/$name.img" > /dev/null; }
make hd 3M --media-type=hd --blocksize=2048 --udfrev=2.01
make short 3M --media-type=hd --blocksize=512 --udfrev=1.02 --ad=short
make sparable 8M --media-type=cdrw --udfrev=1.50
make replaced 4M --media-type=hd --blocksize=1024 --strategy=4096 --udfrev=2.01 --ad=long
{
	for name in hd short sparable replaced; do echo "add $dir/$name.img"; done
	echo run
	for disk in a b c d; do printf 'mount /dev/sd%s /\ntar-in %s /\numount /\n' "$disk" "$dir/tree.tar"; done
} | guestfish
make virtual 2M --media-type=cdr --udfrev=2.01
make virtual150 2M --media-type=cdr --udfrev=1.50
genisoimage -quiet -udf -V 'A LABEL' -input-charset utf-8 -o "$dir/bridge.img" "$tree"
for name in hd short sparable replaced virtual virtual150 bridge; do gzip -9nc "$dir/$name.img" > "$here/$name.img.gz"; done
cd ..
GUESTKIT_MAKE_FIXTURES=$tree go test -count=1 -run '^TestMakeTree$' .
cd testdata
sha256sum -- *.gz > MANIFEST
