"""What users pass by mistake, and what may not be passed on."""

from __future__ import annotations

import errno
import io
import os
import pathlib
import pickle
import sys

import pytest

import guestkit

IMAGES = pathlib.Path(os.environ.get("GUESTKIT_IMAGES", pathlib.Path(__file__).parents[2] / "testdata" / "images"))
DEBIAN = IMAGES / "debian12-uefi.qcow2"


@pytest.fixture
def guest():
    with guestkit.open(DEBIAN) as g:
        yield g


def test_what_is_no_image():
    for x in (None, 3, b"disk.qcow2", [None], [b"a"]):
        with pytest.raises(TypeError):
            guestkit.open(x)
        with pytest.raises(TypeError):
            guestkit.detect(x)
    with pytest.raises(guestkit.BadOption, match="no disk"):
        guestkit.open([])
    for keys in ([3], [b"a"]):
        with pytest.raises(TypeError):
            guestkit.open(DEBIAN, keys=keys)
    with pytest.raises(TypeError):
        guestkit.convert(DEBIAN, b"x.raw")


def test_one_alone_is_not_its_letters(monkeypatch):
    asked = []
    monkeypatch.setattr(guestkit._native, "long_call", lambda method, **request: asked.append(request) or 0)
    monkeypatch.setattr(guestkit._native, "call", lambda method, **request: None)
    guestkit.open(DEBIAN, keys="secret", allow_dirs="/srv/images")
    guestkit.open(DEBIAN, keys=("a", "b"), allow_dirs=[pathlib.Path("/srv"), "/x"])
    assert [(r["keys"], r["allow_dirs"]) for r in asked] == [(["secret"], ["/srv/images"]), (["a", "b"], ["/srv", "/x"])]


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes there")
def test_host_names_are_bytes(tmp_path):
    """What os.listdir calls "\\udcff" is the byte 0xFF."""
    image = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.qcow2")
    pathlib.Path(image).write_bytes(DEBIAN.read_bytes())
    with guestkit.open(image) as g:
        assert g.systems()[0].hostname == "web-1"
    assert guestkit.info(image).path == image and guestkit.GuestkitWrapper().detect(image) == "qcow2"
    out = os.fsdecode(os.fsencode(tmp_path) + b"/\xfe.raw")
    assert guestkit.convert(image, out).output == out and os.path.getsize(out) == guestkit.info(image).virtual_size


def test_paths(guest):
    fs = guest.fs()
    assert fs.stat(pathlib.PurePosixPath("/etc")).type == "directory" and fs.listdir(pathlib.PurePosixPath("/etc"))
    assert fs.read_text(pathlib.PurePosixPath("/etc/hostname")) == "web-1\n"
    for call in (fs.stat, fs.listdir, fs.open, fs.readlink, fs.read_bytes):
        for x in (None, 3, b"/etc"):
            with pytest.raises(TypeError):
                call(x)
    with pytest.raises(IsADirectoryError) as e:
        fs.open("/etc")
    assert isinstance(e.value, guestkit.IsADirectory) and e.value.errno == errno.EISDIR
    with pytest.raises(NotADirectoryError) as e:
        fs.listdir("/etc/hostname")
    assert isinstance(e.value, guestkit.NotADirectory) and e.value.errno == errno.ENOTDIR
    with pytest.raises(guestkit.NotFound) as e:
        fs.stat("/none")
    assert e.value.errno == errno.ENOENT
    again = pickle.loads(pickle.dumps(e.value))
    assert type(again) is guestkit.NotFound and (str(again), again.errno) == (str(e.value), errno.ENOENT)


def test_file(guest):
    f = guest.fs().open("/usr/lib/os-release")
    size = f.seek(0, 2)
    for far in (size, 1 << 40, 1 << 63, 1 << 64, 1 << 70):
        f.seek(far)
        assert f.read(10) == b"" and f.pread(10, far) == b"", far
    for call in (lambda: f.seek(-1), lambda: f.seek(0, 9), lambda: f.pread(10, -5)):
        with pytest.raises(ValueError):
            call()
    with pytest.raises(io.UnsupportedOperation):
        f.write(b"x")
    f.seek(0)
    with pytest.raises(TypeError):
        f.readinto(b"read only")
    f.close()
    for call in (f.tell, f.readable, f.seekable, f.read, lambda: f.seek(0), lambda: f.pread(1, 0), lambda: f.write(b"")):
        with pytest.raises(ValueError):
            call()


def test_pickle(guest):
    """Results are values; what is open is not, whose number is another's elsewhere."""
    report = guest.inspect()
    for x in (report, report.systems[0], report.volumes[0], guestkit.info(DEBIAN), guest.fs().stat("/etc")):
        assert pickle.loads(pickle.dumps(x)) == x
    for x in (guest, guest.fs(), guest.fs().open("/etc/hostname")):
        with pytest.raises(TypeError, match="cannot pickle"):
            pickle.dumps(x)


def test_both_ways(tmp_path, monkeypatch):
    """What has no system, or cannot be read whole, is a report both ways, and errors have one class."""
    monkeypatch.chdir(tmp_path)
    wrapper = guestkit.GuestkitWrapper()
    pathlib.Path("zeros").write_bytes(bytes(1 << 20))
    pathlib.Path("noise").write_bytes(b"noise" * 100000)
    pathlib.Path("half.qcow2").write_bytes(DEBIAN.read_bytes()[: DEBIAN.stat().st_size // 2])
    for name in ("zeros", "noise", "half.qcow2"):
        with guestkit.open(name) as g:
            a, b = g.inspect(), wrapper.inspect(name)
        assert (len(a.systems), a.complete) == (len(b.systems), b.complete), name
        assert [(v.name, v.status) for v in a.volumes] == [(v.name, v.status) for v in b.volumes]
    pathlib.Path("corrupt: x").mkdir()
    pathlib.Path("name.vhd").write_bytes(b"noise" * 100000)
    for name, want in (
        (".", guestkit.Refused), ("none", guestkit.NotFound), ("corrupt: x/none", guestkit.NotFound), ("name.vhd", guestkit.UnknownFormat),
        ("-", guestkit.NotFound), ("a\0b", ValueError),
    ):
        for call in (guestkit.info, wrapper.info, lambda x: guestkit.open(x), wrapper.inspect):
            with pytest.raises(want):
                call(name)
    assert wrapper.convert("zeros", "-", format="raw").virtual_size == 1 << 20
    assert pathlib.Path("-").stat().st_size == 1 << 20


def test_names():
    assert guestkit.__version__[0].isdigit()
    assert {"GuestkitWrapper", "Report", "open"} <= set(dir(guestkit))
