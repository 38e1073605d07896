"""The image demo: is the drawing that is generated the one that was asked for?

Limit: figure, color and ground all right for at least 90 % of the generated drawings whose captions occur in the data;
combinations that never occur are reported beside. Three classifiers judge, fitted on real drawings and tried on others
that they have not seen.

    python benchmarks/drawings.py [--minutes M] [--each N] [--threads N] [--grid FILE]
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from judge import Judge, fit_judge
from PIL import Image
from stopwatch import Stopwatch
from torch import Tensor

import weft
from weft_image.demo import UNSEEN, ImageDemo
from weft_image.drawings import Drawing, all_drawings

LIMIT = 0.9
PARTS = ("figure", "color", "ground")
SIZE = 48
ASKED = 48
"""Captions that are asked for, of those that occur."""


def pictures(images: Sequence[Image.Image]) -> Tensor:
    """``(N, 3, SIZE, SIZE)`` in [-1, 1]."""
    arrays = np.stack([np.asarray(image.convert("RGB").resize((SIZE, SIZE)), dtype=np.float32) for image in images])
    return torch.from_numpy(arrays).movedim(-1, 1) / 127.5 - 1


def real_drawings(takes: int, seed: int) -> tuple[Tensor, list[Drawing]]:
    """Every combination so many times, as the demo draws them."""
    chance = random.Random(seed)
    drawings = [drawing for drawing in all_drawings() for _ in range(takes)]
    return pictures([drawing.draw(SIZE, chance) for drawing in drawings]), drawings


def names(drawings: Sequence[Drawing], part: str) -> list[str]:
    return [getattr(drawing, part) for drawing in drawings]


def fit_judges() -> dict[str, Judge]:
    """A classifier for each part of a caption."""
    learned, tried = real_drawings(6, seed=1), real_drawings(1, seed=2)
    return {
        part: fit_judge(learned[0], names(learned[1], part), tried[0], names(tried[1], part)) for part in PARTS
    }  # fmt: skip


def report(judges: Mapping[str, Judge], what: str, made: Mapping[Drawing, Sequence[Image.Image]]) -> float:
    """Print the shares that are right, and return that of drawings with all parts right."""
    seen = pictures([image for images in made.values() for image in images])
    wanted = [drawing for drawing, images in made.items() for _ in images]
    right = {part: np.array(judge.classify(seen)) == np.array(names(wanted, part)) for part, judge in judges.items()}
    every = float(np.logical_and.reduce(list(right.values())).mean())
    parts = ", ".join(f"{part} right {each.mean():.3f}" for part, each in right.items())
    print(f"{len(wanted)} {what}: {parts}, all of it {every:.3f}")
    return every


def draw_grid(made: Mapping[Drawing, Sequence[Image.Image]], path: Path, columns: int = 8) -> None:
    """The first drawing of each caption."""
    firsts = [images[0] for images in made.values()]
    sheet = Image.new("RGB", (columns * (SIZE + 4), -(-len(firsts) // columns) * (SIZE + 4)), "white")
    for place, image in enumerate(firsts):
        sheet.paste(image, (place % columns * (SIZE + 4), place // columns * (SIZE + 4)))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def main() -> int:
    demo = ImageDemo()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=demo.minutes, help="of training")
    parser.add_argument("--each", type=int, default=4, help="drawings for each caption")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--grid", type=Path, default=Path("out/drawings.png"))
    given = parser.parse_args()
    watch = Stopwatch()
    seen = [drawing for drawing in all_drawings() if drawing not in UNSEEN]
    asked = random.Random(0).sample(seen, ASKED)
    sampling = demo.requests()[0].sampling
    with tempfile.TemporaryDirectory(prefix="weft-benchmark-") as name:
        folder = Path(name)
        (folder / "source").mkdir()
        demo.write_source(folder / "source", 0)
        with watch("prepare"):
            corpus = weft.prepare(folder / "source", out=folder / "corpus", options=demo.options)
        with watch("train"):
            run = weft.train(corpus, out=folder / "run", minutes=given.minutes, threads=given.threads, seed=1)
        with watch("generate"):
            made = {
                drawing: [each.payload for each in run.generate(drawing.caption, n=given.each, **sampling)]
                for drawing in (*asked, *UNSEEN)
            }
    draw_grid(made, given.grid)
    judges = fit_judges()
    watch.report()
    print("real drawings: " + ", ".join(f"{part} right {judge.accuracy:.3f}" for part, judge in judges.items()))
    reached = report(judges, "drawings", {drawing: made[drawing] for drawing in asked})
    report(judges, "drawings of combinations that never occurred", {drawing: made[drawing] for drawing in UNSEEN})
    print(f"all right {reached:.3f}  limit {LIMIT}: {'kept' if reached >= LIMIT else 'MISSED'}; grid: {given.grid}")
    return int(reached < LIMIT)


if __name__ == "__main__":
    sys.exit(main())
