"""File objects of Python as images."""

from __future__ import annotations

import gc
import io
import os
import pathlib
import subprocess
import sys
import threading
import weakref
import zipfile

import pytest

import guestkit
from guestkit import _objects

IMAGES = pathlib.Path(os.environ.get("GUESTKIT_IMAGES", pathlib.Path(__file__).parents[2] / "testdata" / "images"))
DEBIAN = IMAGES / "debian12-uefi.qcow2"


class Raw:
    """No class of io: it reads and seeks, gives less than asked for, and can be told to fail."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.reads, self.fail, self.short = data, 0, 0, None, 1 << 20

    def seek(self, offset, whence=0):
        self.at = offset + (0, self.at, len(self.data))[whence]
        return self.at

    def read(self, n=-1):
        self.reads += 1
        if self.fail is not None and self.reads > 2:
            raise self.fail
        b = self.data[self.at : self.at + min(n, self.short)]
        self.at += len(b)
        return b


def hostname(image) -> str:
    with guestkit.open(image) as g:
        assert g.fs().read_text("/etc/hostname").strip() == "web-1"
        return g.inspect().systems[0].hostname


@pytest.fixture(autouse=True)
def given_back():
    yield
    gc.collect()
    assert not _objects._objects and not _objects._shared


def test_kinds(tmp_path):
    data = DEBIAN.read_bytes()
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("disk.qcow2", data)
    short = Raw(data)
    short.short = 1000
    with DEBIAN.open("rb") as buffered, DEBIAN.open("rb", buffering=0) as raw, zipfile.ZipFile(archive) as z, z.open("disk.qcow2") as member:
        for image in (io.BytesIO(data), buffered, raw, member, Raw(data), short):
            assert hostname(image) == "web-1"
        assert not buffered.closed  # it is its owner's
    assert guestkit.detect(io.BytesIO(data)) == "qcow2"
    assert guestkit.info(io.BytesIO(data)).virtual_size == guestkit.info(DEBIAN).virtual_size


def test_fsspec_file():
    fsspec = pytest.importorskip("fsspec")
    with fsspec.open(f"file://{DEBIAN}", "rb") as f:
        assert hostname(f) == "web-1"


def test_convert(tmp_path):
    done = guestkit.convert(io.BytesIO(DEBIAN.read_bytes()), tmp_path / "a.raw")
    assert done.source_format == "qcow2"
    guestkit.convert(DEBIAN, tmp_path / "b.raw")
    assert (tmp_path / "a.raw").read_bytes() == (tmp_path / "b.raw").read_bytes()


def test_image_in_guest(tmp_path):
    """An image within a guest: its file is a file object like others."""
    inner = DEBIAN.read_bytes()
    fat = tmp_path / "outer.raw"
    fat.write_bytes(b"\0" * (64 << 20))
    subprocess.run(["mkfs.ext4", "-q", "-d", str(make_tree(tmp_path, inner)), str(fat)], check=True)
    with guestkit.open(fat) as outer, outer.fs().open("/vm.qcow2") as f:
        assert hostname(f) == "web-1"


def make_tree(tmp_path, inner: bytes) -> pathlib.Path:
    if not any(os.access(os.path.join(d, "mkfs.ext4"), os.X_OK) for d in [*os.environ["PATH"].split(os.pathsep), "/sbin", "/usr/sbin"]):
        pytest.skip("needs mkfs.ext4")
    os.environ["PATH"] += os.pathsep + "/usr/sbin"
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "vm.qcow2").write_bytes(inner)
    return tmp_path / "tree"


def test_errors(tmp_path):
    bad = Raw(DEBIAN.read_bytes())
    bad.fail = OSError("the line is dead")
    with pytest.raises(guestkit.ReadFailed, match="OSError: the line is dead") as e:
        guestkit.convert(bad, tmp_path / "x.qcow2")
    assert e.value.__cause__ is bad.fail and isinstance(e.value, OSError)
    assert not (tmp_path / "x.qcow2").exists()

    late = Raw(DEBIAN.read_bytes())
    with guestkit.open(late) as g:
        fs = g.fs()
        late.fail = ZeroDivisionError("1/0")
        with pytest.raises(guestkit.ReadFailed, match="ZeroDivisionError") as e:
            fs.read_bytes("/usr/bin/dpkg") if "dpkg" in fs.listdir("/usr/bin") else [fs.read_bytes(p) for p in everything(fs)]
        assert e.value.__cause__ is late.fail

    stop = Raw(DEBIAN.read_bytes())
    stop.fail = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        guestkit.convert(stop, tmp_path / "x.qcow2")
    assert not (tmp_path / "x.qcow2").exists()


def everything(fs):
    for at, _, files in fs.walk("/"):
        for s in files:
            if s.type == "file":
                yield at.rstrip("/") + "/" + s.name


def test_wrong_objects(tmp_path):
    text = tmp_path / "t"
    text.write_text("text")
    with text.open("r") as f, pytest.raises(guestkit.BadOption, match="not bytes"):
        guestkit.open(f)
    r, w = os.pipe()
    with os.fdopen(r, "rb") as f, pytest.raises(guestkit.BadOption, match="cannot seek"):
        guestkit.detect(f)
    os.close(w)
    with pytest.raises(TypeError):
        guestkit.open(7)
    with pytest.raises(guestkit.Error):  # no name opens an object of somebody else's
        with guestkit.open(io.BytesIO(DEBIAN.read_bytes())):
            guestkit.open(next(iter(_objects._objects.values())).name)

    class Long(Raw):
        def read(self, n=-1):
            return super().read(n) + (b"more" if n else b"")

    with pytest.raises(guestkit.ReadFailed, match="gave"):
        guestkit.convert(Long(DEBIAN.read_bytes()), tmp_path / "x", format="raw")

    class Shrinks(Raw):
        def seek(self, offset, whence=0):
            return 2 * len(self.data) if whence == 2 else super().seek(offset, whence)

    with pytest.raises(guestkit.Changed):
        guestkit.convert(Shrinks(b"\1" * 100_000), tmp_path / "x", format="raw")
    assert not (tmp_path / "x").exists()


def test_closed_first():
    f = DEBIAN.open("rb")
    with guestkit.open(f) as g:
        fs = g.fs()
        f.close()
        with pytest.raises(guestkit.ReadFailed, match="ValueError"):
            for path in everything(fs):
                fs.read_bytes(path)


def test_collected():
    f = io.BytesIO(DEBIAN.read_bytes())
    gone = weakref.ref(f)
    file = guestkit.open(f).fs().open("/usr/lib/os-release")  # it holds what it is of
    gc.collect()
    del f
    assert b"debian" in file.read() and gone() is not None
    del file
    gc.collect()
    assert gone() is None


def test_threads():
    """Two guests of one object, and eight threads: nobody moves another's position."""
    f, wrong = io.BytesIO(DEBIAN.read_bytes()), []
    with guestkit.open(f) as a, guestkit.open(f) as b:
        trees = [a.fs(), b.fs()]
        paths = list(everything(trees[0]))[:200]
        with guestkit.open(DEBIAN) as plain:
            want = {p: plain.fs().read_bytes(p) for p in paths}

        def read(tree):
            for p in paths:
                if tree.read_bytes(p) != want[p]:
                    wrong.append(p)

        threads = [threading.Thread(target=read, args=(trees[i % 2],)) for i in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork():
    """A fork of a process that used the library says so, and does not hang."""
    script = f"""
import os, warnings, guestkit
warnings.simplefilter("ignore")
g = guestkit.open({str(DEBIAN)!r})
pid = os.fork()
if pid == 0:
    try:
        guestkit.detect({str(DEBIAN)!r})
    except guestkit.Unsupported as e:
        print("said so", flush=True)
    del g
    raise SystemExit(0)
print(os.waitpid(pid, 0)[1], guestkit.detect({str(DEBIAN)!r}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.stdout.split("\n") == ["said so", "0 qcow2", ""] and not done.stderr, done


def test_end_of_interpreter():
    """The interpreter ends while a thread reads an object: no crash, no hang."""
    script = f"""
import io, threading, guestkit
f = io.BytesIO(open({str(DEBIAN)!r}, "rb").read())
g = guestkit.open(f)
fs = g.fs()
begun = threading.Event()
def work():
    while True:
        begun.set()
        try:
            g.inspect()
            guestkit.detect(f)
        except guestkit.Error:
            pass
threading.Thread(target=work, daemon=True).start()
begun.wait()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done
