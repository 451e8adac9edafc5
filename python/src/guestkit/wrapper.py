"""The same calls by running the command, for where a shared library may not be loaded.

It needs nothing but Python and the command ``guestkit``: the one that the wheel
brings, or one in PATH.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
from typing import Any, Callable, Mapping, Optional, Union

from . import errors
from .results import Conversion, Info, Report

Path = Union[str, "os.PathLike[str]"]


def command() -> str:
    """The path of the command: GUESTKIT_COMMAND, that of the wheel, or the one in PATH."""
    stated = os.environ.get("GUESTKIT_COMMAND")
    if stated:
        return stated
    own = pathlib.Path(__file__).parent / "bin" / ("guestkit.exe" if sys.platform == "win32" else "guestkit")
    if own.is_file():
        return str(own)
    return shutil.which("guestkit") or "guestkit"


def _main() -> None:
    """Run the command that the wheel brings: what the script ``guestkit`` does."""
    args = [command(), *sys.argv[1:]]
    if sys.platform != "win32":
        os.execv(args[0], args)
    sys.exit(subprocess.run(args).returncode)


# What messages say of each kind, in the order in which the library asks.
_WORDS = (
    ("no such file", "NotFound"), ("permission denied", "PermissionDenied"), ("encrypted", "Encrypted"), ("unsupported", "Unsupported"),
    ("truncated", "Truncated"), ("limit exceeded", "LimitExceeded"), ("reference refused", "Refused"),
    ("is a directory, not a disk", "Refused"), ("is neither a file nor", "Refused"), ("parent image needed", "ParentNeeded"),
    ("incomplete", "Missing"), ("loop", "Corrupt"), ("changed while it was read", "Changed"), ("ambiguous format", "Ambiguous"),
    ("corrupt", "Corrupt"), ("not this format", "UnknownFormat"),
)


def _argument(path: Path) -> str:
    """A path of an argument; "-" is a file of that name, and not the standard input."""
    name = os.fspath(path)
    return "./-" if name == "-" else name


class GuestkitWrapper:
    """Runs the command for each call and gives the same results and errors as the library."""

    def __init__(self, guestkit_path: Optional[str] = None) -> None:
        self.guestkit_path = guestkit_path or command()

    def _document(self, *args: str, partial: bool = False) -> Mapping[str, Any]:
        """The document that a command prints; partial takes it whatever the exit code says."""
        try:
            done = subprocess.run(
                [self.guestkit_path, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, encoding="utf-8", errors="surrogateescape"
            )
        except FileNotFoundError as e:
            raise errors.NotFound(f"the command {self.guestkit_path} is not installed") from e
        if done.returncode != 0 and not (partial and done.stdout.startswith("{")):
            raise self._error(done.returncode, done.stderr)
        d = json.loads(done.stdout)
        assert isinstance(d, dict)
        return d

    @staticmethod
    def _error(code: int, text: str) -> errors.Error:
        lines = [line for line in text.strip().splitlines() if not line.startswith("Try '")]
        message = lines[-1].removeprefix("guestkit: ") if lines else f"exit code {code}"
        if code == 2:
            return errors.BadOption(message)
        if code == 3:
            return errors.NotFound(message)
        for words, name in _WORDS:
            if ": " + words in message:  # a path may have words like these
                return errors.make(name, message)
        return errors.Error(message)

    def detect(self, path: Path) -> str:
        """The format of an image, by its content."""
        return str(self._document("detect", "--json", "--", _argument(path))["format"])

    def info(self, path: Path) -> Info:
        """What an image says about itself."""
        return Info.of(os.fspath(path), self._document("info", "--json", "--", _argument(path))["image"])

    def inspect(self, path: Path) -> Report:
        """Find the operating systems of a guest and list its volumes."""
        if os.path.isdir(path):  # the command would inspect all images in it
            raise errors.Refused(f"{os.fspath(path)}: is a directory, not a disk image")
        return Report.of(self._document("inspect", "--json", "--", _argument(path), partial=True))

    def convert(
        self, src: Path, dst: Path, *, format: str = "", compress: bool = False, force: bool = False,  # noqa: A002
        progress: Optional[Callable[[int, int], None]] = None,
    ) -> Conversion:
        """Copy the disk of an image into a new one, which appears whole or not at all."""
        args = [self.guestkit_path, "convert", "--json", "--verify"]
        args += ["-O", format] if format else []
        args += ["-c"] if compress else []
        args += ["--force"] if force else []
        args += ["--progress=json"] if progress else []
        begun = time.monotonic()
        try:
            run = subprocess.Popen(
                [*args, "--", _argument(src), _argument(dst)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                text=True, encoding="utf-8", errors="surrogateescape",
            )
        except FileNotFoundError as e:
            raise errors.NotFound(f"the command {self.guestkit_path} is not installed") from e
        said: list[str] = []
        assert run.stderr is not None and run.stdout is not None
        try:
            for line in run.stderr:
                if progress is not None and line.startswith("{"):
                    try:
                        d = json.loads(line)
                        progress(int(d["transferred"]), int(d["total"]))
                        continue
                    except (ValueError, KeyError):
                        pass
                said.append(line)
            out = run.stdout.read()
        except BaseException:
            run.terminate()  # the command removes what it has begun
            run.wait()
            raise
        finally:
            run.stdout.close()
            run.stderr.close()
        if run.wait() != 0:
            raise self._error(run.returncode, "".join(said))
        d = json.loads(out) if out.strip() else {}
        sources = d.get("sources")
        source = sources[0] if isinstance(sources, list) and sources else d.get("source")
        source_format = str(source.get("format", "")) if isinstance(source, dict) else ""
        output_format = str(d.get("output_format") or d.get("format") or format)
        return Conversion(
            os.fspath(dst), source_format or self.detect(src), output_format or self.detect(dst),
            int(d.get("virtual_size", d.get("size", 0)) or 0), time.monotonic() - begun,
        )
