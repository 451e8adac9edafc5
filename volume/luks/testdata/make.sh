#!/usr/bin/env bash
# Makes the fixtures again: the same FAT encrypted by qemu-img and by
# cryptsetup, with keys of 128 bits, which have the smallest key slots. They
# differ each time by their keys.
set -euo pipefail
cd "$(dirname "$0")"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkfs.fat -C -n GEHEIM -i deadbabe -r 16 -R 1 -s 1 "$tmp/plain.img" 64
echo hello >"$tmp/hello"
mcopy -i "$tmp/plain.img" "$tmp/hello" ::HELLO.TXT
printf geheim >"$tmp/key"

qemu-img convert -f raw -O luks --object secret,id=s,data=geheim \
	-o key-secret=s,iter-time=200,cipher-alg=aes-128,cipher-mode=cbc,ivgen-alg=essiv,ivgen-hash-alg=sha256,hash-alg=sha256 \
	"$tmp/plain.img" "$tmp/luks1.img"
cryptsetup luksChangeKey -q --pbkdf-force-iterations 1000 --hash sha256 --key-file "$tmp/key" "$tmp/luks1.img" "$tmp/key"
# What was wiped is noise, which does not compress.
dd if=/dev/zero of="$tmp/luks1.img" bs=512 seek=8 count=128 conv=notrunc status=none

cp "$tmp/plain.img" "$tmp/luks2.img"
truncate -s +2M "$tmp/luks2.img"
cryptsetup reencrypt --encrypt --type luks2 --batch-mode --reduce-device-size 2M --luks2-metadata-size 16k --luks2-keyslots-size 256k \
	--cipher aes-cbc-essiv:sha256 --key-size 128 --key-file "$tmp/key" \
	--pbkdf argon2id --pbkdf-memory 64 --pbkdf-parallel 1 --pbkdf-force-iterations 4 --label geheimnis "$tmp/luks2.img"
truncate -s $((1048576 + 65536)) "$tmp/luks2.img"

dd if=/dev/zero of="$tmp/luks2.img" bs=512 seek=192 count=$((2048 - 192)) conv=notrunc status=none

gzip -9n "$tmp"/*.img
mv "$tmp"/*.gz .
sha256sum ./*.gz
