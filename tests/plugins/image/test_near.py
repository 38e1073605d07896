"""Near-duplicates: copies are found and decided to be the same, other pictures are not."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

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
