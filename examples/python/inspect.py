"""Say what is on disk images: paths, addresses, or images within ZIP files.

python inspect.py disk.qcow2 https://example.org/disk.vmdk backup.zip
"""

import contextlib
import sys
import zipfile

sys.path.pop(0)  # this file is not Python's own module of that name
import guestkit  # noqa: E402


def show(name: str, image: object) -> None:
    with guestkit.open(image) as guest:
        report = guest.inspect()
        for system in report.systems:
            print(f"{name}: {system.product_name} ({system.arch}), host {system.hostname}, {len(system.packages)} packages")
            print(guest.fs(system.volume).read_text("/etc/hostname").strip() if system.type == "linux" else "")
        if not report.systems:
            print(f"{name}: no system; {len(report.volumes)} volumes")
        for problem in report.problems:
            print(f"{name}: {problem}", file=sys.stderr)


def main(names: list[str]) -> int:
    failed = 0
    for name in names:
        with contextlib.ExitStack() as stack:
            try:
                if name.endswith(".zip"):  # what is in it is read in place
                    archive = stack.enter_context(zipfile.ZipFile(name))
                    for member in archive.namelist():
                        show(f"{name}/{member}", stack.enter_context(archive.open(member)))
                else:
                    show(name, name)
            except (guestkit.Error, OSError, zipfile.BadZipFile) as e:
                print(f"{name}: {e}", file=sys.stderr)
                failed = 1
    return failed


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
