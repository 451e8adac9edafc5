"""Read, inspect and convert the disk images of virtual machines.

>>> import guestkit
>>> with guestkit.open("disk.qcow2") as guest:
...     for system in guest.inspect().systems:
...         print(system.product_name, system.arch)
...     print(guest.fs().read_text("/etc/os-release"))
"""

from ._native import available
from .errors import (
    Ambiguous, BadOption, Cancelled, Changed, Closed, Corrupt, Encrypted, Error, LimitExceeded, Missing, NotFound, ParentNeeded,
    PermissionDenied, ReadFailed, Refused, Truncated, UnknownFormat, Unsupported,
)
from .guest import Guest, GuestFile, Tree, convert, detect, info, open  # noqa: A004
from .results import Conversion, Info, Report, Stat, System, Volume
from .wrapper import GuestkitWrapper

__all__ = [
    "Ambiguous", "BadOption", "Cancelled", "Changed", "Closed", "Conversion", "Corrupt", "Encrypted", "Error", "Guest", "GuestFile",
    "GuestkitWrapper", "Info", "LimitExceeded", "Missing", "NotFound", "ParentNeeded", "PermissionDenied", "ReadFailed", "Refused", "Report",
    "Stat", "System", "Tree", "Truncated", "UnknownFormat", "Unsupported", "Volume", "available", "convert", "detect", "info", "open",
]
