"""Python's file objects as images: the library reads them by a call back into Python.

The library calls from threads of its own, and never after ``release``; what an object
raises is kept until the call that needed it has ended.
"""

from __future__ import annotations

import ctypes
import itertools
import threading
from typing import Any, Optional

from . import errors

SCHEME = "object://"

READER = ctypes.CFUNCTYPE(
    ctypes.c_longlong, ctypes.c_longlong, ctypes.c_void_p, ctypes.c_longlong, ctypes.c_longlong, ctypes.c_void_p, ctypes.c_longlong
)


class _Shared:
    """A file object and the lock of its position, which all who read it share."""

    def __init__(self, file: Any) -> None:
        self.file, self.lock, self.users = file, threading.Lock(), 0


class Object:
    """A file object that is registered: its number, how long it is, its last error."""

    def __init__(self, shared: _Shared, size: int) -> None:
        self.number, self.shared, self.size = next(_numbers), shared, size
        self.error: Optional[BaseException] = None

    @property
    def name(self) -> str:
        return f"{SCHEME}{self.number}"

    def read(self, n: int, off: int) -> bytes:
        """Read n bytes, fewer at the end alone."""
        with self.shared.lock:
            file = self.shared.file
            if file.seek(off) not in (off, None):
                raise OSError(f"seek({off}) went elsewhere")
            b = file.read(n)
            while 0 < len(b) < n:  # raw files may give less
                more = file.read(n - len(b))
                if not more:
                    break
                b += more
        if not isinstance(b, bytes):
            b = bytes(memoryview(b))
        if len(b) > n:
            raise OSError(f"read({n}) gave {len(b)} bytes")
        return b


_numbers = itertools.count(1)
_guard = threading.RLock()  # a collector that runs meanwhile may release others
_objects: dict[int, Object] = {}
_shared: dict[int, _Shared] = {}  # by id(file), which is kept


def is_file(x: Any) -> bool:
    """Whether it is a file object: it reads and seeks."""
    return callable(getattr(x, "read", None)) and callable(getattr(x, "seek", None))


def register(file: Any) -> Object:
    """Take a file object; release gives it back."""
    with _guard:
        shared = _shared.get(id(file)) or _Shared(file)
    with shared.lock:
        try:
            at = file.seek(0, 2)
            size = int(file.tell() if at is None else at)
            file.seek(0)
            sample = file.read(0)
        except OSError as e:  # io.UnsupportedOperation: a pipe
            raise errors.BadOption(f"the file object cannot seek: {e}") from e
    if not isinstance(sample, (bytes, bytearray, memoryview)):
        raise errors.BadOption(f"the file object reads {type(sample).__name__}, not bytes; open it in mode 'rb'")
    with _guard:
        shared = _shared.setdefault(id(file), shared)
        shared.users += 1
        x = Object(shared, size)
        _objects[x.number] = x
    return x


def release(number: int) -> None:
    """Give a file object back. It stays open: it is its owner's."""
    with _guard:
        x = _objects.pop(number, None)
        if x is None:
            return
        x.shared.users -= 1
        if x.shared.users == 0:
            _shared.pop(id(x.shared.file), None)


def take_error(number: int) -> Optional[BaseException]:
    """What an object has raised last, once."""
    x = _objects.get(number)
    if x is None:
        return None
    e, x.error = x.error, None
    return e


def _read(number: int, p: int, n: int, off: int, text: int, size: int) -> int:
    x = _objects.get(number)
    try:
        if x is None:
            raise ValueError("the file object was given back")
        b = x.read(n, off)
        ctypes.memmove(p, b, len(b))
        return len(b)
    except BaseException as e:  # noqa: BLE001 - it is raised again where the call ends
        if x is not None:
            x.error = e
        said = f"{type(e).__name__}: {e}".encode("utf-8", "replace")[: size - 1] + b"\0"
        ctypes.memmove(text, said, len(said))
        return -1


reader = READER(_read)
