"""An fsspec filesystem over the files of a guest: ``guestkit:///etc/os-release``.

>>> import fsspec
>>> fs = fsspec.filesystem("guestkit", disk="disk.qcow2")
>>> fs.cat("/etc/os-release")

Chained, the image is what stands behind: ``guestkit://data.parquet::file://disk.qcow2``.
"""

from __future__ import annotations

import datetime
import errno
import shutil
from typing import Any, NamedTuple, Optional

from fsspec.spec import AbstractBufferedFile, AbstractFileSystem  # type: ignore[import-untyped]

from . import errors
from . import guest as _guest
from .results import Stat


def _time(text: str) -> Optional[datetime.datetime]:
    """A time of RFC 3339 in UTC; Python before 3.11 reads neither its Z nor nanoseconds."""
    if not text:
        return None
    seconds, _, fraction = text.rstrip("Z").partition(".")
    at = datetime.datetime.strptime(seconds, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=datetime.timezone.utc)
    return at + datetime.timedelta(microseconds=int(fraction[:6].ljust(6, "0")))


class _Tree(NamedTuple):
    """A tree that is copied: where it begins, and what of it is not copied."""

    roots: set[str]
    left: list[tuple[str, Any, str]]


class GuestFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """Read only; ``disk`` is the path or address of the image, ``volume`` a volume of it."""

    protocol = "guestkit"
    root_marker = "/"

    def __init__(
        self, disk: Optional[str] = None, volume: str = "", keys: Any = (), fo: Optional[str] = None,
        target_protocol: Optional[str] = None, target_options: Any = None, **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        path = disk or fo
        if not path:
            raise ValueError("disk is not given")
        self.guest = _guest.open(path, keys=keys)
        self.tree = self.guest.fs(volume)

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(p) for p in path]
        path = str(path)
        if path.startswith("guestkit://"):
            path = path[len("guestkit://") :]
        return "/" + path.strip("/")

    @staticmethod
    def _entry(path: str, s: Stat) -> dict[str, Any]:
        kind = s.type if s.type in ("file", "directory") else "other"
        time = _time(s.mtime)
        return {
            "name": path, "size": s.size, "type": kind, "islink": s.type == "link", "mode": s.mode, "uid": s.uid, "gid": s.gid,
            "mtime": time.timestamp() if time else None,
        }

    def modified(self, path: str) -> Optional[datetime.datetime]:
        """When a file was last written to, to the microsecond; None where nothing tells."""
        return _time(self.tree.stat(self._strip_protocol(path)).mtime)

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        path = self._strip_protocol(path)
        try:
            return self._entry(path, self.tree.stat(path))
        except (errors.NotFound, errors.Corrupt):  # it may be a link that leads nowhere, or in a circle
            s = self.tree.stat(path, follow=False)
            if s.type != "link":
                raise
            return self._entry(path, s)

    def exists(self, path: str, **kwargs: Any) -> bool:
        return self._exists(path, True)

    def lexists(self, path: str, **kwargs: Any) -> bool:
        return self._exists(path, False)

    def _exists(self, path: str, follow: bool) -> bool:
        try:
            self.tree.stat(self._strip_protocol(path), follow)
        except OSError:
            return False
        except errors.Corrupt:
            if follow and self.tree.stat(self._strip_protocol(path), False).type == "link":  # in a circle
                return False
            raise
        return True

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        path = self._strip_protocol(path)
        if self.tree.stat(path).type != "directory":
            return [self.info(path)] if detail else [path]
        out = [self._entry(path.rstrip("/") + "/" + s.name, s) for s in self.tree.scandir(path)]
        for d in out:
            if d["islink"]:  # a link to a folder is none, as fsspec's local files have it: trees have no circles
                to = self.info(d["name"])
                d.update(type="file" if to["type"] == "file" else "other", size=to["size"])
        return out if detail else [d["name"] for d in out]

    def get(self, rpath: Any, lpath: Any, recursive: bool = False, *args: Any, **kwargs: Any) -> None:
        """Copy out, as the base class does. Of a tree all is copied that can be: what is no
        file and no folder, and links that lead to neither or to a folder, are named by a
        ``shutil.Error`` at the end, as ``shutil.copytree`` does."""
        if recursive:
            tree = kwargs["_tree"] = _Tree(set(self.expand_path(rpath)), [])
        super().get(rpath, lpath, recursive, *args, **kwargs)
        if recursive and tree.left:
            raise shutil.Error(tree.left)

    def get_file(self, rpath: str, lpath: Any = None, *args: Any, _tree: Optional[_Tree] = None, **kwargs: Any) -> None:
        if _tree:
            kind, to = self.tree.stat(self._strip_protocol(rpath), follow=False).type, self.info(rpath)["type"]
            why = ""
            if to == "other":
                why = "the link leads to no file" if kind == "link" else f"no file and no folder: {kind}"
            elif kind == "link" and to == "directory" and rpath not in _tree.roots:
                why = "the link leads to a folder"
            if why:
                _tree.left.append((rpath, lpath, why))
                return
        super().get_file(rpath, lpath, *args, **kwargs)

    def _open(self, path: str, mode: str = "rb", block_size: Any = None, **kwargs: Any) -> Any:
        if mode != "rb":
            self._refuse(path)
        return _File(self, self._strip_protocol(path), mode, block_size or "default", **kwargs)

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse; the base class would say nothing to some of these."""
        raise OSError(errno.EROFS, "guests are read only", str(args[0]) if args else None)

    mkdir = makedirs = rmdir = rm = rm_file = _rm = touch = pipe_file = cp_file = mv = put_file = _refuse

    def cat_file(self, path: str, start: Optional[int] = None, end: Optional[int] = None, **kwargs: Any) -> bytes:
        with self.tree.open(self._strip_protocol(path)) as f:
            size = f.seek(0, 2)
            first = 0 if start is None else start if start >= 0 else max(0, size + start)
            last = size if end is None else end if end >= 0 else size + end
            return f.pread(max(0, last - first), first)


class _File(AbstractBufferedFile):  # type: ignore[misc]
    def __init__(self, fs: GuestFileSystem, path: str, *args: Any, **kwargs: Any) -> None:
        self._file = fs.tree.open(path)
        kwargs.setdefault("size", self._file.seek(0, 2))
        super().__init__(fs, path, *args, **kwargs)

    def _fetch_range(self, start: int, end: int) -> bytes:
        return self._file.pread(end - start, start)

    def close(self) -> None:
        super().close()
        self._file.close()
