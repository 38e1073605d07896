"""Image files as they are found: what each comes out as, and what is refused."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

import weft
from weft_image.options import ImageOptions
from weft_image.pixels import fit_square, flatten
from weft_image.preparer import ImagePreparer
from weft_image.reading import FORMATS

from .conftest import disk, noise, saved

CORNERS = np.array([[0, 80], [160, 240]], dtype=np.uint8).repeat(16, 0).repeat(16, 1)
"""Four gray quarters: upper left black, lower right nearly white."""


def quarters(image: Image.Image) -> list[Any]:
    """Pixels in the middle of each quarter, row by row."""
    low, high = image.width // 4, 3 * image.width // 4
    return [image.getpixel(place) for place in ((low, low), (high, low), (low, high), (high, high))]


@pytest.mark.parametrize(
    ("kind", "tolerance"),
    [("PNG", 0), ("BMP", 0), ("TIFF", 0), ("PPM", 0), ("TGA", 0), ("WEBP", 24), ("JPEG", 24), ("AVIF", 24), ("GIF", 3)],
)
def test_common_formats(read: Any, kind: str, tolerance: int) -> None:
    picture = disk("red", "white")
    found = read(saved(picture, kind), f"a.{kind.lower()}")
    assert found.mode == "RGB"
    assert found.size == (32, 32)
    assert np.abs(np.asarray(found, int) - np.asarray(picture, int)).mean() <= tolerance


def test_content_decides_whatever_the_name_says(read: Any) -> None:
    assert read(saved(disk("red", "white"), "JPEG"), "really_jpeg.png").getpixel((16, 16))[0] > 240


def test_registered_extensions_are_those_of_the_formats(image_registry: Any) -> None:
    Image.init()
    known = {extension for extension, kind in Image.registered_extensions().items() if kind in FORMATS}
    # Pillow opens a multi-picture JPEG as a JPEG.
    assert image_registry.modalities["image"].extensions == known | {".mpo"}
    assert set(FORMATS) <= set(Image.OPEN)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_exif_orientation_turns_the_picture_upright(read: Any, orientation: int, kind: str) -> None:
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    upright = Image.fromarray(CORNERS)
    lying = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = read(saved(lying, kind, exif=exif))
    assert quarters(found) == pytest.approx([0, 80, 160, 240], abs=6)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_clipped(read: Any, kind: str) -> None:
    wide = Image.fromarray(CORNERS.astype(np.uint16) * 257)
    assert wide.mode == "I;16"
    found = read(saved(wide, kind))
    assert found.mode == "L"
    assert quarters(found) == [0, 80, 160, 240]


def test_sixteen_bit_colors_with_alpha(read: Any) -> None:
    """Pillow writes no such PNG, so its chunks are put together here: half transparent green."""
    pixels = struct.pack(">4H", 0, 65_535, 0, 32_768) * 16
    chunks = [(b"IHDR", struct.pack(">2I5B", 16, 16, 16, 6, 0, 0, 0)), (b"IDAT", zlib.compress((b"\0" + pixels) * 16))]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in [*chunks, (b"IEND", b"")]
    )
    assert read(data).getpixel((8, 8)) == pytest.approx((127, 255, 127), abs=1)


@pytest.mark.parametrize("white", [1.0, 255.0, 65_535.0])
def test_floating_point_tells_its_white_by_its_range(read: Any, white: float) -> None:
    image = Image.fromarray((CORNERS / 255 * white).astype(np.float32))
    assert quarters(read(saved(image, "TIFF"), "a.tiff")) == pytest.approx([0, 80, 160, 240], abs=1)


def test_pixels_that_are_not_numbers_are_refused(read: Any) -> None:
    with pytest.raises(weft.UnreadableError, match="not numbers"):
        read(saved(Image.fromarray(np.full((20, 20), np.nan, np.float32)), "TIFF"))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_what_is_transparent_shows_white(read: Any, mode: str) -> None:
    image = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 32, 16))
    found = read(saved(image.convert(mode), "TIFF" if mode == "PA" else "PNG")).convert("RGB")
    assert quarters(found) == [(0, 0, 0)] * 2 + [(255, 255, 255)] * 2


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_any_opacity_lets_as_much_of_the_white_through(mode: str) -> None:
    level, opacity = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    found = np.asarray(flatten(Image.fromarray(np.stack([level] * 3 + [opacity], -1)).convert(mode)), float)
    wanted = (level * (opacity / 255) + 255 - opacity).round()
    assert np.abs(found.reshape(256, 256, -1) - wanted[..., None]).max() <= 1


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_transparent_entry_of_a_palette_shows_white(read: Any, kind: str) -> None:
    image = disk("blue", "black").convert("P", palette=Image.Palette.ADAPTIVE)
    found = read(saved(image, kind, transparency=image.getpixel((0, 0))))
    assert found.getpixel((0, 0)) == (255, 255, 255)
    assert found.getpixel((16, 16)) == (0, 0, 255)


def test_palettes_of_grays_are_gray(read: Any) -> None:
    assert read(saved(Image.fromarray(CORNERS).convert("P"))).mode == "L"
    assert read(saved(disk("blue", "black").convert("P"))).mode == "RGB"


def test_one_bit(read: Any) -> None:
    found = read(saved(Image.fromarray(CORNERS).convert("1", dither=Image.Dither.NONE)))
    assert found.mode == "L"
    assert quarters(found) == [0, 0, 255, 255]


def test_cmyk(read: Any) -> None:
    found = read(saved(disk("red", "white").convert("CMYK"), "JPEG", quality=95), "a.jpg")
    assert found.getpixel((16, 16)) == pytest.approx((255, 0, 0), abs=12)
    assert found.getpixel((0, 0)) == pytest.approx((255, 255, 255), abs=12)


def test_colors_of_a_profile_become_srgb(read: Any) -> None:
    """Under a profile whose red primary is the blue of sRGB, and the other way round, the numbers change places."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"____").replace(b"bXYZ", b"rXYZ").replace(b"____", b"bXYZ")
    picture = disk((200, 80, 30), "black")
    colors = [read(saved(picture, icc_profile=p)).getpixel((16, 16)) for p in (None, srgb, swapped, b"no profile")]
    assert colors[0] == colors[3] == (200, 80, 30)
    assert colors[1] == pytest.approx((200, 80, 30), abs=2)
    assert colors[2] == pytest.approx((30, 80, 200), abs=3)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_of_several_pictures_is_taken(read: Any, kind: str) -> None:
    frames = [disk(color, "white") for color in ("red", "lime", "blue")]
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:])
    red, green, blue = read(data).getpixel((16, 16))
    assert red > 200
    assert max(green, blue) < 60


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "WEBP"])
def test_files_that_are_cut_off_are_refused(read: Any, kind: str) -> None:
    data = saved(noise((64, 64)), kind)
    with pytest.raises(weft.UnreadableError):
        read(data[: len(data) // 2], size=32)


@pytest.mark.parametrize("data", [b"", b"plain text", b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_what_is_no_image_is_refused_without_naming_objects(read: Any, data: bytes) -> None:
    with pytest.raises(weft.UnreadableError) as caught:
        read(data)
    assert "<" not in str(caught.value)


def test_a_bomb_is_refused_by_its_header(read: Any) -> None:
    head = saved(Image.new("1", (8, 8)))
    place = head.index(b"IHDR") + 4
    header = struct.pack(">II", 20_000, 20_000) + head[place + 8 : place + 13]
    bomb = head[:place] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + head[place + 17 :]
    with pytest.raises(weft.UnreadableError, match=r"more than 89,478,485 pixels"):
        read(bomb)
    # Of this many Pillow itself would only warn.
    header = struct.pack(">II", 10_000, 10_000) + head[place + 8 : place + 13]
    bomb = head[:place] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + head[place + 17 :]
    with pytest.raises(weft.UnreadableError, match=r"more than 89,478,485 pixels"):
        read(bomb)


def test_captions_come_from_the_table_or_the_folder(make_item: Any) -> None:
    data = saved(disk("red", "white"))
    preparer = ImagePreparer(ImagePreparer.resolve(ImageOptions(), []))
    for item, caption in (
        (make_item(data, "x/a.png", caption="a red disk"), "a red disk"),
        (make_item(data, "red_disk/a.png"), "red disk"),
        (make_item(data, "a.png"), None),
    ):
        (sample,) = preparer.read(item)
        assert isinstance(sample, weft.Sample)
        assert preparer.clean(sample).prompt == caption


@settings(max_examples=60)
@given(
    mode=st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F", "I;16"]),
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    size=st.integers(2, 48),
    wanted=st.sampled_from(["L", "RGB"]),
)
def test_any_picture_becomes_a_bare_square(mode: str, width: int, height: int, size: int, wanted: str) -> None:
    image = Image.new(mode, (width, height))
    image.info["comment"] = "to be left behind"
    found = fit_square(flatten(image), size, wanted)
    assert found.size == (size, size)
    assert found.mode == wanted
    assert not found.info


def test_what_fits_is_left_as_it_is() -> None:
    image = noise((28, 28), "L")
    assert fit_square(image, 28, "L").tobytes() == image.tobytes()


def test_shrinking_does_not_alias() -> None:
    stripes = Image.fromarray(np.tile(np.array([0, 255], np.uint8), (256, 128)))
    shrunk = np.asarray(fit_square(stripes, 16, "L"), dtype=int)
    assert np.abs(shrunk - 127).max() < 12


def test_large_jpegs_are_decoded_small(make_item: Any) -> None:
    """The square is the same, but for rounding, as that of the whole picture."""
    image = noise((8, 6)).resize((1600, 1200), Image.Resampling.BICUBIC)
    data = saved(image, "JPEG", quality=95)
    preparer = ImagePreparer(ImagePreparer.resolve(ImageOptions(size=32), []))
    (sample,) = preparer.read(make_item(data, "a.jpg"))
    assert isinstance(sample, weft.Sample)
    assert 64 <= min(sample.payload.size) < 600
    whole = fit_square(Image.open(io.BytesIO(data)), 32, "RGB")
    assert np.abs(np.asarray(preparer.clean(sample).payload, int) - np.asarray(whole, int)).mean() < 3
