#!/usr/bin/env python3
"""Measures changes in place beside qemu-img: wall and CPU time, alternating, medians.
inplace.py GUESTKIT [RUNS]; works in a temporary folder of the current one."""
import os, shutil, statistics, subprocess, sys, tempfile, time

gk, runs = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 7

def run(*cmd):
    at = time.monotonic()
    p = subprocess.Popen(cmd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, status, usage = os.wait4(p.pid, 0)
    if status:
        sys.exit(f"{cmd}: {p.stderr.read().decode()}")
    return time.monotonic() - at, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024

def quiet(*cmd):
    subprocess.run(cmd, check=True, stdout=subprocess.DEVNULL)

def copy(a, b):
    quiet("cp", "--sparse=always", a, b)

dir = tempfile.mkdtemp(dir=".")
os.chdir(dir)
try:
    # 100 MiB of data in pieces of 64 KiB over 1 TiB.
    quiet("qemu-img", "create", "-q", "-f", "qcow2", "one", "1T")
    writes = []
    for i in range(1600):
        writes += ["-c", f"write -q -P {i % 250 + 1} {i * 650}M 64k"]
    quiet("qemu-io", "-f", "qcow2", *writes, "one")
    # A chain: 2 GiB of base, another base that differs in 256 MiB, an overlay of 128 MiB.
    quiet("qemu-img", "create", "-q", "-f", "qcow2", "a", "8G")
    quiet("qemu-io", "-f", "qcow2", *[x for i in range(256) for x in ("-c", f"write -q -P {i % 200 + 1} {i * 8}M 8M")], "a")
    copy("a", "b")
    quiet("qemu-io", "-f", "qcow2", *[x for i in range(64) for x in ("-c", f"write -q -P 233 {i * 32}M 4M")], "b")
    quiet("qemu-img", "create", "-q", "-f", "qcow2", "-b", "a", "-F", "qcow2", "top")
    quiet("qemu-io", "-f", "qcow2", *[x for i in range(2048) for x in ("-c", f"write -q -P 77 {i * 3}M 64k")], "top")
    tests = [
        ("snapshot -c, 1 TiB with 100 MiB", "one", lambda t: [t, "snapshot", "-c", "s", "x"], None),
        ("snapshot -d, 1 TiB with 100 MiB", "one", lambda t: [t, "snapshot", "-d", "s", "x"], lambda: quiet("qemu-img", "snapshot", "-c", "s", "x")),
        ("rebase, 8 GiB, 256 MiB differ", "top", lambda t: [t, "rebase", "-b", "b", "-F", "qcow2", "x"], None),
        ("rebase -b '', 2 GiB behind it", "top", lambda t: [t, "rebase", "-b", "", "x"], None),
        ("commit, 128 MiB into a qcow2", "top", lambda t: [t, "commit", "x"], "base"),
    ]
    print("| | qemu-img | guestkit | wall | CPU | memory |")
    print("|---|---|---|---|---|---|")
    for name, image, cmd, prepare in tests:
        got = {"qemu-img": [], gk: []}
        for i in range(runs):
            for tool in ("qemu-img", gk) if i % 2 else (gk, "qemu-img"):
                copy(image, "x")
                if prepare == "base":
                    copy("a", "base")
                    quiet("qemu-img", "rebase", "-u", "-b", "base", "-F", "qcow2", "x")
                elif prepare:
                    prepare()
                os.sync()
                got[tool].append(run(*cmd(tool)))
                quiet("qemu-img", "check", "-q", "-f", "qcow2", "x")
        def med(tool, i): return statistics.median(x[i] for x in got[tool])
        def show(tool):
            w = sorted(x[0] for x in got[tool])
            return f"{med(tool, 0):.2f} s ({w[0]:.2f}–{w[-1]:.2f}), CPU {med(tool, 1):.2f} s"
        print(f"| {name} | {show('qemu-img')} | {show(gk)} | {med(gk, 0) / med('qemu-img', 0):.2f}x | {med(gk, 1) / max(med('qemu-img', 1), .001):.2f}x | {max(x[2] for x in got[gk]):.0f} MiB |", flush=True)
finally:
    os.chdir("..")
    shutil.rmtree(dir)
