"""Guests and their files, by the shared library."""

from __future__ import annotations

import io
import os
import posixpath
import weakref
from types import TracebackType
from typing import Any, Callable, Iterator, Optional, Sequence, Type, Union

from . import _native
from .results import Conversion, Info, Report, Stat, System, Volume

Path = Union[str, "os.PathLike[str]"]


def _drop(handle: int) -> None:
    _native.call("close", handle=handle)


class GuestFile(io.RawIOBase):
    """An open file of a guest: seekable, read only, safe to read from many threads with ``pread``."""

    def __init__(self, handle: int, size: int, name: str) -> None:
        super().__init__()
        self._handle, self._size, self._at, self.name = handle, size, 0, name
        self._end = weakref.finalize(self, _drop, handle)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        n = self.pread_into(buffer, self._at)
        self._at += n
        return n

    def pread_into(self, buffer: Any, off: int) -> int:
        """Read into a buffer from an offset, without moving the position."""
        if self.closed:
            raise ValueError("I/O operation on closed file")
        return _native.read(self._handle, buffer, off)

    def pread(self, n: int, off: int) -> bytes:
        """Read n bytes, or fewer at the end, from an offset."""
        b = bytearray(max(0, min(n, self._size - off)))
        return bytes(b[: self.pread_into(b, off)])

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("negative seek position")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        if not self.closed:
            self._end()
        super().close()


class Tree:
    """The files of a guest's system, with its mounts, or of one volume."""

    def __init__(self, handle: int, guest: "Guest") -> None:
        self._handle, self._guest = handle, guest  # the guest stays open with its tree

    def listdir(self, path: str = "/") -> list[str]:
        """The names in a directory."""
        return [s.name for s in self.scandir(path)]

    def scandir(self, path: str = "/") -> list[Stat]:
        """The files in a directory, with their metadata."""
        return [Stat.of(d) for d in _native.call("listdir", handle=self._handle, path=path)]

    def stat(self, path: str, follow: bool = True) -> Stat:
        """The metadata of a file."""
        return Stat.of(_native.call("stat", handle=self._handle, path=path, follow=follow))

    def readlink(self, path: str) -> str:
        """The target of a symbolic link."""
        return str(_native.call("readlink", handle=self._handle, path=path))

    def open(self, path: str, mode: str = "rb") -> GuestFile:
        """Open a file for reading."""
        if mode not in ("r", "rb"):
            raise ValueError("guests are read only")
        d = _native.call("open_file", handle=self._handle, path=path)
        return GuestFile(d["handle"], d["size"], path)

    def read_bytes(self, path: str) -> bytes:
        """The content of a file."""
        with self.open(path) as f:
            return f.readall()

    def read_text(self, path: str, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The text of a file."""
        return self.read_bytes(path).decode(encoding, errors)

    def walk(self, top: str = "/") -> Iterator[tuple[str, list[Stat], list[Stat]]]:
        """Directories from the top down, as os.walk; links are not followed."""
        todo = [top]
        while todo:
            at = todo.pop()
            found = self.scandir(at)
            dirs = [s for s in found if s.type == "directory"]
            yield at, dirs, [s for s in found if s.type != "directory"]
            todo += [posixpath.join(at, s.name) for s in reversed(dirs)]


class Guest:
    """The open disks of one virtual machine. Use it as a context manager."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._end = weakref.finalize(self, _drop, handle)

    def inspect(self) -> Report:
        """Find the operating systems and list all volumes."""
        return Report.of(_native.long_call("inspect", handle=self._handle))

    def volumes(self) -> tuple[Volume, ...]:
        """List what the disks are divided into."""
        return Report.of(_native.long_call("volumes", handle=self._handle)).volumes

    def systems(self) -> tuple[System, ...]:
        """The operating systems."""
        return self.inspect().systems

    def fs(self, volume: str = "") -> Tree:
        """The files of the only system, or of a volume by its name."""
        return Tree(int(_native.long_call("fs", handle=self._handle, volume=volume)), self)

    def close(self) -> None:
        """Close the disks. Nothing that came from the guest may be used after."""
        self._end()

    def __enter__(self) -> "Guest":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self.close()


def _paths(disks: Union[Path, Sequence[Path]]) -> list[str]:
    if isinstance(disks, (str, os.PathLike)):
        disks = [disks]
    return [os.fspath(d) for d in disks]


def open(  # noqa: A001 - as gzip.open and others
    disks: Union[Path, Sequence[Path]], *, keys: Sequence[str] = (), format: str = "", allow_dirs: Sequence[Path] = ()  # noqa: A002
) -> Guest:
    """Open a guest: the path or address of its disk, or several of them in order."""
    return Guest(int(_native.call("open", paths=_paths(disks), keys=list(keys), format=format, allow_dirs=_paths(allow_dirs) if allow_dirs else [])))


def detect(path: Path) -> str:
    """The format of an image, by its content."""
    return str(_native.call("detect", paths=[os.fspath(path)]))


def info(path: Path) -> Info:
    """What an image says about itself."""
    return Info.of(os.fspath(path), _native.call("info", paths=[os.fspath(path)]))


def convert(
    src: Path, dst: Path, *, format: str = "", compress: bool = False, force: bool = False,  # noqa: A002
    progress: Optional[Callable[[int, int], None]] = None, allow_dirs: Sequence[Path] = (),
) -> Conversion:
    """Copy the disk of an image into a new one, verified; it appears whole or not at all.

    ``progress`` is called with the bytes done and in all. Ctrl-C stops the copy.
    """
    d = _native.long_call(
        "convert", progress, paths=[os.fspath(src)], output=os.fspath(dst), to=format, compress=compress, force=force,
        allow_dirs=[os.fspath(a) for a in allow_dirs],
    )
    return Conversion(d["output"], d.get("source_format", ""), d["output_format"], d.get("virtual_size", 0), d["seconds"])
