"""The shared library, by ctypes. Calls release the GIL; Ctrl-C cancels long ones."""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import pathlib
import sys
import threading
from typing import Any, Callable, Optional

from . import errors

_NAMES = {"win32": "guestkit.dll", "darwin": "libguestkit.dylib"}


def _path() -> pathlib.Path:
    stated = os.environ.get("GUESTKIT_LIBRARY")
    if stated:
        return pathlib.Path(stated)
    return pathlib.Path(__file__).parent / _NAMES.get(sys.platform, "libguestkit.so")


def available() -> bool:
    """Whether this installation has the shared library for this platform."""
    return _path().is_file()


_lock = threading.Lock()
_library: Optional[ctypes.CDLL] = None
_numbers = itertools.count(1)


def _load() -> ctypes.CDLL:
    global _library
    with _lock:
        if _library is None:
            if not available():
                raise errors.Unsupported(
                    f"there is no {_path().name} for this platform; guestkit.GuestkitWrapper runs the command in its place"
                )
            lib = ctypes.CDLL(str(_path()))
            lib.GuestkitCall.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
            lib.GuestkitCall.restype = ctypes.c_void_p
            lib.GuestkitFree.argtypes = [ctypes.c_void_p]
            lib.GuestkitFree.restype = None
            lib.GuestkitRead.argtypes = [ctypes.c_longlong, ctypes.c_void_p, ctypes.c_longlong, ctypes.c_longlong]
            lib.GuestkitRead.restype = ctypes.c_longlong
            _library = lib
        return _library


def call(method: str, **request: Any) -> Any:
    """Run a method of the library that takes no time."""
    lib = _load()
    answer = lib.GuestkitCall(method.encode(), json.dumps(request).encode())
    try:
        d = json.loads(ctypes.string_at(answer).decode("utf-8", "surrogatepass"))
    finally:
        lib.GuestkitFree(answer)
    if d.get("error"):
        raise errors.make(d["error"]["class"], d["error"]["message"])
    return d.get("result")


def long_call(method: str, progress: Optional[Callable[[int, int], None]] = None, **request: Any) -> Any:
    """Run a method that may take long: in a thread, so that Ctrl-C reaches this one."""
    number = next(_numbers)
    box: dict[str, Any] = {}

    def run() -> None:
        try:
            box["result"] = call(method, op=number, **request)
        except BaseException as e:  # noqa: BLE001 - it is raised again below
            box["error"] = e

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(0.1)
            if progress is not None and thread.is_alive():
                done, total = call("progress", op=number)
                progress(done, total)
    except BaseException:
        call("cancel", op=number)
        thread.join()
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
