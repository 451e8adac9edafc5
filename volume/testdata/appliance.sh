#!/bin/sh
# appliance.sh SCRIPT ARCHIVE [FILE…]: runs a script that makes fixtures as root in
# libguestfs's appliance, whose kernel has device-mapper and MD, in a folder with
# the files, and packs the folders that it leaves, one a case, into a .tar.zst. It
# needs root (a loop mount), guestfish, mkfs.ext4, python3, tar and zstd, and takes
# minutes: a machine without KVM emulates the processor. What hangs is ended after
# half an hour.
set -eu
script=$1 archive=$2
shift 2
work=$(mktemp -d)
trap 'umount "$work/m" 2>/dev/null || true; rm -rf "$work"' EXIT
mkdir "$work/d" "$work/m"
cp "$script" "$work/d/script"
for f in "$@"; do cp "$f" "$work/d/"; done
# 16 MiB in which each sector tells where it is.
python3 -c 'import sys
for i in range(32768): sys.stdout.write("%07d " % i * 64)' > "$work/d/pattern"
truncate -s 6G "$work/disk"
mkfs.ext4 -q -F -d "$work/d" "$work/disk"
export LIBGUESTFS_BACKEND=direct
[ -w /dev/kvm ] || export LIBGUESTFS_BACKEND_SETTINGS=force_tcg
timeout -k 9 1800 guestfish --format=raw -a "$work/disk" run : debug sh "mkdir -p /tmp/s; for d in /dev/sd?; do mount \$d /tmp/s 2>/dev/null && { [ -f /tmp/s/script ] && break; umount /tmp/s; }; done; cd /tmp/s && { sh script > log 2>&1; cd /; sync; umount /tmp/s || umount -l /tmp/s; sync; }"
mount -o loop "$work/disk" "$work/m"
tail -n 1 "$work/m/log" | grep -q 'ALL DONE' || { cat "$work/m/log" >&2; exit 1; }
cd "$work/m"
for f in "$@"; do rm -f "$work/m/${f##*/}"; done
tar -cf "$work/tar" --sparse --sort=name --owner=0 --group=0 --mtime=@0 --exclude=lost+found --exclude=pattern --exclude=script --exclude=log *
zstd -q -19 --long=27 -f "$work/tar" -o "$archive"
cd /
