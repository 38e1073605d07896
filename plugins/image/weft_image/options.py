"""Preparation options of images."""

from __future__ import annotations

from dataclasses import dataclass

import weft

CODEBOOKS: dict[int, tuple[int, ...]] = {240: (8, 6, 5), 1000: (8, 5, 5, 5), 4375: (7, 5, 5, 5, 5)}
"""Codes to levels a dimension, after table 1 of arXiv:2309.15505."""

_SMALLEST_PATCH = 2


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """What ``--set image.NAME=VALUE`` sets.

    Attributes:
        size: Pixels a side of the square that every image becomes; ``None`` follows from the sources.
        grid: Codes a side; an image takes ``grid * (grid + 1)`` tokens, one of each row being its mark. ``None``
            follows from the size.
        color: ``gray`` or ``rgb``; ``None`` is gray where every source is.
        codes: Codes in the codebook; ``None`` is 240 for gray and 1000 for color.
        codec_steps: Steps in which the codec is learned; ``None`` follows from the number of images.
        min_size: Fewest pixels of the shorter side of a source.
        max_aspect: Longer side over shorter side of a source, at most.

    Raises:
        ValueError: ``size`` is no multiple of ``grid``.
    """

    size: int | None = weft.option(None, "pixels a side; auto follows the sources, 32 at most", minimum=8, maximum=512)
    grid: int | None = weft.option(
        None, "codes a side, which is what an image costs the model; auto follows the size", minimum=2, maximum=64
    )
    color: str | None = weft.option(None, "auto is gray where every source is", choices=("gray", "rgb"))
    codes: int | None = weft.option(None, "codes in the codebook; auto follows the color", choices=tuple(CODEBOOKS))
    codec_steps: int | None = weft.option(
        None, "steps of learning the codec; auto follows the number of images", minimum=1
    )
    min_size: int = weft.option(16, "reject images with a shorter side, in pixels", minimum=1)
    max_aspect: float = weft.option(4.0, "reject images longer than so many times their width or height", minimum=1)

    def __post_init__(self) -> None:
        if self.size is not None and self.grid is not None:
            check_grid(self.size, self.grid)


def check_grid(size: int, grid: int) -> None:
    """Raises ValueError if a code would not stand for a whole number of pixels, at least two a side."""
    if size % grid or size // grid < _SMALLEST_PATCH:
        raise ValueError(
            f"image.size ({size}) is no multiple of image.grid ({grid}), or not at least twice as much; "
            f"try image.size={max(_SMALLEST_PATCH, round(size / grid)) * grid}"
        )


def default_size(shorter_side: float) -> int:
    """Pixels a side for sources of such a median shorter side: theirs where they are small, in multiples of 4."""
    return int(min(32, max(16, shorter_side // 4 * 4)))


def default_grid(size: int) -> int:
    """Codes a side: the most that keep a code at 4 x 4 pixels or more and an image within 64 codes, or 256 above
    64 pixels.

    Raises:
        ValueError: The size cannot be divided into equal codes.
    """
    most = min(size // 4, 8 if size <= 64 else 16)
    for grid in range(most, 1, -1):
        if size % grid == 0:
            return grid
    raise ValueError(f"image.size ({size}) cannot be divided into equal codes; choose a multiple of 4")


def size_for_grid(grid: int, wanted: int) -> int:
    """The multiple of ``grid`` nearest to a size."""
    return max(_SMALLEST_PATCH, round(wanted / grid)) * grid
