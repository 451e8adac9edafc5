#!/bin/sh
# make.sh LIBGUESTFS: makes guests.tar.zst (see make-guests.sh and appliance.sh), and
# has virt-inspector say what it finds in each guest, for the tests of package report.
# LIBGUESTFS is the unpacked Debian source package of that name, of whose test data
# the guests have the packages and a program. Needs sqlite3, guestfs-tools and what
# appliance.sh does.
set -eu
data=$(cd "$1/test-data" && pwd)
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A few packages in few pages: what is encrypted does not compress.
db=$work/rpmdb.sqlite
cp "$data/phony-guests/fedora.db" "$db"
tables="from sqlite_master where type = 'table' and name not like 'sqlite%'"
for sql in "'delete from ''' || name || ''' where hnum not in (1, 8, 12);' $tables" \
	"'delete from ''' || name || ''';' $tables and name not in ('Packages', 'Name')"; do
	sqlite3 "$db" "$(sqlite3 "$db" "select $sql")"
done
sqlite3 "$db" 'pragma journal_mode = delete; pragma page_size = 512; vacuum' >/dev/null
cp "$data/binaries/bin-x86_64-dynamic" "$work/bin-ls"
sh appliance.sh "$PWD/make-guests.sh" "$PWD/guests.tar.zst" "$db" "$work/bin-ls"

tar -xf guests.tar.zst -C "$work"
# say CASE FLAGS…: what virt-inspector prints, but for long texts.
say() {
	name=$1
	shift
	(cd "$work/$name" && timeout -k 9 1800 virt-inspector --no-icon "$@") |
		perl -0pe 's,\s*<(description|summary|url|source_package)>.*?</\1>,,gs' >"../../report/testdata/guests/$name.xml"
}
export LIBGUESTFS_BACKEND=direct
[ -w /dev/kvm ] || export LIBGUESTFS_BACKEND_SETTINGS=force_tcg
say fedora-md --format=raw -a md1.img -a md2.img
say fedora-lvm-on-luks --key /dev/sda2:key:FEDORA --format=raw -a fedora.img
say fedora-luks-on-lvm --key /dev/VG/Root:key:FEDORA-Root --key /dev/VG/LV1:key:FEDORA-LV1 --format=raw -a fedora.img
say thin-snapshot --format=raw -a disk.img
sha256sum -- *.tar.zst >MANIFEST
