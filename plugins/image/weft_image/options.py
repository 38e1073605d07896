"""Preparation options of images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import weft

CODEBOOKS: dict[int, tuple[int, ...]] = {240: (8, 6, 5), 1000: (8, 5, 5, 5), 4375: (7, 5, 5, 5, 5)}
"""Codes to levels a dimension, after table 1 of arXiv:2309.15505."""

_SMALLEST_PATCH = 2

LIMITS: Mapping[str, Mapping[str, Any]] = {
    "off": dict.fromkeys(("min_contrast", "min_sharpness", "min_bytes", "min_jpeg_quality"), 0)
    | {"min_size": 16, "max_aspect": 4.0},
    "web": {
        "min_size": 200,
        "max_aspect": 3.0,
        "min_contrast": 8.0,
        "min_sharpness": 20.0,
        "min_bytes": 0.03,
        "min_jpeg_quality": 20,
    },
}
"""What the limits are where they are not given, for each value of ``quality``. Size and aspect of ``web`` are those of
DataComp's basic filtering (arXiv:2304.14108)."""


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
        tokens: About how many tokens an image costs, from which the grid follows; ``None`` leaves it to ``grid``.
        codec_folder: A published codec in a local folder, used instead of learning one.
        frames: Whether an animation gives its first picture or all of them.
        crop: How a picture becomes a square; ``pad`` fills up with white.
        crop_seed: Of the places of random squares.
        max_pixels: A file that claims more is not decoded.
        quality: ``off`` rejects what is unusable only, ``web`` suits pictures from web pages.
        min_size: Fewest pixels of the shorter side of a source; ``None`` follows from ``quality``, and so do the next.
        max_aspect: Longer side over shorter side of a source, at most.
        min_contrast: Least standard deviation of gray levels.
        min_sharpness: Least variance of the Laplacian.
        min_bytes: Fewest bytes of a file for each of its pixels.
        min_jpeg_quality: Least quality, 1 to 100, that the tables of a JPEG tell.
        nsfw: Whether the classifier of the extra ``nsfw`` judges; ``None`` goes by what is installed and the sources.
        nsfw_threshold: Least score, 0 to 1, that is rejected.
        near: Whether near-duplicates are rejected, and how sure one has to be.
        near_mirrored: Whether mirror images are near-duplicates.

    Raises:
        ValueError: ``size`` is no multiple of ``grid``, or ``tokens`` and ``grid`` contradict each other.
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
    tokens: int | None = weft.option(
        None, "about how many tokens an image costs; auto follows the grid", minimum=6, maximum=64 * 65
    )
    codec_folder: str | None = weft.option(
        None, "folder of a published VQModel (diffusers layout) to use instead of learning a codec", place=True
    )
    frames: str = weft.option("first", "pictures taken from an animation", choices=("first", "all"))
    crop: str = weft.option(
        "center", "how a square is made; pad fills up with white", choices=("center", "pad", "random")
    )
    crop_seed: int = weft.option(0, "seed of the places of random squares", minimum=0)
    max_pixels: int = weft.option(89_478_485, "reject files that claim more pixels, unread", minimum=1)
    quality: str = weft.option("off", "off rejects the unusable only; web is strict", choices=("off", "web"))
    min_size: int | None = weft.option(None, "reject a shorter side, in pixels; auto is 16, web 200", minimum=1)
    max_aspect: float | None = weft.option(
        None, "reject longer side over shorter above this; auto is 4, web 3", minimum=1
    )
    min_contrast: float | None = weft.option(None, "reject less spread of gray levels; auto is 0, web 8", minimum=0)
    min_sharpness: float | None = weft.option(
        None, "reject less variance of the Laplacian; auto is 0, web 20", minimum=0
    )
    min_bytes: float | None = weft.option(None, "reject fewer bytes a pixel; auto is 0, web 0.03", minimum=0)
    min_jpeg_quality: int | None = weft.option(
        None, "reject JPEG files of less quality; auto is 0, web 20", minimum=0, maximum=100
    )
    nsfw: str | None = weft.option(
        None, "judge by opennsfw; auto where installed, for large color pictures", choices=("off", "on")
    )
    nsfw_threshold: float = weft.option(0.8, "reject an NSFW score of at least this", minimum=0, maximum=1)
    near: str = weft.option(
        "on", "reject near-duplicates; strict only all but identical ones", choices=("off", "on", "strict")
    )
    near_mirrored: bool = weft.option(False, "mirror images are near-duplicates too")

    def __post_init__(self) -> None:
        if self.size is not None and self.grid is not None:
            check_grid(self.size, self.grid)
        if self.tokens is not None and self.grid is not None and grid_for_tokens(self.tokens) != self.grid:
            raise ValueError(
                f"image.grid ({self.grid}) makes {token_count(self.grid)} tokens an image, not about image.tokens "
                f"({self.tokens}); give one of the two"
            )


def check_grid(size: int, grid: int) -> None:
    """Raises ValueError if a code would not stand for a whole number of pixels, at least two a side."""
    if size % grid or size // grid < _SMALLEST_PATCH:
        raise ValueError(
            f"image.size ({size}) is no multiple of image.grid ({grid}), or not at least twice as much; "
            f"try image.size={max(_SMALLEST_PATCH, round(size / grid)) * grid}"
        )


def token_count(grid: int) -> int:
    """Tokens of an image: a mark and the codes of each row."""
    return grid * (grid + 1)


def grid_for_tokens(tokens: int) -> int:
    """The grid whose cost comes nearest to so many tokens; of two equally near ones the finer (64: 8 x 8)."""
    return min(range(2, 65), key=lambda grid: (abs(token_count(grid) - tokens), -grid))


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
