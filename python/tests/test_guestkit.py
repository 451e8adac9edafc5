"""The package against fixtures of the project: both ways, the seed's names, fsspec."""

from __future__ import annotations

import _thread
import gc
import io
import os
import pathlib
import signal
import socket
import threading

import pytest

import guestkit
import guestkit_py
import guestkit_wrapper

IMAGES = pathlib.Path(os.environ.get("GUESTKIT_IMAGES", pathlib.Path(__file__).parents[2] / "testdata" / "images"))
DEBIAN = IMAGES / "debian12-uefi.qcow2"


@pytest.fixture
def guest():
    with guestkit.open(DEBIAN) as g:
        yield g


def test_inspect(guest):
    report = guest.inspect()
    (system,) = report.systems
    assert (system.distro, system.arch, system.hostname) == ("debian", "x86_64", "web-1")
    assert [v.name for v in report.volumes if v.status == "read"] == ["gpt1", "gpt2"]
    assert report.complete
    assert len(system.packages) == 157 and system.packages[0]["name"] == "adduser"


def test_both_ways_agree():
    by_command, by_library = guestkit.GuestkitWrapper(), guestkit
    assert by_command.detect(DEBIAN) == by_library.detect(DEBIAN) == "qcow2"
    a, b = by_command.info(DEBIAN), by_library.info(DEBIAN)
    assert (a.format, a.virtual_size) == (b.format, b.virtual_size)
    with guestkit.open(DEBIAN) as g:
        got, want = g.inspect(), by_command.inspect(DEBIAN)
    assert [s.raw for s in got.systems] == [s.raw for s in want.systems]
    assert [(v.name, v.status, v.label) for v in got.volumes] == [(v.name, v.status, v.label) for v in want.volumes]


def test_files(guest):
    fs = guest.fs()
    assert "ID=debian" in fs.read_text("/etc/os-release")
    assert {"etc", "usr"} <= set(fs.listdir("/"))
    assert fs.readlink("/etc/os-release") == "../usr/lib/os-release"
    assert fs.stat("/etc/os-release", follow=False).type == "link"
    with fs.open("/usr/lib/os-release") as f:
        text = f.read()
        assert f.seek(-5, 2) == len(text) - 5 and f.read() == text[-5:]
        assert f.pread(4, 2) == text[2:6] and f.pread(10, 1 << 40) == b""
    assert any("os-release" == s.name for _, _, files in fs.walk("/usr") for s in files)
    assert "EFI" in guest.fs("gpt1").listdir("/")


def test_errors(guest, tmp_path):
    with pytest.raises(guestkit.NotFound):
        guestkit.open(tmp_path / "nothing.qcow2")
    with pytest.raises(FileNotFoundError):
        guest.fs().open("/no/such/file")
    bad = tmp_path / "bad.qcow2"
    bad.write_bytes(DEBIAN.read_bytes()[:1000])
    for ask in (guestkit.open, guestkit.GuestkitWrapper().inspect):
        with pytest.raises(guestkit.Error):
            ask(bad)
    f = guest.fs().open("/usr/lib/os-release")
    f.close()
    with pytest.raises(ValueError):
        f.read()
    guest.close()
    with pytest.raises(guestkit.Closed):
        guest.inspect()


def test_convert(tmp_path):
    seen = []
    done = guestkit.convert(DEBIAN, tmp_path / "a.vmdk", progress=lambda n, total: seen.append((n, total)))
    assert (done.source_format, done.output_format) == ("qcow2", "vmdk")
    other = guestkit.GuestkitWrapper().convert(DEBIAN, tmp_path / "b.qcow2", compress=True)
    assert other.output_format == "qcow2" and (tmp_path / "b.qcow2").stat().st_size > 0
    guestkit.convert(DEBIAN, tmp_path / "c.qcow2", compress=True)
    with pytest.raises(guestkit.Error):
        guestkit.convert(DEBIAN, tmp_path / "a.vmdk")
    with pytest.raises(guestkit.Error):
        guestkit.convert(DEBIAN, tmp_path / "x", format="nonsense")
    assert not (tmp_path / "x").exists()


def test_interrupt(tmp_path, monkeypatch):
    """The copy is told to stop before its source gives the rest of the disk."""
    copying, cancelled = threading.Event(), threading.Event()
    call = guestkit._native.call

    def tell(method, **request):
        result = call(method, **request)
        if method == "cancel":
            cancelled.set()
        return result

    class Disk(io.BytesIO):
        def read(self, n=-1, /):
            if self.tell() >= 1 << 20:
                copying.set()
                cancelled.wait(60)
            return super().read(n)

    def stop(done, total):
        if copying.is_set():
            raise KeyboardInterrupt

    monkeypatch.setattr(guestkit._native, "call", tell)
    with pytest.raises(KeyboardInterrupt):
        guestkit.convert(Disk(os.urandom(1 << 20) * 32), tmp_path / "out.qcow2", format="qcow2", progress=stop)
    assert cancelled.is_set()
    assert not list(tmp_path.iterdir())


