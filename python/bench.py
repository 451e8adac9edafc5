"""Measure the package against the command: python bench.py IMAGE [BIG-IMAGE BIG-FILE].

IMAGE is inspected; BIG-FILE within BIG-IMAGE is read. Figures are the least of several
runs, in processor time, which other work on the machine changes less than the clock.
"""

import gc
import os
import resource
import subprocess
import sys
import time
from typing import Callable

import guestkit


def children(*command: str, runs: int = 9) -> float:
    """Processor time of a command."""
    found = []
    for _ in range(runs):
        a = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        b = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(b.ru_utime - a.ru_utime + b.ru_stime - a.ru_stime)
    return min(found)


def here(work: Callable[[], None], runs: int = 15) -> float:
    """Processor time of this process."""
    found = []
    for _ in range(runs):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def resident() -> int:
    """Resident memory, in KiB."""
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE") // 1024


def inspect(image: str) -> None:
    with guestkit.open(image) as g:
        g.inspect()


def opens(image: str) -> None:
    counts = []
    for i in range(10_001):
        with guestkit.open(image) as g:
            if i % 100 == 0:
                g.fs().read_bytes("/etc/hostname")
        if i % 2500 == 0:
            gc.collect()
            counts.append(resident())
    print("resident after 0, 2500 … 10,000 opens:", ", ".join(f"{c / 1024:.1f} MiB" for c in counts))


def reading(image: str, name: str) -> None:
    command = children(guestkit.wrapper.command(), "cat", image, name, runs=5)
    with guestkit.open(image) as g, g.fs().open(name) as f:
        buffer = bytearray(1 << 20)

        def all_of_it() -> None:
            f.seek(0)
            while f.readinto(buffer):
                pass

        own = here(all_of_it, 5)
    print(f"{name}: {own * 1e3:.0f} ms through the file object, {command * 1e3:.0f} ms by guestkit cat")


def main(image: str, *big: str) -> None:
    start = children(sys.executable, "-c", "pass")
    print(f"import: {(children(sys.executable, '-c', 'import guestkit') - start) * 1e3:.0f} ms")
    command, own = children(guestkit.wrapper.command(), "inspect", "--json", image), here(lambda: inspect(image))
    print(f"open and inspect: {own * 1e3:.1f} ms, the command {command * 1e3:.1f} ms: {own / command:.2f}x")
    if big:
        reading(*big)
    opens(image)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 4):
        sys.exit(__doc__)
    main(*sys.argv[1:])
