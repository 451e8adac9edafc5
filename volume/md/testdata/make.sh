#!/bin/sh
# Makes arrays.tar.zst; see make-arrays.sh and ../../testdata/appliance.sh.
set -eu
cd "$(dirname "$0")"
sh ../../testdata/appliance.sh "$PWD/make-arrays.sh" "$PWD/arrays.tar.zst"
sha256sum -- *.tar.zst > MANIFEST
