#!/bin/bash
# list.sh DIR: prints how the kernel sees a tree. Every field ends in NUL.
set -euo pipefail
cd "$1"
export LC_ALL=C TZ=UTC
find . -printf 'path\0%P\0%y\0%m\0%U\0%G\0%n\0%s\0%A@\0%T@\0%C@\0%l\0'
find . -type f -print0 | xargs -0 sha256sum -z | while IFS= read -r -d '' line; do printf 'sha\0%s\0%s\0' "${line:66}" "${line:0:64}"; done
find . \( -type b -o -type c \) -printf '%P\0' | while IFS= read -r -d '' p; do printf 'dev\0%s\0%s\0%s\0' "$p" "$(stat -c %t -- "$p")" "$(stat -c %T -- "$p")"; done
find . -print0 | xargs -0 getfattr -h -d -m - -e hex -- 2>/dev/null | tr '\n' '\0' | sed -z 's/^/xattr\x00/'
