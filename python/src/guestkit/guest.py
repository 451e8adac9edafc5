"""Guests and their files, by the shared library."""

from __future__ import annotations

import io
import os
import posixpath
import weakref
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Iterator, Optional, Sequence, Type, Union

from . import _native, _objects, errors

if TYPE_CHECKING:
    from typing import NoReturn, Protocol

    from .results import Conversion, Info, Report, Stat, System, Volume

    class Readable(Protocol):
        """A file object in binary mode that can seek."""

        def read(self, n: int, /) -> bytes: ...

        def seek(self, offset: int, whence: int = ..., /) -> Any: ...

Path = Union[str, "os.PathLike[str]"]
Image = Union[Path, "Readable"]


def _report(d: Any) -> Report:
    from .results import Report  # dataclasses take long to import

    return Report.of(d)


def _stat(d: Any) -> Stat:
    from .results import Stat

    return Stat.of(d)


def _list(what: str, given: Any) -> list[str]:
    """A list of texts or paths; one alone is a list of it, and not of its letters."""
    found: list[Any] = [os.fspath(x) for x in ([given] if isinstance(given, (str, bytes, os.PathLike)) else given)]
    if not all(isinstance(x, str) for x in found):
        raise TypeError(f"{what} are str")
    return found


def _inside(path: Any) -> str:
    """A path in a guest."""
    name = os.fspath(path)
    if not isinstance(name, str):
        raise TypeError(f"a path in a guest is str or os.PathLike, not {type(path).__name__}")
    return name


class _Open:
    """What is open in this process alone, and means something else to any other."""

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")


def _drop(handle: int, numbers: Sequence[int] = ()) -> None:
    try:
        if not _native.forked():  # it is the parent's
            _native.call("close", handle=handle)
    finally:  # nothing reads them any more
        for n in numbers:
            _objects.release(n)


class _Images:
    """What a call reads: paths, and file objects under names of their own."""

    def __init__(self, images: Sequence[Image]) -> None:
        if not images:
            raise errors.BadOption("no disk is given")
        self.paths: list[str] = []
        self.objects: dict[str, dict[str, int]] = {}
        self.numbers: list[int] = []
        self.environment: dict[str, str] = {}
        try:
            for image in images:
                if isinstance(image, (str, os.PathLike)):
                    self.paths += _list("paths", image)
                    if self.paths[-1][:5].lower() == "s3://":
                        self.environment = {k: v for k, v in os.environ.items() if k.startswith("AWS_")}
                        self.environment["HOME"] = os.path.expanduser("~")
                    continue
                if not _objects.is_file(image):
                    raise TypeError(f"an image is a path, an address or a file object that reads and seeks, not {type(image).__name__}")
                x = _objects.register(image)
                self.numbers.append(x.number)
                self.objects[x.name] = {"id": x.number, "length": x.size}
                self.paths.append(x.name)
        except BaseException:
            self.release()
            raise

    def request(self) -> dict[str, Any]:
        """What the methods of the library take of it."""
        return {"paths": [_native.host_path(p) for p in self.paths], "objects": self.objects, "environment": self.environment}

    def release(self) -> None:
        for n in self.numbers:
            _objects.release(n)

    def __enter__(self) -> "_Images":
        return self

    def __exit__(self, *unused: object) -> None:
        self.release()


class GuestFile(_Open, io.RawIOBase):
    """An open file of a guest: seekable, read only, safe to read from many threads with ``pread``."""

    def __init__(self, handle: int, size: int, name: str, tree: Optional["Tree"] = None) -> None:
        super().__init__()
        self._handle, self._size, self._at, self.name = handle, size, 0, name
        self._tree = tree  # it stays open with its files
        self._end = weakref.finalize(self, _drop, handle)

    def _check(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def readable(self) -> bool:
        self._check()
        return True

    def seekable(self) -> bool:
        self._check()
        return True

    def write(self, buffer: Any) -> NoReturn:
        self._check()
        raise io.UnsupportedOperation("guests are read only")

    def readinto(self, buffer: Any) -> int:
        n = self.pread_into(buffer, self._at)
        self._at += n
        return n

    def readall(self) -> bytes:
        """Read up to the end, in one piece; io.RawIOBase does so in many small ones."""
        b = bytearray(max(0, self._size - self._at))
        return bytes(memoryview(b)[: self.readinto(b)])

    def pread_into(self, buffer: Any, off: int) -> int:
        """Read into a buffer from an offset, without moving the position."""
        self._check()
        if off < 0:
            raise ValueError("negative offset")
        return _native.read(self._handle, buffer, off) if off < self._size else 0

    def pread(self, n: int, off: int) -> bytes:
        """Read n bytes, or fewer at the end, from an offset."""
        b = bytearray(max(0, min(n, self._size - off)))
        return bytes(memoryview(b)[: self.pread_into(b, off)])

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._check()
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}.get(whence)
        if base is None:
            raise ValueError(f"invalid whence ({whence}, should be 0, 1 or 2)")
        if base + offset < 0:
            raise ValueError("negative seek position")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        self._check()
        return self._at

    def close(self) -> None:
        if not self.closed:
            self._end()
        super().close()


