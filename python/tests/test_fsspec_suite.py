"""fsspec's own suite of tests (fsspec.tests.abstract), for what a filesystem does that is
read only: opening, and copying out of it.

The suite writes its files by the filesystem under test; ours cannot, so they are made in
a folder, put into an ext4 by mkfs.ext4, and that is opened."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess

import pytest

fsspec = pytest.importorskip("fsspec")
abstract = pytest.importorskip("fsspec.tests.abstract")

from fsspec.implementations.local import LocalFileSystem  # noqa: E402
from guestkit.fsspec import GuestFileSystem  # noqa: E402

pytestmark = pytest.mark.skipif(shutil.which("mkfs.ext4", path=os.environ["PATH"] + ":/sbin:/usr/sbin") is None, reason="needs mkfs.ext4")


def image(folder: pathlib.Path, to: pathlib.Path) -> str:
    """An ext4 that holds a folder."""
    to.write_bytes(b"")
    os.truncate(to, 16 << 20)
    mkfs = shutil.which("mkfs.ext4", path=os.environ["PATH"] + ":/sbin:/usr/sbin")
    subprocess.run([str(mkfs), "-q", "-F", "-d", str(folder), str(to)], check=True)
    return str(to)


class Prepared(GuestFileSystem):
    """What one test of the suite makes for itself is there already."""

    def mkdir(self, path, create_parents=True, **kwargs):
        assert self.isdir(path)

    def touch(self, path, truncate=True, **kwargs):
        assert self.isfile(path)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("tree")


@pytest.fixture(scope="module")
def scenarios(root):
    """All that the fixtures of AbstractFixtures would write."""
    local, base, join = LocalFileSystem(auto_mkdir=True), abstract.AbstractFixtures(), os.path.join
    made = {
        "bulk_operations_scenario_0": base._bulk_operations_scenario_0(local, join, str(root / "bulk")),
        "glob_edge_cases_files": base._glob_edge_cases_files(local, join, str(root / "glob")),
        "dir_and_file_with_same_name_prefix": base._dir_and_file_with_same_name_prefix(local, join, str(root / "prefix")),
        "10_files_with_hashed_names": base._10_files_with_hashed_names(local, join, str(root / "hashed")),
    }
    for name in ("src", "target"):
        (root / name).mkdir()
    (root / "src" / "file").touch()
    return {k: "/" + os.path.relpath(v, root) for k, v in made.items()}


@pytest.fixture(scope="module")
def guest(root, scenarios, tmp_path_factory):
    return Prepared(disk=image(root, tmp_path_factory.mktemp("image") / "disk.raw"))


class GuestFixtures(abstract.AbstractFixtures):
    """The suite's fixtures, over a tree that is made beforehand."""

    @pytest.fixture
    def fs(self, guest):
        return guest

    @pytest.fixture
    def fs_path(self):
        return "/"

    @pytest.fixture
    def fs_join(self):
        return lambda *parts: "/".join(parts).replace("//", "/")

    @pytest.fixture
    def fs_bulk_operations_scenario_0(self, scenarios):
        return scenarios["bulk_operations_scenario_0"]

    @pytest.fixture
    def fs_glob_edge_cases_files(self, scenarios):
        return scenarios["glob_edge_cases_files"]

    @pytest.fixture
    def fs_dir_and_file_with_same_name_prefix(self, scenarios):
        return scenarios["dir_and_file_with_same_name_prefix"]

    @pytest.fixture
    def fs_10_files_with_hashed_names(self, scenarios):
        return scenarios["10_files_with_hashed_names"]


class TestGet(abstract.AbstractGetTests, GuestFixtures):
    """Copying out: the whole class of the suite."""


class TestReadOnly(GuestFixtures):
    """The other classes of the suite write; here that is refused, each time."""

    def test_nothing_is_written(self, fs):
        for mode in ("wb", "ab", "xb", "r+b"):
            with pytest.raises(OSError, match="read only"):
                fs.open("/new", mode)
        for call in (lambda: GuestFileSystem.touch(fs, "/new"), lambda: fs.rm("/target"), lambda: fs.mkdirs("/new"), lambda: fs.pipe("/new", b"x")):
            with pytest.raises(OSError, match="read only"):
                call()
        assert not fs.exists("/new") and fs.isdir("/target")


def test_get_a_tree_with_links(tmp_path):
    """All is copied that can be, and the rest is named: it neither stops what comes after
    it nor is silent, and a link to a folder above makes no circle."""
    tree = tmp_path / "tree" / "a"
    tree.mkdir(parents=True)
    (tree / "0-file").write_text("content")
    (tree / "z-file").write_text("last")
    for name, to in {"dangling": "nowhere", "up": "..", "self": "self", "good": "0-file"}.items():
        (tree / name).symlink_to(to)
    os.mkfifo(tree / "pipe")
    (tmp_path / "tree" / "alias").symlink_to("a")
    fs = GuestFileSystem(disk=image(tmp_path / "tree", tmp_path / "disk.raw"))
    assert {(d["name"], d["type"], d["islink"]) for d in fs.ls("/a")} == {
        ("/a/0-file", "file", False), ("/a/z-file", "file", False), ("/a/good", "file", True), ("/a/pipe", "other", False),
        ("/a/dangling", "other", True), ("/a/up", "other", True), ("/a/self", "other", True)}
    assert fs.isdir("/a/up") and not fs.exists("/a/self") and fs.lexists("/a/self")
    for source in ("/a", "/alias", "/al*"):
        out = tmp_path / "out"
        with pytest.raises(shutil.Error) as e:
            fs.get(source, str(out), recursive=True)
        assert sorted(os.path.basename(left[0]) for left in e.value.args[0]) == ["dangling", "pipe", "self", "up"]
        copied = {str(p.relative_to(out)): p.read_text() for p in out.rglob("*") if p.is_file()}
        assert {os.path.basename(k): v for k, v in copied.items()} == {"0-file": "content", "z-file": "last", "good": "content"}
        shutil.rmtree(out)
    with pytest.raises(FileNotFoundError):
        fs.get("/a/dangling", str(tmp_path / "x"))
