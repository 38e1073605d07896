"""Image files to pixels: what is opened, how far it is trusted, and which picture of several is taken."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

import weft
from weft_image.pixels import flatten, is_gray

FORMATS = (
    *("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "BLP", "CUR", "DCX", "DDS", "DIB", "FITS", "FLI", "FTEX"),
    *("ICNS", "ICO", "IM", "JPEG2000", "MSP", "PCD", "PCX", "PIXAR", "PPM", "PSD", "QOI", "SGI", "SUN", "TGA"),
    *("XBM", "XPM"),
)
"""What Pillow decodes by itself, the usual first, for each is tried until one fits. EPS and WMF are left out, which it
hands to other programs (Ghostscript runs what is in the file), and so are containers that it only recognizes."""


PIXELS, BYTES_PER_PIXEL, JPEG_QUALITY = "pixels", "bytes_per_pixel", "jpeg_quality"
"""Names of figures."""

_REFERENCE_STEPS = 3688
"""Sum of the luminance table of Annex K."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of its picture before any pixel is decoded.

    Attributes:
        shorter_side: In pixels.
        gray: Whether it can hold no color.
    """

    shorter_side: int
    gray: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a file.

    Attributes:
        image: Upright, 8 bits a channel, gray (``L``) or ``RGB``.
        figures: Of the file: ``pixels`` and ``bytes_per_pixel`` as it states them, and ``jpeg_quality`` of a JPEG.
    """

    image: Image.Image
    figures: Mapping[str, float]


def read_header(item: weft.Item, max_pixels: int) -> Header | None:
    """The header of an item; ``None`` where it is no image."""
    try:
        with item.open() as file, _opened(file, max_pixels) as image:
            return Header(min(image.size), is_gray(image))
    except Exception:  # Whatever is wrong with it is told when the item is read.
        return None


def read_pictures(item: weft.Item, wanted: int, max_pixels: int, every: bool) -> Iterator[Picture | weft.Unreadable]:
    """The pictures of an item: the first, or every frame of an animation.

    Args:
        item: Its content decides what it is, whatever the name says.
        wanted: Pixels a side that will be needed or judged by; a JPEG is decoded at a fraction of its size that is
            still twice that.
        max_pixels: More than so many are not decoded.
        every: All frames; one that cannot be decoded ends the item.

    Raises:
        weft.UnreadableError: It is no image, its first picture is cut off, or it claims too many pixels.
    """
    with item.open() as file, _opened(file, max_pixels) as image:
        figures = _file_figures(image, item.size)
        image.draft(None, (2 * wanted, 2 * wanted))
        for number in range(getattr(image, "n_frames", 1) if every else 1):
            try:
                image.seek(number)
                image.load()
            except (OSError, EOFError, SyntaxError) as error:
                if number == 0:
                    raise weft.UnreadableError(f"it cannot be decoded: {error}") from error
                yield weft.Unreadable(f"frame {number} cannot be decoded: {error}")
                return
            yield Picture(flatten(_upright(image)), figures)


def _upright(image: Image.Image) -> Image.Image:
    # The transposition of what is upright would be one more copy of it.
    if image.getexif().get(ExifTags.Base.Orientation, 1) == 1:
        return image
    return ImageOps.exif_transpose(image)


def _file_figures(image: Image.Image, size: int) -> dict[str, float]:
    pixels = image.width * image.height
    figures = {PIXELS: float(pixels), BYTES_PER_PIXEL: size / pixels}
    tables = getattr(image, "quantization", None)
    if image.format == "JPEG" and tables:
        figures[JPEG_QUALITY] = jpeg_quality(tables[min(tables)])
    return figures


def jpeg_quality(table: Sequence[int]) -> float:
    """The quality, 1 to 100, at which the reference encoder (Annex K of ITU-T T.81, as scaled by the Independent JPEG
    Group) would write steps as large as these on average."""
    scale = 100 * sum(table) / _REFERENCE_STEPS
    quality = (200 - scale) / 2 if scale <= 100 else 5000 / scale
    return min(100.0, max(1.0, quality))


@contextmanager
def _opened(file: BinaryIO, max_pixels: int) -> Iterator[Image.Image]:
    before = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        # Remarks on odd metadata help nobody here, but half of what Pillow takes for a bomb it only warns of.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        Image.MAX_IMAGE_PIXELS = max_pixels
        try:
            with _decoder(file, max_pixels) as image:
                yield image
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _decoder(file: BinaryIO, max_pixels: int) -> Image.Image:
    try:
        return Image.open(file, formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise weft.UnreadableError(
            f"it claims more than {max_pixels:,} pixels, as files made to fill memory do; if it is what it says, make "
            "it smaller, or raise image.max_pixels"
        ) from error
    except UnidentifiedImageError as error:
        raise weft.UnreadableError("its content is no image, or its beginning is damaged") from error
    except OSError as error:
        raise weft.UnreadableError(f"it cannot be decoded: {error}") from error