class Tree(_Open):
    """The files of a guest's system, with its mounts, or of one volume."""

    def __init__(self, handle: int, guest: "Guest") -> None:
        self._handle, self._guest = handle, guest  # the guest stays open with its tree
        weakref.finalize(self, _drop, handle)

    def listdir(self, path: Path = "/") -> list[str]:
        """The names in a directory."""
        return [s.name for s in self.scandir(path)]

    def scandir(self, path: Path = "/") -> list[Stat]:
        """The files in a directory, with their metadata."""
        return [_stat(d) for d in _native.call("listdir", handle=self._handle, path=_inside(path))]

    def stat(self, path: Path, follow: bool = True) -> Stat:
        """The metadata of a file."""
        return _stat(_native.call("stat", handle=self._handle, path=_inside(path), follow=follow))

    def readlink(self, path: Path) -> str:
        """The target of a symbolic link."""
        return str(_native.call("readlink", handle=self._handle, path=_inside(path)))

    def open(self, path: Path, mode: str = "rb") -> GuestFile:
        """Open a file for reading."""
        if mode not in ("r", "rb"):
            raise ValueError("guests are read only")
        d = _native.call("open_file", handle=self._handle, path=_inside(path))
        return GuestFile(d["handle"], d["size"], _inside(path), self)

    def read_bytes(self, path: Path) -> bytes:
        """The content of a file."""
        with self.open(path) as f:
            return f.readall()

    def read_text(self, path: Path, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The text of a file."""
        return self.read_bytes(path).decode(encoding, errors)

    def walk(self, top: Path = "/") -> Iterator[tuple[str, list[Stat], list[Stat]]]:
        """Directories from the top down, as os.walk; links are not followed."""
        todo = [_inside(top)]
        while todo:
            at = todo.pop()
            found = self.scandir(at)
            dirs = [s for s in found if s.type == "directory"]
            yield at, dirs, [s for s in found if s.type != "directory"]
            todo += [posixpath.join(at, s.name) for s in reversed(dirs)]


class Guest(_Open):
    """The open disks of one virtual machine. Use it as a context manager."""

    def __init__(self, handle: int, objects: Sequence[int] = ()) -> None:
        self._handle = handle
        self._end = weakref.finalize(self, _drop, handle, tuple(objects))

    def inspect(self) -> Report:
        """Find the operating systems and list all volumes."""
        return _report(_native.long_call("inspect", handle=self._handle))

    def volumes(self) -> tuple[Volume, ...]:
        """List what the disks are divided into."""
        return _report(_native.long_call("volumes", handle=self._handle)).volumes

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


def _folders(given: Any) -> list[Any]:
    return [_native.host_path(p) for p in _list("folders", given)]


def _several(disks: Union[Image, Sequence[Image]]) -> Sequence[Image]:
    if isinstance(disks, (str, bytes, os.PathLike)) or _objects.is_file(disks):
        return [disks]  # type: ignore[list-item]
    return list(disks)  # type: ignore[arg-type]


def open(  # noqa: A001 - as gzip.open and others
    disks: Union[Image, Sequence[Image]], *, keys: Sequence[str] = (), format: str = "", allow_dirs: Sequence[Path] = ()  # noqa: A002
) -> Guest:
    """Open a guest: its disk, or several of them in order.

    A disk is a path, an address (``https://…``) or a file object that reads and seeks: a file in
    binary mode, io.BytesIO, a member of a zipfile, a file of fsspec or of another guest. A file
    object is the caller's, who closes it after the guest; its position moves.
    """
    images = _Images(_several(disks))
    try:
        handle = _native.long_call(
            "open", keys=_list("keys", keys), format=format, allow_dirs=_folders(allow_dirs), **images.request()
        )
    except BaseException:
        images.release()
        raise
    return Guest(int(handle), images.numbers)


def detect(image: Image) -> str:
    """The format of an image, by its content."""
    with _Images([image]) as i:
        return str(_native.long_call("detect", **i.request()))


def info(image: Image) -> Info:
    """What an image says about itself."""
    from .results import Info

    with _Images([image]) as i:
        return Info.of(i.paths[0], _native.long_call("info", **i.request()))


def convert(
    src: Image, dst: Path, *, format: str = "", compress: bool = False, force: bool = False,  # noqa: A002
    progress: Optional[Callable[[int, int], None]] = None, allow_dirs: Sequence[Path] = (),
) -> Conversion:
    """Copy the disk of an image into a new one, verified; it appears whole or not at all.

    ``progress`` is called with the bytes done and in all. Ctrl-C stops the copy.
    """
    from .results import Conversion

    (out,) = _list("paths", dst)
    with _Images([src]) as i:
        d = _native.long_call(
            "convert", progress, output=_native.host_path(out), to=format, compress=compress, force=force,
            allow_dirs=_folders(allow_dirs), **i.request(),
        )
    return Conversion(out, d.get("source_format", ""), d["output_format"], d.get("virtual_size", 0), d["seconds"])
