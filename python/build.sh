#!/usr/bin/env bash
# build.sh OUT [TARGET…]: a wheel for each target, in OUT. Needs Go and Python 3.9 or
# newer; C compilers for all targets come from PyPI (ziglang, which holds clang and the
# libraries of each system). The targets:
#
#   linux-x86_64 linux-aarch64     manylinux_2_17
#   musl-x86_64 musl-aarch64       musllinux_1_1: the command alone, see docs/python.md
#   windows-amd64 windows-arm64
#   macos-x86_64 macos-arm64       macOS 12: the command alone, see docs/python.md
#   native                         for this machine, with $CC: a wheel that stays here
#   sdist                          the source, for pip to build
#   all                            all of them but native
#
# Without a target it is linux-x86_64 or linux-aarch64 on such a machine, else native.
set -euo pipefail
out=$(mkdir -p "$1" && cd "$1" && pwd)
shift
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip -q install 'setuptools>=77' build

if [ $# -eq 0 ]; then
	case $(uname -sm) in
	'Linux x86_64' | 'Linux aarch64') set -- "linux-$(uname -m)" ;;
	*) set -- native ;;
	esac
elif [ "$*" = all ]; then
	set -- sdist {linux,musl}-{x86_64,aarch64} windows-{amd64,arm64} macos-{x86_64,arm64}
fi

# copy makes the package anew without what an earlier build has left in it.
copy() {
	rm -rf "$work/package"
	mkdir "$work/package"
	cp -rL "$here"/{src,pyproject.toml,setup.py,README.md,LICENSE} "$work/package"
	find "$work/package" -name __pycache__ -prune -exec rm -rf {} +
	rm -rf "$work"/package/src/*.egg-info "$work"/package/src/guestkit/{bin,*.so,*.dylib,*.dll}
}

# wheel [NAME=VALUE…]
wheel() {
	copy
	env GUESTKIT_SOURCE="$here/.." "$@" "$python" -m pip -q wheel --no-deps --no-build-isolation -w "$out" "$work/package"
}

# cross GOOS ZIG-TARGET TAG [NAME=VALUE…]
cross() {
	local cpu=amd64
	[[ $2 != aarch64-* ]] || cpu=arm64
	"$python" -m ziglang version >/dev/null 2>&1 || "$python" -m pip -q install ziglang
	wheel GOOS="$1" GOARCH=$cpu CC="$python -m ziglang cc -target $2" GUESTKIT_WHEEL_PLATFORM="$3" "${@:4}"
}

for target; do
	cpu=${target#*-}
	zig=${cpu/amd64/x86_64} zig=${zig/arm64/aarch64}
	case $target in
	native) wheel ;;
	sdist)
		copy
		GUESTKIT_SOURCE="$here/.." "$python" -m build --no-isolation --sdist -o "$out" "$work/package" >/dev/null
		;;
	linux-x86_64 | linux-aarch64) cross linux "$zig-linux-gnu.2.17" "manylinux_2_17_$cpu.manylinux2014_$cpu" ;;
	musl-x86_64 | musl-aarch64) cross linux "$zig-linux-musl" "musllinux_1_1_$cpu" GUESTKIT_LIBRARY=0 ;;
	windows-amd64 | windows-arm64) cross windows "$zig-windows-gnu" "win_$cpu" ;;
	macos-x86_64 | macos-arm64) cross darwin "$zig-macos" "macosx_12_0_$cpu" GUESTKIT_LIBRARY=0 ;;
	*)
		echo "build.sh: no target $target" >&2
		exit 2
		;;
	esac
done
ls "$out"/guestkit-*
