"""What calls return: frozen dataclasses made of the documents of docs/json.md.

Each keeps the whole document in ``raw``; fields that a newer library adds are there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping


@dataclass(frozen=True)
class Volume:
    """A place of the guest's disks that can hold a filesystem."""

    name: str
    kind: str
    size: int
    content: str
    label: str
    uuid: str
    status: str
    reason: str
    raw: Mapping[str, Any] = field(repr=False, compare=False, default_factory=dict)

    @classmethod
    def of(cls, d: Mapping[str, Any]) -> "Volume":
        return cls(
            str(d.get("name", "")), str(d.get("kind", "")), int(d.get("size", 0)), str(d.get("content", "")),
            str(d.get("label", "")), str(d.get("uuid", "")), str(d.get("status", "")), str(d.get("reason", "")), d,
        )


@dataclass(frozen=True)
class System:
    """An operating system that was found."""

    volume: str
    type: str
    distro: str
    product_name: str
    version: str
    arch: str
    hostname: str
    raw: Mapping[str, Any] = field(repr=False, compare=False, default_factory=dict)

    @classmethod
    def of(cls, d: Mapping[str, Any]) -> "System":
        def text(key: str) -> str:
            return str(d.get(key, ""))

        return cls(
            text("volume"), text("type"), text("distro"), text("product_name"), text("version"), text("arch"), text("hostname"), d
        )

    @property
    def packages(self) -> list[Mapping[str, Any]]:
        """The packages, each with name, version, arch and more."""
        found = self.raw.get("packages")
        if isinstance(found, Mapping):
            found = found.get("items")
        return list(found or [])


@dataclass(frozen=True)
class Report:
    """What the disks of a guest hold."""

    volumes: tuple[Volume, ...]
    systems: tuple[System, ...]
    complete: bool
    problems: tuple[str, ...]

    @classmethod
    def of(cls, d: Mapping[str, Any]) -> "Report":
        return cls(
            tuple(Volume.of(v) for v in d.get("volumes") or ()), tuple(System.of(s) for s in d.get("systems") or ()),
            bool(d.get("complete")), tuple(d.get("problems") or ()),
        )


@dataclass(frozen=True)
class Info:
    """What an image says about itself."""

    path: str
    format: str
    virtual_size: int
    allocated: int
    raw: Mapping[str, Any] = field(repr=False, compare=False, default_factory=dict)

    @classmethod
    def of(cls, path: str, d: Mapping[str, Any]) -> "Info":
        return cls(path, str(d.get("format", "")), int(d.get("virtual_size", 0)), int(d.get("allocated", -1)), d)


@dataclass(frozen=True)
class Conversion:
    """What convert has done."""

    output: str
    source_format: str
    output_format: str
    virtual_size: int
    seconds: float


@dataclass(frozen=True)
class Stat:
    """A file of the guest."""

    name: str
    type: str  # "file", "directory", "link", "other"
    size: int
    mode: int
    uid: int
    gid: int
    mtime: str  # RFC 3339, "" where there is none

    @classmethod
    def of(cls, d: Mapping[str, Any]) -> "Stat":
        return cls(str(d["name"]), str(d["type"]), int(d["size"]), int(d["mode"]), int(d["uid"]), int(d["gid"]), str(d.get("mtime", "")))
