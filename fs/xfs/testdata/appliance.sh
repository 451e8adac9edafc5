#!/bin/bash
# appliance.sh: makes the fixtures that a current kernel does not mount any
# more, in the libguestfs appliance with an older kernel (6.1 was used). Each
# image is filled and listed by that kernel; v4-dirty is v4 shut down amid
# changes, listed after that kernel's own recovery of a copy. Needs
# libguestfs-tools, xfsprogs 6.1 and bzip2; takes some minutes without KVM.
set -euo pipefail
cd "$(dirname "$0")"
here=$PWD
export LIBGUESTFS_BACKEND=direct LIBGUESTFS_BACKEND_SETTINGS=force_tcg
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cp fill.sh list.sh "$tmp"
cd "$tmp"

# The appliance has no xfs_io; bring it and what it is linked with.
io=$(PATH=$PATH:/usr/sbin command -v xfs_io)
tools() {
	echo "debug-upload $io /tmp/xfs_io 0755"
	ldd "$io" | awk '/libedit|libdevmapper|libbsd|libmd/ { print $1, $3 }' | while read -r lib path; do
		echo "debug-upload $(realpath "$path") /tmp/$lib 0755"
	done
}
env='export PATH=$PATH:/tmp LD_LIBRARY_PATH=/tmp;'

changes='cd /sysroot && mv files/small files/renamed && rm odd/-rf && echo more >> files/seq &&
truncate -s 10000 files/fragmented && ln -s new special/new && setfattr -n user.new -v 1 xattrs/short &&
mkdir -p new/dir && seq -f new/%g 200 | xargs touch && rm dirs/leaf/leaf-entry-00001*'

# list says how to list the mounted filesystem and take the list out through
# another one; the script inside does not know the names of disks.
list() {
	echo "debug sh \"/tmp/list.sh /sysroot | gzip > /tmp/list.gz\""
	echo "umount /"
	echo "mount /dev/sdc /"
	echo "debug sh \"cp /tmp/list.gz /sysroot/list.gz\""
	echo "download /list.gz list${1:-}.gz"
	echo "umount /"
}

fill() { # NAME SIZE NAMES MKFS-OPTIONS…
	local name=$1 size=$2 names=$3
	shift 3
	truncate -s "$size" "$name.img" copy.img
	truncate -s 16M list.img
	mkfs.ext4 -q list.img
	mkfs.xfs -q -f --unsupported -m uuid=6b1f1b1e-0000-4000-8000-000000000001 "$@" "$name.img"
	{
		echo run
		tools
		echo "debug-upload fill.sh /tmp/fill.sh 0755"
		echo "debug-upload list.sh /tmp/list.sh 0755"
		echo "mount-options noatime /dev/sda /"
		echo "debug sh \"$env /tmp/fill.sh /sysroot $names 2037\""
		echo "umount /"
		echo "mount-options ro,noatime /dev/sda /"
		list
		echo "download /dev/sda $name.clean"
	} > commands
	guestfish -a "$name.img" -a copy.img -a list.img < commands
	bzip2 -9c "$name.clean" > "$here/$name.img.bz2"
	gzip -dc list.gz | bzip2 -9c > "$here/$name.list.bz2"
}

fill v4 32M 600 -m crc=0 -b size=512 -i size=256 -n ftype=0
fill v4-ftype 32M 600 -m crc=0 -b size=4096 -n ftype=1
fill ci 32M 600 -n version=ci -b size=1024
# v4 once more, renamed, removed and appended in, and shut down before the log
# was empty.
{
	echo run
	tools
	echo "mount-options noatime /dev/sda /"
	echo "debug sh \"$env cd /sysroot; mv files/small files/renamed; rm odd/-rf; echo more >> files/seq; sync; xfs_io -x -c 'shutdown -f' /sysroot/files/seq\""
	echo "umount /"
} > commands
guestfish -a v4.clean < commands
bzip2 -9c v4.clean > "$here/v4-dirty.img.bz2"
cd "$here"
sha256sum ./*.bz2 > MANIFEST
