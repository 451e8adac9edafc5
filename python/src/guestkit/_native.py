"""The shared library, by ctypes. Calls release the GIL; Ctrl-C cancels long ones."""

from __future__ import annotations

import atexit
import base64
import ctypes
import itertools
import json
import os
import sys
import threading
from typing import Any, Callable, Optional

from . import _objects, errors

_NAMES = {"win32": "guestkit.dll", "darwin": "libguestkit.dylib"}


def _path() -> str:
    name = _NAMES.get(sys.platform, "libguestkit.so")
    return os.environ.get("GUESTKIT_LIBRARY") or os.path.join(os.path.dirname(os.path.abspath(__file__)), name)


def available() -> bool:
    """Whether this installation has the shared library for this platform."""
    return os.path.isfile(_path())


_lock = threading.Lock()
_library: Optional[ctypes.CDLL] = None
_numbers = itertools.count(1)
_forked = False


def _after_fork() -> None:
    global _forked
    _forked = _library is not None


def forked() -> bool:
    """Whether this process was forked off one that had used the library."""
    return _forked


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _load() -> ctypes.CDLL:
    global _library
    if _library is not None and not _forked:
        return _library
    if _forked:  # threads do not survive that, and the library has some
        raise errors.Unsupported(
            "this process was forked after guestkit was used; start it anew (multiprocessing: spawn or forkserver)"
        )
    with _lock:
        if _library is None:
            if not available():
                raise errors.Unsupported(
                    f"there is no {os.path.basename(_path())} for this platform; guestkit.GuestkitWrapper runs the command in its place"
                )
            lib = ctypes.CDLL(_path())
            lib.GuestkitCall.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
            lib.GuestkitCall.restype = ctypes.c_void_p
            lib.GuestkitFree.argtypes = [ctypes.c_void_p]
            lib.GuestkitFree.restype = None
            lib.GuestkitRead.argtypes = [ctypes.c_longlong, ctypes.c_void_p, ctypes.c_longlong, ctypes.c_longlong]
            lib.GuestkitRead.restype = ctypes.c_longlong
            lib.GuestkitSetReader.argtypes = [ctypes.c_void_p]
            lib.GuestkitSetReader.restype = None
            lib.GuestkitSetReader(ctypes.cast(_objects.reader, ctypes.c_void_p))
            atexit.register(_end)
            _library = lib
        return _library


def _end() -> None:
    """Call no more into an interpreter that ends."""
    if _library is not None and not _forked:
        _library.GuestkitSetReader(None)


def host_path(path: str) -> Any:
    """A path of the host for a request: what is no UTF-8 goes as bytes."""
    if "\0" in path:
        raise ValueError("embedded null byte")
    try:
        path.encode()
    except UnicodeEncodeError:
        return {"base64": base64.b64encode(os.fsencode(path)).decode()}
    return path


def call(method: str, **request: Any) -> Any:
    """Run a method of the library that takes no time."""
    lib = _load()
    answer = lib.GuestkitCall(method.encode(), json.dumps(request).encode())
    try:
        d = json.loads(ctypes.string_at(answer).decode("utf-8", "surrogatepass"))
    finally:
        lib.GuestkitFree(answer)
    if d.get("error"):
        raise _error(d["error"])
    return d.get("result")


def _error(d: Any) -> BaseException:
    """Make the error of an answer; one of a file object has that as its cause."""
    e = errors.make(d["class"], d["message"])
    cause = _objects.take_error(int(d.get("object", 0)))
    if cause is not None and not isinstance(cause, Exception):
        return cause  # KeyboardInterrupt and SystemExit
    e.__cause__ = cause
    return e


def long_call(method: str, progress: Optional[Callable[[int, int], None]] = None, **request: Any) -> Any:
    """Run a method that may take long: in a thread, so that Ctrl-C reaches this one."""
    number, done = next(_numbers), threading.Event()
    box: dict[str, Any] = {}

    def run() -> None:
        box["begun"] = True
        try:
            if "cancelled" not in box:
                box["result"] = call(method, op=number, **request)
        except BaseException as e:  # noqa: BLE001 - it is raised again below
            box["error"] = e
        finally:
            done.set()

    try:
        threading.Thread(target=run, daemon=True).start()
        while not done.wait(0.1):
            if progress is not None:
                at, total = call("progress", op=number)
                progress(at, total)
    except BaseException:
        box["cancelled"] = True
        while "begun" in box and not done.is_set():  # the library may not have begun when it is first told
            call("cancel", op=number)
            done.wait(0.1)
        if "result" in box and method in ("open", "fs"):
            call("close", handle=box["result"])
        raise
    if "error" in box:
        raise box["error"]
    return box["result"]


def read(handle: int, buffer: Any, off: int) -> int:
    """Read into a writable buffer; 0 is the end of the file."""
    view = memoryview(buffer).cast("B")
    if len(view) == 0:
        return 0
    lib = _load()
    n = int(lib.GuestkitRead(handle, ctypes.addressof(ctypes.c_char.from_buffer(view)), len(view), off))
    if n < 0:
        call("file_error", handle=handle)
        raise errors.Closed("the file is closed")
    return n
