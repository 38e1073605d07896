"""What images bring to ``weft demo``."""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from pathlib import Path

import weft
from weft_image.drawings import Drawing, all_drawings
from weft_image.payload import ImageFormat

_COUNT = 3000
_SIZE = 48
_GRID = 6

UNSEEN = (Drawing("star", "blue", "yellow"), Drawing("heart", "green", "pink"), Drawing("moon", "purple", "white"))
"""Combinations that are never drawn: the model has to put together what it learned apart."""

_SHOWN = (
    Drawing("circle", "red", "white"),
    Drawing("star", "orange", "mint"),
    Drawing("heart", "purple", "yellow"),
    Drawing("ring", "blue", "pink"),
    Drawing("moon", "black", "yellow"),
    Drawing("triangle", "green", "white"),
    Drawing("cross", "red", "mint"),
    Drawing("square", "blue", "yellow"),
)


class ImageDemo(weft.Demo):
    """Drawings with a caption each, in a table beside them."""

    title = "Images"
    about = (
        f"{_COUNT:,} drawings of eight figures in six colors on four grounds, made on the spot and captioned in a "
        f"captions.csv. The model learns to draw what a caption asks for; the last {len(UNSEEN)} prompts are "
        "combinations that are in none of the drawings."
    )
    minutes = 1.5
    # Drawings of one caption differ by place and size alone; seeing them all is the point.
    options = {"image.size": _SIZE, "image.grid": _GRID, "image.near": "off"}  # noqa: RUF012

    def write_source(self, folder: Path, seed: int) -> None:
        chance = random.Random(seed)
        seen = [drawing for drawing in all_drawings() if drawing not in UNSEEN]
        drawings = [drawing for start in range(0, _COUNT, len(seen)) for drawing in chance.sample(seen, len(seen))]
        pictures = folder / "drawings"
        pictures.mkdir()
        with (folder / "captions.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(["file_name", "caption"])
            for number, drawing in enumerate(drawings[:_COUNT]):
                name = f"{number:04d}.png"
                ImageFormat().save(drawing.draw(_SIZE, chance), pictures / name)
                table.writerow([f"drawings/{name}", drawing.caption])
        _write_bad_files(folder / "unsorted", pictures / "0000.png")

    def requests(self) -> Sequence[weft.DemoRequest]:
        return [
            weft.DemoRequest(each.caption, n=4, sampling={"creativity": "precise", "seed": 1})
            for each in (*_SHOWN, *UNSEEN)
        ]


def _write_bad_files(folder: Path, good: Path) -> None:
    """What a folder of a user's own may hold beside good pictures."""
    from PIL import Image

    folder.mkdir()
    data = good.read_bytes()
    (folder / "copy.png").write_bytes(data)
    (folder / "cut-off.png").write_bytes(data[: len(data) // 2])
    (folder / "not-a-picture.jpg").write_text("This is text.\n", encoding="utf-8")
    for name, size in (("blank", _SIZE), ("dot", 1)):
        ImageFormat().save(Image.new("RGB", (size, size), "white"), folder / f"{name}.png")
