#!/bin/sh
# Makes the fixtures of fs/ufs: images that makefs makes of a folder, and a listing
# of that. Needs root, Debian's makefs and Go.
set -eu
cd "$(dirname "$0")"
here=$PWD
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
tree=$dir/tree
mkdir -p "$tree/sub/deep" "$tree/many"
for i in $(seq 150); do echo "$i" > "$tree/many/a file with a name of some length $i"; done
: > "$tree/size-0"
head -c 5000 /dev/zero | tr '\0' 'x' > "$tree/size-5000"
yes "$(seq 2000)" | head -c 700001 > "$tree/noise"
echo small > "$tree/small"
truncate -s 5M "$tree/holes"
echo end >> "$tree/holes"
echo name > "$tree/ünïcode 日本語"
printf 'odd' > "$tree/$(printf 'no\377\nutf')"
ln -s sub/deep "$tree/link"
ln -s "/an/absolute/target/$(seq -s/ 60)" "$tree/long"
ln "$tree/small" "$tree/hard link"
mknod "$tree/device" c 5 60
mkfifo "$tree/fifo"
chmod 4711 "$tree/small"
chown 12:345000 "$tree/noise"
for image in 'ufs1-le le version=1,bsize=4096,fsize=512' 'ufs1-be be version=1,bsize=8192,fsize=1024' 'ufs2-le le version=2,bsize=4096,fsize=4096' 'ufs2-be be version=2,bsize=16384,fsize=2048'; do
	set -- $image
	makefs -t ffs -B "$2" -s 12m -o "$3" "$dir/$1.img" "$tree" > /dev/null
	gzip -9nc "$dir/$1.img" > "$here/$1.img.gz"
done
cd ..
GUESTKIT_MAKE_FIXTURES=$tree go test -count=1 -run '^TestMakeTree$' .
cd testdata
sha256sum -- *.gz > MANIFEST
