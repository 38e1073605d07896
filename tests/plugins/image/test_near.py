"""Near-duplicates: copies are found and decided to be the same, other pictures are not."""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

import weft
from weft_image.near import NearImages
from weft_image.pixels import fit_square

from .conftest import noise, saved


def scene(seed: int, size: int = 96) -> Image.Image:
    """Large soft shapes with some detail, as photographs have."""
    coarse = noise((6, 6), seed=seed).resize((size, size), Image.Resampling.BICUBIC)
    fine = noise((24, 24), seed=seed + 1000).resize((size, size), Image.Resampling.BICUBIC)
    return Image.blend(coarse, fine, 0.3)


def compressed(image: Image.Image) -> Image.Image:
    return Image.open(io.BytesIO(saved(image, "JPEG", quality=45))).convert("RGB")


CHANGES = {
    "compressed": compressed,
    "smaller": lambda image: image.resize((60, 60), Image.Resampling.BICUBIC),
    "cut": lambda image: image.crop((2, 0, 94, 91)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.8),
}


def cleaned(image: Image.Image, size: int = 32, mode: str = "RGB") -> Image.Image:
    return fit_square(image, size, mode)


def nominated(near: NearImages, a: Image.Image, b: Image.Image) -> bool:
    first, second = near.sign([a, b])
    shared = len(np.intersect1d(first.keys, second.keys)) > 0
    return shared and bool(near.close(first.sketch, second.sketch[None])[0])


@pytest.mark.parametrize("change", CHANGES)
def test_copies_are_nominated_and_the_same_both_ways(change: str) -> None:
    near = NearImages("on", mirrored=False)
    for seed in range(12):
        a, b = cleaned(scene(seed)), cleaned(CHANGES[change](scene(seed)))
        assert nominated(near, a, b)
        assert nominated(near, b, a)
        assert near.same(a, b)
        assert near.same(b, a)


def test_other_pictures_are_not_the_same() -> None:
    near = NearImages("on", mirrored=True)
    pictures = [cleaned(scene(seed)) for seed in range(12)]
    assert not any(near.same(a, b) for place, a in enumerate(pictures) for b in pictures[:place])


def test_a_small_change_of_what_is_shown_is_another_picture() -> None:
    before = scene(0)
    after = before.copy()
    after.paste((255, 0, 0), (30, 30, 50, 50))
    assert not NearImages("on", mirrored=False).same(cleaned(before), cleaned(after))


def drawing(color: str, wave: bool = False) -> Image.Image:
    """A heart-like shape with a shine, on white; a thin gray line beside it where asked for."""
    image = Image.new("RGB", (144, 144), "white")
    pen = ImageDraw.Draw(image)
    pen.ellipse((20, 24, 104, 108), fill=color, outline="gray", width=4)
    pen.ellipse((40, 40, 56, 56), fill="white")
    if wave:
        pen.arc((40, 20, 132, 112), -50, 50, fill=(190, 190, 190), width=5)
    return image


@pytest.mark.parametrize(
    ("a", "b"),
    [("#f44336", "#b66e54"), ("#e2e2e2", "#949494"), ("#f44336", "#f9a825")],
    ids=["red and brown", "white and gray", "red and orange"],
)
def test_a_drawing_in_another_color_is_another_picture(a: str, b: str) -> None:
    near = NearImages("on", mirrored=False)
    assert not near.same(cleaned(drawing(a)), cleaned(drawing(b)))
    assert not near.same(cleaned(drawing(b)), cleaned(drawing(a)))


@pytest.mark.parametrize("times", [0.9, 1.0, 1.1])
def test_a_faint_line_more_is_another_picture_however_bright(times: float) -> None:
    near = NearImages("on", mirrored=False)
    with_line = ImageEnhance.Brightness(drawing("#456e7e", wave=True)).enhance(times)
    assert not near.same(cleaned(drawing("#456e7e")), cleaned(with_line))


@pytest.mark.parametrize("times", [0.8, 0.9, 1.1, 1.2])
def test_a_drawing_may_be_made_brighter_and_its_paper_stay_white(times: float) -> None:
    near = NearImages("on", mirrored=False)
    for color in ("#a04030", "#305090", "#508040"):
        original = drawing(color)
        paper = ImageOps.invert(original.convert("L")).point(lambda level: 255 if level > 0 else 0)
        copy = Image.composite(ImageEnhance.Brightness(original).enhance(times), original, paper)
        assert nominated(near, cleaned(original), cleaned(copy))
        assert near.same(cleaned(original), cleaned(copy))


def test_a_plain_cloth_is_not_a_patterned_one() -> None:
    plain = np.full((28, 28), 0, np.uint8)
    plain[3:26, 5:23] = 170
    patterned = plain.copy()
    for row, column in itertools.product((5, 9, 13, 17, 21), (7, 11, 15, 19)):
        patterned[row : row + 2, column : column + 2] = 225
    near = NearImages("on", mirrored=False)
    assert not near.same(Image.fromarray(plain), Image.fromarray(patterned))


def test_mirror_images_count_only_where_asked_for() -> None:
    a, b = cleaned(scene(3)), cleaned(ImageOps.mirror(scene(3)))
    plain, both = (NearImages("on", mirrored) for mirrored in (False, True))
    assert not plain.same(a, b)
    assert both.same(a, b)
    assert nominated(both, a, b)


def test_size_and_mode_may_differ() -> None:
    near = NearImages("on", mirrored=False)
    assert near.same(cleaned(scene(1), 48), cleaned(scene(1), 32, "L"))


def test_a_signature_is_of_one_picture_alone() -> None:
    near = NearImages("on", mirrored=False)
    pictures = [cleaned(scene(seed)) for seed in range(5)]
    for alone, among in zip((near.sign([p])[0] for p in pictures), near.sign(pictures), strict=True):
        assert np.array_equal(alone.keys, among.keys)
        assert np.array_equal(alone.sketch, among.sketch)


def test_the_copy_with_more_pixels_is_the_one_to_keep() -> None:
    near = NearImages("on", mirrored=False)
    small, large = (weft.Sample(cleaned(scene(0)), figures={"pixels": count}) for count in (100.0, 400.0))
    assert near.rank(large) > near.rank(small)


def test_preparation_keeps_the_largest_of_some_copies(prepare_images: Any, tmp_path: Path) -> None:
    for seed in range(8):
        scene(seed).save(tmp_path / f"{seed}.png")
    scene(0).resize((64, 64), Image.Resampling.BICUBIC).save(tmp_path / "0-small.png")
    (tmp_path / "1-copy.jpg").write_bytes(saved(scene(1), "JPEG", quality=60))
    corpus = prepare_images(tmp_path, near="on")
    gone = {row["item"] for row in corpus.verdicts() if row["verdict"] == "rejected"}
    assert "0-small.png" in gone
    assert len(gone) == 2
