#!/usr/bin/env bash
# build.sh OUT: a wheel for this machine, in OUT: the shared library, the static command
# and the Python beside them. Needs Go, a C compiler ($CC), Python 3.9 or newer.
set -euo pipefail
out=$(mkdir -p "$1" && cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cp -r "$here"/{src,pyproject.toml,setup.py,README.md} "$work"
find "$work" -name __pycache__ -prune -exec rm -rf {} +
case $(uname -s) in
Darwin) library=libguestkit.dylib ;;
*) library=libguestkit.so ;;
esac
flags=(-trimpath -buildvcs=false -ldflags '-s -w -buildid=')
CGO_ENABLED=1 go -C "$here/.." build -buildmode=c-shared "${flags[@]}" -o "$work/src/guestkit/$library" ./python/native
rm -f "$work"/src/guestkit/*.h
CGO_ENABLED=0 go -C "$here/.." build "${flags[@]}" -o "$work/src/guestkit/bin/guestkit" ./cmd/guestkit
python3 -m venv "$work/venv"
"$work/venv/bin/pip" -q install 'setuptools>=70'
"$work/venv/bin/pip" -q wheel --no-deps --no-build-isolation -w "$out" "$work"
ls "$out"/guestkit-*.whl
