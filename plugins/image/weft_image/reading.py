"""Image files to pixels: what is opened, how far it is trusted, and which picture of several is taken."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

import weft
from weft_image.pixels import flatten, is_gray

FORMATS = (
    *("AVIF", "BLP", "BMP", "CUR", "DCX", "DDS", "DIB", "FITS", "FLI", "FTEX", "GIF", "ICNS", "ICO", "IM", "JPEG"),
    *("JPEG2000", "MSP", "PCD", "PCX", "PIXAR", "PNG", "PPM", "PSD", "QOI", "SGI", "SUN", "TGA", "TIFF"),
    *("WEBP", "XBM", "XPM"),
)
"""What Pillow decodes by itself. EPS and WMF are left out, which it hands to other programs (Ghostscript runs what is
in the file), and so are containers that it only recognizes."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of its picture before any pixel is decoded.

    Attributes:
        shorter_side: In pixels.
        gray: Whether it can hold no color.
    """

    shorter_side: int
    gray: bool


def read_header(item: weft.Item) -> Header | None:
    """The header of an item; ``None`` where it is no image."""
    try:
        with item.open() as file, _opened(file) as image:
            return Header(min(image.size), is_gray(image))
    except Exception:  # Whatever is wrong with it is told when the item is read.
        return None


def read_image(item: weft.Item, wanted: int) -> Image.Image:
    """The picture of an item, upright, 8 bits a channel, gray (``L``) or ``RGB``; of several the first.

    Args:
        item: Its content decides what it is, whatever the name says.
        wanted: Pixels a side that will be needed or judged by; a JPEG is decoded at a fraction of its size that is
            still twice that.

    Raises:
        weft.UnreadableError: It is no image, is cut off, or claims so many pixels that it may be made to fill memory.
    """
    with item.open() as file, _opened(file) as image:
        image.draft(None, (2 * wanted, 2 * wanted))
        try:
            image.load()
        except OSError as error:
            raise weft.UnreadableError(f"it cannot be decoded: {error}") from error
        return flatten(ImageOps.exif_transpose(image))


@contextmanager
def _opened(file: BinaryIO) -> Iterator[Image.Image]:
    with warnings.catch_warnings():
        # Remarks on odd metadata help nobody here, but half of what Pillow takes for a bomb it only warns of.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            image = Image.open(file, formats=FORMATS)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise weft.UnreadableError(
                f"it claims more than {Image.MAX_IMAGE_PIXELS or 0:,} pixels, as files made to fill memory do; "
                f"if it is what it says, make it smaller"
            ) from error
        except UnidentifiedImageError as error:
            raise weft.UnreadableError("its content is no image, or its beginning is damaged") from error
        except OSError as error:
            raise weft.UnreadableError(f"it cannot be decoded: {error}") from error
        with image:
            yield image
