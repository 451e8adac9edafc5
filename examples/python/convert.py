"""Convert a disk image, with a line that says how far it is.

python convert.py disk.vmdk disk.qcow2
"""

import sys

sys.path.pop(0)  # beside this file is an inspect.py, which is not Python's own
import guestkit  # noqa: E402


def show(done: int, total: int) -> None:
    print(f"\r{100 * done // max(total, 1):3} %", end="", file=sys.stderr)


def main(source: str, output: str) -> None:
    try:
        done = guestkit.convert(source, output, progress=show)
    except guestkit.Encrypted:
        sys.exit(f"{source} is encrypted: guestkit convert --key-file does that")
    except guestkit.Error as e:
        sys.exit(f"{source}: {e}")
    print(f"{done.source_format} to {done.output_format}, {done.virtual_size} bytes, in {done.seconds:.1f} s")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
