"""Which images are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from PIL import ImageStat
from PIL.Image import Image

import weft
from weft_image.reading import BYTES_PER_PIXEL, JPEG_QUALITY

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


class Contrast(weft.Filter[Image]):
    """Rejects what is nearly blank.

    Args:
        least: Smallest standard deviation of gray levels, of 255.
    """

    name = "contrast"

    def __init__(self, least: float) -> None:
        self._least = least

    def measure(self, sample: weft.Sample[Image]) -> Mapping[str, float]:
        return {"contrast": ImageStat.Stat(sample.payload.convert("L")).stddev[0]}

    def check(self, sample: weft.Sample[Image]) -> weft.Reason | None:
        found = sample.figures["contrast"]
        if found >= self._least:
            return None
        return weft.Reason(
            "faint", f"gray levels spread by {found:.1f}, less than image.min_contrast = {self._least:g}"
        )


class Sharpness(weft.Filter[Image]):
    """Rejects what is out of focus: the variance of the Laplacian of gray levels.

    Args:
        least: Smallest variance.
        side: Larger pictures are judged at so many pixels of their shorter side, so that one limit serves all.
    """

    name = "sharpness"
    on: Literal["raw", "clean"] = "raw"
    source = (
        "Pech-Pacheco et al. 2000, Diatom autofocusing in brightfield microscopy: a comparative study "
        "(variance of the Laplacian)"
    )

    def __init__(self, least: float, side: int) -> None:
        self._least = least
        self._side = side

    def measure(self, sample: weft.Sample[Image]) -> Mapping[str, float]:
        gray = sample.payload.convert("L")
        times = self._side / min(gray.size)
        if times < 1:
            gray = gray.resize((max(1, round(gray.width * times)), max(1, round(gray.height * times))))
        levels = np.asarray(gray, dtype=np.float32)
        if min(levels.shape) < 3:
            return {"sharpness": 0.0}
        inner = levels[1:-1, 1:-1]
        around = levels[:-2, 1:-1] + levels[2:, 1:-1] + levels[1:-1, :-2] + levels[1:-1, 2:]
        return {"sharpness": float((around - 4 * inner).var())}

    def check(self, sample: weft.Sample[Image]) -> weft.Reason | None:
        found = sample.figures["sharpness"]
        if found >= self._least:
            return None
        return weft.Reason("blurred", f"its sharpness is {found:.1f}, less than image.min_sharpness = {self._least:g}")


class Compression(weft.Filter[Image]):
    """Rejects files with so few bytes for their pixels that not much can be left of a picture.

    Args:
        least: Fewest bytes a pixel.
    """

    name = "compression"
    on: Literal["raw", "clean"] = "raw"

    def __init__(self, least: float) -> None:
        self._least = least

    def check(self, sample: weft.Sample[Image]) -> weft.Reason | None:
        found = sample.figures.get(BYTES_PER_PIXEL)
        if found is None or found >= self._least:
            return None
        return weft.Reason("compressed", f"{found:.3f} bytes a pixel, fewer than image.min_bytes = {self._least:g}")


class JpegQuality(weft.Filter[Image]):
    """Rejects JPEG files whose quantization tables tell of blocks and rings.

    Args:
        least: Lowest quality, 1 to 100.
    """

    name = "jpeg-quality"
    on: Literal["raw", "clean"] = "raw"
    source = "ITU-T T.81, Annex K, and the scale of qualities of the Independent JPEG Group"

    def __init__(self, least: float) -> None:
        self._least = least

    def check(self, sample: weft.Sample[Image]) -> weft.Reason | None:
        found = sample.figures.get(JPEG_QUALITY)
        if found is None or found >= self._least:
            return None
        return weft.Reason("compressed", f"JPEG quality {found:.0f}, below image.min_jpeg_quality = {self._least:g}")
