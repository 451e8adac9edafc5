"""The errors of guestkit, a class for each kind that the library tells apart."""

from __future__ import annotations

import errno


class Error(Exception):
    """What guestkit could not do, and why."""


class UnknownFormat(Error):
    """It is nothing of what was expected."""


class Unsupported(Error):
    """A known format, with something in it that guestkit does not read."""


class Corrupt(Error):
    """What is stored contradicts its own format."""


class Truncated(Corrupt):
    """Data is said to be where the image ends already."""


class Encrypted(Error):
    """A key is needed, or none of those given fits."""


class ParentNeeded(Error):
    """The image is a difference, and what it differs from is not there."""


class Missing(Error):
    """A further disk of the guest is needed."""


class Refused(Error):
    """The image names a file that it may not name."""


class LimitExceeded(Error):
    """It asks for more memory, time or depth than is allowed."""


class Changed(Error):
    """The image was written to while it was read."""


class Ambiguous(Error):
    """There are several, and one has to be chosen."""


class BadOption(Error, ValueError):
    """An option does not exist or does not fit."""


class NotFound(Error, FileNotFoundError):
    """There is no such file."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.errno = errno.ENOENT


class IsADirectory(Error, IsADirectoryError):
    """It is a directory, and a file is needed."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.errno = errno.EISDIR


class NotADirectory(Error, NotADirectoryError):
    """It is no directory, and one is needed."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.errno = errno.ENOTDIR


class PermissionDenied(Error, PermissionError):
    """The file may not be read."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.errno = errno.EACCES


class Closed(Error, ValueError):
    """The object was closed."""


class ReadFailed(Error, OSError):
    """A file object of the caller's failed; what it raised is the ``__cause__``."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.errno = errno.EIO


class Cancelled(Error):
    """The call was cancelled."""


_classes: dict[str, type[Error]] = {
    c.__name__: c
    for c in (
        Error, UnknownFormat, Unsupported, Corrupt, Truncated, Encrypted, ParentNeeded, Missing, Refused,
        LimitExceeded, Changed, Ambiguous, BadOption, NotFound, IsADirectory, NotADirectory, PermissionDenied, Closed, ReadFailed, Cancelled,
    )
}


def make(name: str, message: str) -> Error:
    """Make the error of a class that the library names."""
    return _classes.get(name, Error)(message)
