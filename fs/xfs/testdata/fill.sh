#!/bin/bash
# fill.sh DIR [NAMES [LAST_YEAR]]: fills a mounted XFS with the hard cases of
# the format. It runs on a host's mount and inside an appliance alike, so it
# needs only coreutils, attr, acl, util-linux and xfs_io.
set -euo pipefail
cd "$1"
names=${2:-3000}
year=${3:-2400}
export LC_ALL=C

# Directories of every form, with entries deleted again.
mkdir -p dirs/empty dirs/short dirs/block dirs/leaf dirs/node dirs/frag1 dirs/frag2
many() { seq -f "$1/$2-%06g" "$3" | xargs touch; }
many dirs/short s 4
many dirs/block "a-name-of-some-length" 25
many dirs/leaf "leaf-entry" 300
many dirs/node "an-entry-of-the-node-form" "$names"
for ((i = 3; i <= names; i += 7)); do printf 'dirs/node/an-entry-of-the-node-form-%06g\n' $i; done | xargs rm
for ((i = 3; i <= 300; i += 3)); do printf 'dirs/leaf/leaf-entry-%06g\n' $i; done | xargs rm
# Two directories that grow by turns get many extents each.
for ((i = 0; i < names / 100; i++)); do
	seq -f "dirs/frag1/a-rather-long-name-for-a-file-in-here-%06g" $((i * 100)) $((i * 100 + 99)) | xargs touch
	seq -f "dirs/frag2/a-rather-long-name-for-a-file-in-here-%06g" $((i * 100)) $((i * 100 + 99)) | xargs touch
	sync dirs/frag1
done
mkdir -p dirs/deep/1/2/3/4/5/6/7/8
mkdir dirs/subdirs
seq -f 'dirs/subdirs/d%g' 60 | xargs mkdir

# Odd names.
mkdir odd
touch odd/$'new\nline' odd/$'\xff\xfe' odd/'back\slash' odd/' space ' odd/$'esc\e[31m' odd/'ünïcödé' odd/"$(printf 'x%.0s' {1..255})" odd/-rf odd/'a:b*c?'

# Contents.
mkdir files
: > files/empty
printf 'hello, world\n' > files/small
seq 20000 > files/seq
truncate -s 5000000 files/hole
truncate -s 40000000 files/large-sparse
printf 'tail' | dd of=files/large-sparse bs=1 seek=39999990 conv=notrunc status=none
fallocate -l 300000 files/unwritten
printf 'written' | dd of=files/unwritten bs=1 seek=100000 conv=notrunc status=none
touch files/past-eof
fallocate -n -l 200000 files/past-eof
printf 'short' | dd of=files/past-eof conv=notrunc status=none
# Every second block is a hole: more extents than an inode has room for.
bs=$(stat -f -c %S .)
cmds=()
for ((i = 0; i < 600; i++)); do cmds+=(-c "pwrite -q -S $((i % 255 + 1)) $((i * 2 * bs)) $bs"); done
xfs_io -f "${cmds[@]}" files/fragmented
cmds=()
for ((i = 0; i < 30; i++)); do cmds+=(-c "pwrite -q -S $((i % 255 + 1)) $((i * 3 * bs + 7)) 100"); done
xfs_io -f "${cmds[@]}" files/few-extents
ln files/small files/hard-link
cp --reflink=auto files/seq files/clone

# Links and special files.
mkdir special
ln -s short special/link-short
ln -s "$(printf 'a/%.0s' {1..40})target" special/link-80
ln -s "$(printf 'long-target/%.0s' {1..83})end" special/link-long
ln -s $'odd\xfftarget' special/link-odd
mknod special/fifo p
mknod special/block b 8 17
mknod special/char c 200 70000

# Extended attributes of every form.
mkdir xattrs
touch xattrs/{short,leaf,node,remote,secure,acl,mixed}
setfattr -n user.a -v 1 xattrs/short
setfattr -n user.empty xattrs/short
setfattr -n trusted.t -v secret xattrs/short
for ((i = 0; i < 12; i++)); do setfattr -n "user.leaf$i" -v "$(printf "v$i%.0s" {1..30})" xattrs/leaf; done
for ((i = 0; i < 150; i++)); do setfattr -n "user.an-attribute-with-a-long-name-$i" -v "$(printf "value$i%.0s" {1..20})" xattrs/node; done
for ((i = 0; i < 150; i += 5)); do setfattr -x "user.an-attribute-with-a-long-name-$i" xattrs/node; done
value() { seq -s, "$2" | head -c "$1"; }
setfattr -n user.big -v "$(value 3000 2000)" xattrs/remote
setfattr -n user.bigger -v "$(value 20000 9000)" xattrs/remote
setfattr -n user.biggest -v "$(value 65536 20000)" xattrs/remote
setfattr -n security.selinux -v 'system_u:object_r:etc_t:s0' xattrs/secure
setfacl -m u:1000:rw,g:100:r,m::rw xattrs/acl
mkdir xattrs/default-acl
setfacl -d -m u:1001:rwx,g::rx xattrs/default-acl
touch xattrs/default-acl/inherits
setfattr -n user.x -v y xattrs/mixed
setfattr -n user.x2 -v "$(value 2000 2000)" xattrs/mixed
setfattr -n user.onlink -v no special/link-short 2>/dev/null || true
setfattr -h -n trusted.onlink -v yes special/link-long
ln xattrs/mixed xattrs/mixed-link

# Owners, modes, dates.
mkdir meta
touch meta/{owner,suid,sticky,old,older,fraction,late,latest}
chown 4000000000:3000000000 meta/owner
chmod 6751 meta/suid
chmod 1777 meta/sticky
touch -d '1969-12-31 23:59:59.5 UTC' meta/old
touch -d '1902-01-01 00:00:01 UTC' meta/older
touch -d '2001-09-09 01:46:40.123456789 UTC' meta/fraction
touch -d '2038-01-19 03:14:07 UTC' meta/late
touch -d "$year-01-01 UTC" meta/latest
sync -f .
