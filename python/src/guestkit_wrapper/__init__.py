"""The seed's wrapper: the same names, arguments and results, over guestkit's own."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import Any, Dict, Optional

import guestkit
from guestkit.wrapper import GuestkitWrapper as _Wrapper

__all__ = ["ConversionResult", "GuestkitWrapper"]


@dataclass
class ConversionResult:
    """What a conversion did; a failure has success False and the error."""

    source_path: str
    output_path: str
    source_format: str
    output_format: str
    output_size: int
    duration_secs: float
    success: bool
    error: Optional[str] = None


class GuestkitWrapper:
    """Runs the command guestkit, as the seed's wrapper did. Failures are results, not exceptions."""

    def __init__(self, guestkit_path: str = "guestkit", logger: Optional[logging.Logger] = None) -> None:
        self._wrapper = _Wrapper(None if guestkit_path == "guestkit" else guestkit_path)
        self.guestkit_path = self._wrapper.guestkit_path
        self.logger = logger or logging.getLogger(__name__)

    def convert(
        self, source_path: str, output_path: str, output_format: str = "qcow2", compress: bool = False, flatten: bool = True, verbose: bool = False
    ) -> ConversionResult:
        """Convert an image. Chains are always flattened; an output that exists is replaced, as the seed did."""
        try:
            done = self._wrapper.convert(source_path, output_path, format=output_format, compress=compress, force=True)
        except guestkit.Error as e:
            self.logger.error("conversion failed: %s", e)
            return ConversionResult(source_path, output_path, "unknown", output_format, 0, 0.0, False, str(e))
        return ConversionResult(source_path, output_path, done.source_format, done.output_format, os.stat(output_path).st_size, done.seconds, True)

    def detect_format(self, image_path: str) -> str:
        """The format of an image, "unknown" where it cannot be told."""
        try:
            return self._wrapper.detect(image_path)
        except guestkit.Error as e:
            self.logger.error("detection failed: %s", e)
            return "unknown"

    def get_info(self, image_path: str) -> Dict[str, Any]:
        """What an image says about itself, by the names of qemu-img; empty after a failure."""
        try:
            i = self._wrapper.info(image_path)
        except guestkit.Error as e:
            self.logger.error("info failed: %s", e)
            return {}
        return {"filename": image_path, "format": i.format, "virtual-size": i.virtual_size, "actual-size": i.allocated}
