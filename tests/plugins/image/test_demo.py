"""The demo's drawings: what their captions say, the same every time, with a few bad files beside them."""

from __future__ import annotations

import csv
import hashlib
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weft_image import demo
from weft_image.demo import UNSEEN, ImageDemo
from weft_image.drawings import COLORS, FIGURES, GROUNDS, Drawing, all_drawings

COUNT = 400


@pytest.fixture
def write(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setattr(demo, "_COUNT", COUNT)

    def write_source(name: str, seed: int) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        ImageDemo().write_source(folder, seed)
        return folder

    return write_source


def digest(folder: Path) -> str:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(str(p.relative_to(folder)).encode() + p.read_bytes() for p in paths)).hexdigest()


def test_equal_seeds_give_equal_files(write: Any) -> None:
    hashes = [digest(write(name, seed)) for name, seed in (("a", 3), ("b", 3), ("c", 4))]
    assert hashes[0] == hashes[1] != hashes[2]


def test_every_drawing_has_its_caption_and_some_combinations_are_left_out(write: Any) -> None:
    folder = write("a", 0)
    with (folder / "captions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = {path.relative_to(folder).as_posix() for path in (folder / "drawings").iterdir()}
    assert {row["file_name"] for row in rows} == names
    assert len(names) == COUNT
    captions = {row["caption"] for row in rows}
    assert captions == {drawing.caption for drawing in all_drawings()} - {drawing.caption for drawing in UNSEEN}


def test_it_prepares_and_bad_files_are_rejected(write: Any, prepare_images: Any) -> None:
    corpus = prepare_images(write("a", 0), size=16, grid=4)
    counts = corpus.manifest["counts"]
    assert counts["items_rejected"] == {"unreadable": 2}
    assert counts["rejected"] == {"blank": 1, "duplicate": 1, "too-small": 1}
    assert counts["kept"] == COUNT
    rejected = {row["item"] for row in corpus.verdicts() if row["verdict"] == "rejected"}
    assert all(item.startswith("unsorted/") for item in rejected)


def test_captions_read_as_english() -> None:
    assert Drawing("star", "red", "mint").caption == "a red star on mint"
    assert Drawing("ring", "orange", "white").caption == "an orange ring on white"


@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_is_large_in_the_middle_and_of_its_color(figure: str) -> None:
    drawing = Drawing(figure, "black", "white")
    pixels = np.asarray(drawing.draw(48, random.Random(1)).convert("L"), dtype=int)
    share = (pixels < 128).mean()
    assert 0.1 < share < 0.6
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    assert edge.min() > 200
    rows, columns = np.nonzero(pixels < 128)
    assert rows.mean() == pytest.approx(24, abs=6)
    assert columns.mean() == pytest.approx(24, abs=7)


def test_colors_are_told_apart() -> None:
    shades = [np.array(color) for color in (*COLORS.values(), *GROUNDS.values())]
    apart = [np.abs(a - b).max() for i, a in enumerate(shades) for b in shades[:i]]
    assert min(apart) > 40


def test_drawings_of_one_caption_differ() -> None:
    chance = random.Random(0)
    drawings = {Drawing("heart", "red", "white").draw(48, chance).tobytes() for _ in range(20)}
    assert len(drawings) == 20


def test_requests_show_seen_and_unseen_captions() -> None:
    prompts = [request.prompt for request in ImageDemo().requests()]
    known = {drawing.caption for drawing in all_drawings()}
    assert set(prompts) <= known
    assert prompts[-len(UNSEEN) :] == [drawing.caption for drawing in UNSEEN]
    assert {word for prompt in prompts for word in (prompt or "").split()} >= {*FIGURES, *COLORS, *GROUNDS}
    options = ImageDemo().options
    assert options["image.size"] % options["image.grid"] == 0
