"""Which images are kept."""

from __future__ import annotations

from typing import Literal

from PIL.Image import Image

import weft

_PLAIN = 3
"""Levels of 256 that a channel of a plain surface may vary by, after compression say."""


class Size(weft.Filter[Image]):
    """Rejects what has too few pixels to show anything.

    Args:
        least: Fewest pixels of the shorter side.
    """

    name = "size"
    on: Literal["raw", "clean"] = "raw"

    def __init__(self, least: int) -> None:
        self._least = least

    def check(self, sample: weft.Sample[Image]) -> weft.Reason | None:
        width, height = sample.payload.size
        if min(width, height) >= self._least:
            return None
        return weft.Reason("too-small", f"{width} x {height} pixels, fewer than image.min_size = {self._least} a side")


class Aspect(weft.Filter[Image]):
    """Rejects what is so long that its middle square shows little of it.

    Args:
        most: Longer side over shorter side, at most.
    """

    name = "aspect"
    on: Literal["raw", "clean"] = "raw"

    def __init__(self, most: float) -> None:
        self._most = most

    def check(self, sample: weft.Sample[Image]) -> weft.Reason | None:
        width, height = sample.payload.size
        if max(width, height) <= self._most * min(width, height):
            return None
        return weft.Reason("too-long", f"{width} x {height} pixels, longer than image.max_aspect = {self._most:g} to 1")


class Blank(weft.Filter[Image]):
    """Rejects a plain surface of one color."""

    name = "blank"

    def check(self, sample: weft.Sample[Image]) -> weft.Reason | None:
        bands = sample.payload.split()
        extremes = [band.getextrema() for band in bands]
        if any(float(high) - float(low) > _PLAIN for low, high in extremes):  # type: ignore[arg-type]
            return None
        return weft.Reason("blank", "it shows nothing but one color")
