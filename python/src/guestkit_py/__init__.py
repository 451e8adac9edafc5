"""The seed's native module: DiskConverter, over guestkit's shared library."""

from __future__ import annotations

import os
from typing import Any, Dict

import guestkit

__all__ = ["DiskConverter"]
__version__ = "0.1.0"


class DiskConverter:
    """Converts, detects and describes disk images, with the seed's names and dictionaries."""

    def convert(self, source: str, output: str, format: str = "qcow2", compress: bool = False, flatten: bool = True) -> Dict[str, Any]:  # noqa: A002
        """Convert an image. A failure is a result with success False and the error."""
        out: Dict[str, Any] = {"source_path": source, "output_path": output, "source_format": "unknown", "output_format": format,
                               "output_size": 0, "duration_secs": 0.0, "success": False, "error": None}
        try:
            done = guestkit.convert(source, output, format=format, compress=compress, force=True)
        except guestkit.Error as e:
            out["error"] = str(e)
            return out
        out.update(source_format=done.source_format, output_format=done.output_format, output_size=os.stat(output).st_size,
                   duration_secs=done.seconds, success=True)
        return out

    def detect_format(self, image: str) -> str:
        """The format of an image, by its content."""
        return guestkit.detect(image)

    def get_info(self, image: str) -> Dict[str, Any]:
        """What an image says about itself, by the names of qemu-img."""
        i = guestkit.info(image)
        return {"filename": image, "format": i.format, "virtual-size": i.virtual_size, "actual-size": i.allocated}
