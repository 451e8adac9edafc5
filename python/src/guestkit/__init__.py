"""Read, inspect and convert the disk images of virtual machines.

>>> import guestkit
>>> with guestkit.open("disk.qcow2") as guest:
...     for system in guest.inspect().systems:
...         print(system.product_name, system.arch)
...     print(guest.fs().read_text("/etc/os-release"))
"""

import importlib
from typing import TYPE_CHECKING, Any

from ._native import available
from .errors import (
    Ambiguous, BadOption, Cancelled, Changed, Closed, Corrupt, Encrypted, Error, IsADirectory, LimitExceeded, Missing, NotADirectory, NotFound,
    ParentNeeded, PermissionDenied, ReadFailed, Refused, Truncated, UnknownFormat, Unsupported,
)
from .guest import Guest, GuestFile, Tree, convert, detect, info, open  # noqa: A004

if TYPE_CHECKING:
    from .results import Conversion, Info, Report, Stat, System, Volume
    from .wrapper import GuestkitWrapper

_LATER = {"GuestkitWrapper": "wrapper", **dict.fromkeys(("Conversion", "Info", "Report", "Stat", "System", "Volume"), "results")}


def __getattr__(name: str) -> Any:
    """Import what takes half of the time of an import when it is asked for."""
    if name in ("wrapper", "results"):
        return importlib.import_module("." + name, __name__)
    if name == "__version__":
        from importlib.metadata import version

        return version("guestkit")
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(importlib.import_module("." + _LATER[name], __name__), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})


__all__ = [
    "Ambiguous", "BadOption", "Cancelled", "Changed", "Closed", "Conversion", "Corrupt", "Encrypted", "Error", "Guest", "GuestFile",
    "GuestkitWrapper", "Info", "IsADirectory", "LimitExceeded", "Missing", "NotADirectory", "NotFound", "ParentNeeded", "PermissionDenied", "ReadFailed", "Refused", "Report",
    "Stat", "System", "Tree", "Truncated", "UnknownFormat", "Unsupported", "Volume", "available", "convert", "detect", "info", "open",
]
