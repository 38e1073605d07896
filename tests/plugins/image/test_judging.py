"""Filters, options, storing, showing: the small parts of the image plugin."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

import weft
from weft.errors import OptionError
from weft.generation.request import settle
from weft.plugins.options import build_options
from weft_image.filters import Aspect, Blank, Size
from weft_image.generator import ImageGenerator
from weft_image.options import ImageOptions, default_grid
from weft_image.payload import ImageFormat
from weft_image.preparer import ImagePreparer

from .conftest import disk, noise, saved

PIXELS = st.tuples(st.integers(1, 9), st.integers(1, 9), st.booleans()).flatmap(
    lambda shape: arrays.arrays(np.uint8, shape[:2] if shape[2] else (*shape[:2], 3))
)


def code(judge: weft.Filter[Image.Image], image: Image.Image) -> str | None:
    reason = judge.check(weft.Sample(image))
    return None if reason is None else reason.code


def test_size_is_that_of_the_shorter_side() -> None:
    judge = Size(16)
    found = [code(judge, Image.new("L", size)) for size in ((16, 16), (15, 400), (400, 15))]
    assert found == [None, "too-small", "too-small"]


def test_long_pictures_are_rejected_either_way() -> None:
    judge = Aspect(4)
    found = [code(judge, Image.new("L", size)) for size in ((80, 20), (81, 20), (20, 81))]
    assert found == [None, "too-long", "too-long"]


def test_one_color_is_blank_and_a_speck_is_not() -> None:
    paper = Image.new("RGB", (32, 32), (250, 240, 200))
    assert code(Blank(), paper) == "blank"
    grain = np.asarray(paper) - np.random.default_rng(0).integers(0, 4, (32, 32, 3), dtype=np.uint8)
    assert code(Blank(), Image.fromarray(grain)) == "blank"
    paper.putpixel((3, 3), (250, 240, 190))
    assert code(Blank(), paper) is None


def test_options_are_checked() -> None:
    assert build_options("image", ImageOptions, {"image.size": "48"}) == ImageOptions(size=48)
    for name, value in (("size", "7"), ("grid", "1"), ("color", "blue"), ("codes", "1001"), ("max_aspect", "0.5")):
        with pytest.raises(OptionError, match=f"image.{name}"):
            build_options("image", ImageOptions, {f"image.{name}": value})
    with pytest.raises(OptionError, match=r"try image\.size=32"):
        build_options("image", ImageOptions, {"image.size": "30", "image.grid": "8"})


@pytest.mark.parametrize(
    ("sources", "given_options", "size", "grid", "color", "codes"),
    [
        ([(28, 28, "L")], {}, 28, 7, "gray", 240),
        ([(28, 40, "L"), (500, 600, "L"), (28, 28, "L")], {}, 28, 7, "gray", 240),
        ([(72, 72, "RGBA")], {}, 32, 8, "rgb", 1000),
        ([(640, 480, "RGB"), (480, 640, "L")], {}, 32, 8, "rgb", 1000),
        ([(18, 18, "RGB")], {}, 16, 4, "rgb", 1000),
        ([(4, 4, "1")], {}, 16, 4, "gray", 240),
        ([(72, 72, "RGB")], {"size": 64}, 64, 8, "rgb", 1000),
        ([(72, 72, "RGB")], {"grid": 6}, 30, 6, "rgb", 1000),
        ([(72, 72, "L")], {"color": "rgb", "codes": 240}, 32, 8, "rgb", 240),
        ([], {}, 32, 8, "rgb", 1000),
    ],
)
def test_defaults_follow_from_the_data(
    make_item: Any, sources: Any, given_options: Any, size: int, grid: int, color: str, codes: int
) -> None:
    items = [make_item(saved(Image.new(mode, (width, height)))) for width, height, mode in sources]
    items.append(make_item(b"no image"))
    found = ImagePreparer.resolve(ImageOptions(**given_options), items)
    assert (found.size, found.grid, found.color, found.codes) == (size, grid, color, codes)


def test_a_size_without_a_grid_gets_a_sentence() -> None:
    with pytest.raises(OptionError, match=r"image\.size \(23\).*multiple of 4"):
        ImagePreparer.resolve(ImageOptions(size=23), [])


@given(size=st.integers(2, 128).map(lambda quarter: 4 * quarter))
def test_every_multiple_of_four_has_a_grid(size: int) -> None:
    grid = default_grid(size)
    assert size % grid == 0
    assert 4 * grid <= size
    assert ImagePreparer.resolve(ImageOptions(size=size), []).grid == grid


@given(pixels=PIXELS)
def test_stored_images_come_back_the_same(pixels: Any) -> None:
    image = Image.fromarray(pixels)
    back = ImageFormat().from_bytes(ImageFormat().to_bytes(image))
    assert (back.mode, back.size, back.tobytes()) == (image.mode, image.size, image.tobytes())
    assert ImageFormat().content_hash(back) == ImageFormat().content_hash(image)


@given(pixels=PIXELS, other=PIXELS)
def test_content_hashes_tell_images_apart(pixels: Any, other: Any) -> None:
    hashes = {ImageFormat().content_hash(Image.fromarray(each)) for each in (pixels, other)}
    assert (len(hashes) == 1) == (pixels.shape == other.shape and bool((pixels == other).all()))


def test_metadata_is_not_stored() -> None:
    plain, told = noise((8, 8)), noise((8, 8))
    told.info.update(dpi=(300, 300), icc_profile=b"profile", transparency=(0, 0, 0))
    assert ImageFormat().to_bytes(told) == ImageFormat().to_bytes(plain)


def test_a_page_shows_the_image_enlarged_and_its_title_as_text(tmp_path: Path) -> None:
    image = disk("red", "white", size=28)
    fragment = ImageFormat().html(image, tmp_path / "media" / "it's.1", title='"<b>')
    found = re.fullmatch(r'<img src="([^"]*)" alt="([^"]*)" width="112" height="112" style="[^"]*">', fragment)
    assert found is not None
    assert found[1] == "media/it&#x27;s.1.png"
    assert found[2] == "&quot;&lt;b&gt;"
    with Image.open(tmp_path / "media" / "it's.1.png") as shown:
        assert shown.tobytes() == image.tobytes()


def test_creativity_goes_from_safe_to_wild() -> None:
    settled = [
        settle(ImageGenerator(), weft.SamplingOptions(seed=0), creativity)
        for creativity in ("precise", "balanced", "creative", None)
    ]
    assert settled[1] == settled[3]
    temperatures = [options.temperature for options in settled[:3]]
    guidance = [options.guidance for options in settled[:3]]
    assert temperatures == sorted(temperatures)
    assert guidance == sorted(guidance, reverse=True)


def test_the_entry_module_is_light() -> None:
    names = "torch", "torchvision", "PIL", "numpy"
    probe = f"import sys, weft_image; print([n for n in {names} if n in sys.modules], end='')"
    assert subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout == "[]"


def test_torchvision_is_not_waited_for() -> None:
    """Importing it takes longer than reading thousands of pictures."""
    probe = "import sys, weft_image.preparer, weft_image.published; print('torchvision' in sys.modules, end='')"
    assert subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout == "False"
