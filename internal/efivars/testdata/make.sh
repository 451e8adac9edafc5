#!/bin/sh
# Makes stores.tar.zst: the store that Debian ships with Microsoft's keys (package ovmf),
# and two that virt-firmware writes into such (PyPI virt-firmware 26.10).
set -eu
cd "$(dirname "$0")"
ovmf=${OVMF:-/usr/share/OVMF}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/ovmf"
cp "$ovmf/OVMF_VARS.ms.fd" "$work/ovmf/ms.fd"
python3 make.py "$ovmf/OVMF_VARS.ms.fd" "$work/ovmf/boot.fd"
python3 make.py "$ovmf/OVMF_VARS_4M.fd" "$work/ovmf/next.fd" 5
tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -cf - ovmf | zstd -19 -q -f -o stores.tar.zst
sha256sum -- *.tar.zst > MANIFEST
