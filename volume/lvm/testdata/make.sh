#!/bin/sh
# Makes groups.tar.zst; see make-groups.sh and ../../testdata/appliance.sh.
set -eu
cd "$(dirname "$0")"
sh ../../testdata/appliance.sh "$PWD/make-groups.sh" "$PWD/groups.tar.zst"
sha256sum -- *.tar.zst > MANIFEST