@pytest.fixture
def interruptible():
    """SIGINT is an interrupt, also where the shell that runs this in the background ignores it."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


def test_interrupt_of_a_stalled_server(tmp_path, interruptible):
    """A server takes the request and says nothing; each call ends with the interrupt."""
    gc.collect()  # an interrupt that falls into a finalizer is lost
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/disk.qcow2"
        for call in (guestkit.open, guestkit.detect, guestkit.info, lambda a: guestkit.convert(a, tmp_path / "x.raw")):
            asked: list[socket.socket] = []

            def stall(asked=asked):
                asked.append(server.accept()[0])  # it stays open
                asked[0].recv(10)
                _thread.interrupt_main()

            threading.Thread(target=stall, daemon=True).start()
            with pytest.raises(KeyboardInterrupt):
                call(address)
            asked[0].close()
    assert not list(tmp_path.iterdir())


def test_interrupt_while_it_begins(monkeypatch):
    """An interrupt in the moment in which the thread begins leaves no request behind."""

    class Interrupted(threading.Thread):
        def start(self):
            super().start()
            server.settimeout(60)
            asked.append(server.accept()[0])
            raise KeyboardInterrupt

    asked: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        with monkeypatch.context() as m, pytest.raises(KeyboardInterrupt):
            m.setattr(threading, "Thread", Interrupted)
            guestkit.open(f"http://127.0.0.1:{server.getsockname()[1]}/disk.qcow2")
        with asked[0] as s:
            s.settimeout(10)
            while s.recv(1 << 16):  # up to the end, which comes as the request is given up
                pass


def test_many_opens():
    def count():
        return len(os.listdir("/proc/self/fd"))

    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("needs /proc")
    with guestkit.open(DEBIAN):
        before = count()
    for _ in range(1000):
        guestkit.open(DEBIAN).close()
        guestkit.open(DEBIAN)  # the collector closes it
    gc.collect()
    assert count() <= before + 1


def test_threads(guest):
    fs, want, wrong = guest.fs(), guest.fs().read_bytes("/usr/lib/os-release"), []

    def read():
        for _ in range(50):
            if fs.read_bytes("/usr/lib/os-release") != want:
                wrong.append(1)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_seed(tmp_path):
    """What the seed documents: names, arguments and results."""
    wrapper = guestkit_wrapper.GuestkitWrapper()
    result = wrapper.convert(source_path=str(DEBIAN), output_path=str(tmp_path / "vm.qcow2"), compress=True)
    assert result.success and result.source_format == "qcow2" and result.output_size > 0 and result.error is None
    assert wrapper.detect_format(str(DEBIAN)) == "qcow2"
    assert wrapper.get_info(str(DEBIAN))["virtual-size"] > 0
    failed = wrapper.convert(str(tmp_path / "nothing"), str(tmp_path / "x.qcow2"))
    assert not failed.success and failed.error
    converter = guestkit_py.DiskConverter()
    done = converter.convert(source=str(DEBIAN), output=str(tmp_path / "b.qcow2"), format="qcow2", compress=True, flatten=True)
    assert done["success"] and done["source_format"] == "qcow2" and done["duration_secs"] >= 0
    assert not converter.convert(str(tmp_path / "nothing"), str(tmp_path / "y.qcow2"), "qcow2")["success"]
    assert converter.detect_format(str(DEBIAN)) == "qcow2"
    assert converter.get_info(str(DEBIAN))["virtual-size"] == wrapper.get_info(str(DEBIAN))["virtual-size"]


def test_fsspec():
    fsspec = pytest.importorskip("fsspec")
    fs = fsspec.filesystem("guestkit", disk=str(DEBIAN))
    assert b"ID=debian" in fs.cat("/usr/lib/os-release")
    assert "/etc/fstab" in fs.find("/etc") and fs.isdir("/usr") and fs.isfile("/etc/fstab")
    assert fs.modified("/etc/fstab").timestamp() == fs.info("/etc/fstab")["mtime"] > 1e9
    # A link that leads nowhere is there for all but those who follow it.
    assert fs.lexists("/etc/localtime") and not fs.exists("/etc/localtime") and fs.info("/etc/localtime")["islink"]
    assert fs.du("/etc") > 1000 and not fs.exists("/none") and not fs.lexists("/none") and not fs.exists("/etc/fstab/x")
    with fs.open("/usr/lib/os-release", "rb") as f:
        f.seek(3)
        assert f.read(4) == fs.cat_file("/usr/lib/os-release", 3, 7)
    with fsspec.open(f"guestkit://usr/lib/os-release::file://{DEBIAN}", "rb") as f:
        assert b"debian" in f.read()
