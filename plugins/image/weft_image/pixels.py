"""Pixels of any kind to 8-bit gray or RGB, and to the square that the codec learns from."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

import weft

_GRAY_MODES = frozenset({"1", "L", "LA", "La"})
_WHITES = (255.0, 65_535.0)


def is_gray(image: Image.Image) -> bool:
    """Whether the header tells that no pixel has a color."""
    if image.mode == "P":
        return all(low == high for low, high in _palette_extremes(image))
    return image.mode in _GRAY_MODES or _is_wide(image)


def flatten(image: Image.Image) -> Image.Image:
    """The picture as ``L`` or ``RGB``.

    More than 8 bits are scaled, not clipped; colors of an embedded profile become sRGB; what is transparent shows
    white.

    Returns:
        A new image, without any metadata.

    Raises:
        weft.UnreadableError: It has pixels that are not numbers.
    """
    mode = "L" if is_gray(image) else "RGB"
    flat = _narrowed(image) if _is_wide(image) else _in_srgb(image)
    if flat.has_transparency_data:
        flat = _on_white(flat)
        return flat if flat.mode == mode else flat.convert(mode)
    flat = flat.convert(mode)
    flat.info.clear()
    return flat


def fit_square(
    image: Image.Image, size: int, mode: str, place: tuple[float, float] = (0.5, 0.5), pad: bool = False
) -> Image.Image:
    """Scale, with antialiasing, and cut a square out or fill one up.

    Args:
        image: ``L`` or ``RGB``, without metadata.
        size: Pixels a side.
        mode: ``L`` or ``RGB``.
        place: Where along what is left over, from 0 to 1, the square begins, from the left and from the top.
        pad: Keep the whole picture and fill what is missing with white.

    Returns:
        The same image where nothing was to be done.
    """
    image = image if image.mode == mode else image.convert(mode)
    if image.size != (size, size):
        reference = max(image.size) if pad else min(image.size)
        width, height = (max(1, round(side * size / reference)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    if image.size != (size, size):
        square = Image.new(mode, (size, size), "white")
        square.paste(image, (round((size - image.width) * place[0]), round((size - image.height) * place[1])))
        return square
    return image


def _is_wide(image: Image.Image) -> bool:
    return image.mode in ("I", "F") or image.mode.startswith("I;")


def _narrowed(image: Image.Image) -> Image.Image:
    """Gray of 16 or 32 bits as 8: white is what the format says, or the least usual white that holds every pixel."""
    values = np.asarray(image, dtype=np.float64)
    top = float(values.max())
    if not np.isfinite(values).all():
        raise weft.UnreadableError("it has pixels that are not numbers (infinite, or NaN)")
    whites = (65_535.0,) if image.mode.startswith("I;") else (1.0, *_WHITES) if image.mode == "F" else _WHITES
    white = next((white for white in whites if top <= white), top)
    return Image.fromarray(np.rint(values.clip(0, white) * (255 / white)).astype(np.uint8))


def _on_white(image: Image.Image) -> Image.Image:
    layer = image if image.mode == "RGBA" else image.convert("RGBA")
    ground = Image.new("RGB", layer.size, "white")
    ground.paste(layer, mask=layer)
    return ground


def _in_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA", "CMYK"):
        return image
    try:
        return ImageCms.applyTransform(image, _transform(profile, image.mode)) or image
    except (ImageCms.PyCMSError, OSError):
        return image  # A damaged profile is no reason to do without the picture.


@lru_cache(maxsize=32)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform:
    """To sRGB; remembered, for the pictures of one camera or program have one profile.

    Raises:
        PyCMSError: The profile is damaged, or is not one for such pixels.
    """
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGBA" if mode == "RGBA" else "RGB")


def _palette_extremes(image: Image.Image) -> list[tuple[int, int]]:
    """Least and greatest channel of each entry of the palette."""
    palette = np.asarray(image.getpalette("RGB") or [], dtype=np.uint8).reshape(-1, 3)
    return [(int(entry.min()), int(entry.max())) for entry in palette]
