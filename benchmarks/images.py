"""Captioned pictures of Fashion-MNIST in four minutes: are they what was asked for, and how close to real ones?

Limits, on two cores: 4 minutes for preparing, training and generating; class right at least 0.95 of the judge's own
accuracy; Fréchet distance at most twice that of temperature 1 without guidance; codec at least 23 dB on source pixels.

    python benchmarks/images.py [FOLDER] [--minutes M | --steps N] [--per-class N] [--threads N] [--grid FILE]

FOLDER holds a folder of pictures for each class. A grid of generated pictures is written to FILE.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from judge import Judge, fit_judge, frechet_distance
from PIL import Image, ImageDraw
from stopwatch import Stopwatch
from torch import Tensor

import weft
from weft_image.codec import ImageFSQ
from weft_image.learning import psnr

DATA = Path(__file__).parents[2] / "shared" / "data" / "image" / "fashion_mnist"
SECONDS = 240
CLASS_RIGHT = 0.95
DISTANCE = 2.0
PSNR = 23.0
PLAIN = {"temperature": 1.0, "top_p": 1.0, "guidance": 1.0}
"""What the distance is compared with: the model's own distribution."""
SHOWN = 10
HELD_OUT = 10
"""The judge is tested on every so manieth picture."""


@dataclass(frozen=True, slots=True)
class Real:
    """The source pictures with the prompts that ask for their classes."""

    names: Sequence[str]
    images: Sequence[Image.Image]
    prompts: Sequence[str]

    @classmethod
    def read(cls, folder: Path) -> Real:
        paths = sorted(path for path in folder.rglob("*") if path.suffix == ".png")
        images = [Image.open(path).convert("L") for path in paths]
        prompts = [path.parent.name.replace("_", " ") for path in paths]
        return cls([path.relative_to(folder).as_posix() for path in paths], images, prompts)

    def judge(self) -> Judge:
        held_out = np.arange(len(self.images)) % HELD_OUT == 0
        pictures, labels = tensors(self.images), np.array(self.prompts)
        return fit_judge(pictures[~held_out], labels[~held_out].tolist(), pictures[held_out], labels[held_out].tolist())


def tensors(images: Iterable[Image.Image], side: int = 28) -> Tensor:
    """``(N, 1, side, side)`` in [-1, 1]."""
    arrays = [np.asarray(image.convert("L").resize((side, side)), dtype=np.float32) for image in images]
    return torch.from_numpy(np.stack(arrays))[:, None] / 127.5 - 1


def generate(run: Any, prompts: Sequence[str], count: int, sampling: Mapping[str, float]) -> dict[str, list[Any]]:
    """So many pictures for each prompt."""
    artifacts = {prompt: run.generate(prompt, n=count, seed=1, **sampling) for prompt in prompts}
    return {prompt: [artifact.payload for artifact in found] for prompt, found in artifacts.items()}


def compare(judge: Judge, real: np.ndarray, made: Mapping[str, Sequence[Any]]) -> tuple[float, float]:
    """Class right and Fréchet distance."""
    pictures = tensors(image for images in made.values() for image in images)
    wanted = [prompt for prompt, images in made.items() for _ in images]
    return judge.right(pictures, wanted), frechet_distance(judge.features(pictures), real)


def round_trip(corpus: Any, real: Real) -> float:
    """Mean PSNR of the held-out pictures at their own size, in decibels."""
    codec = ImageFSQ.load(corpus.path / "codecs" / "image")
    held_out = {row["item"] for row in corpus.folder.verdicts() if row["split"] == "validation"}
    images = [image for name, image in zip(real.names, real.images, strict=True) if name in held_out]
    back = (codec.decode([tokens])[0] for tokens in codec.encode(images))
    return float(np.mean([psnr(image, each.resize(image.size)) for image, each in zip(images, back, strict=True)]))


def draw_grid(made: Mapping[str, Sequence[Any]], path: Path, scale: int = 2) -> None:
    """A row for each prompt, with its name."""
    cell = 28 * scale + 4
    sheet = Image.new("L", (90 + SHOWN * cell, len(made) * cell), 255)
    draw = ImageDraw.Draw(sheet)
    for row, (prompt, images) in enumerate(made.items()):
        draw.text((4, row * cell + cell // 2 - 6), prompt, fill=0)
        for column, image in enumerate(images[:SHOWN]):
            enlarged = image.resize((28 * scale, 28 * scale), Image.Resampling.NEAREST)
            sheet.paste(enlarged, (90 + column * cell, row * cell + 2))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=DATA)
    parser.add_argument("--minutes", type=float, default=2.4, help="of training")
    parser.add_argument(
        "--steps", type=int, help="of training, instead of minutes: for machines that do other work too"
    )
    parser.add_argument("--per-class", type=int, default=50)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--grid", type=Path, default=Path("out/images.png"))
    return parser.parse_args()


def main() -> int:
    given = arguments()
    if given.threads:
        torch.set_num_threads(given.threads)
    watch = Stopwatch()
    real = Real.read(given.folder)
    prompts = sorted(set(real.prompts))
    with tempfile.TemporaryDirectory(prefix="weft-benchmark-") as folder:
        with watch("prepare"):
            corpus = weft.prepare(given.folder, out=Path(folder) / "corpus")
        with watch("train"):
            budget = {"minutes": given.minutes} if given.steps is None else {"steps": given.steps}
            run = weft.train(corpus, out=Path(folder) / "run", threads=given.threads, seed=1, **budget)
        with watch("generate"):
            guided = generate(run, prompts, given.per_class, {})
        plain = generate(run, prompts, given.per_class, PLAIN)
        quality, summary = round_trip(corpus, real), run.summary()
    draw_grid(guided, given.grid)
    judge = real.judge()
    features = judge.features(tensors(real.images))
    right, distance = compare(judge, features, guided)
    plain_right, plain_distance = compare(judge, features, plain)
    watch.report()
    settings, figures = summary["settings"], summary["validation"]["image"]
    print(
        f"{summary['parameters']:,} parameters, {settings['steps']:,} steps of {settings['batch_size']} rows, "
        f"{settings['threads']} threads, {figures['nats_per_token']:.3f} nats per token; grid: {given.grid}"
    )
    print(f"temperature 1, no guidance: class right {plain_right:.3f}, Fréchet distance {plain_distance:.1f}")
    print(f"default sampling:           class right {right:.3f}, Fréchet distance {distance:.1f}")
    print(f"the judge on held-out real pictures: {judge.accuracy:.3f}")
    checks = [
        _check("seconds in all", watch.wall, SECONDS, watch.wall <= SECONDS),
        _check("class right over the judge's own accuracy", right / judge.accuracy, CLASS_RIGHT,
               right >= CLASS_RIGHT * judge.accuracy),
        _check("distance over that without guidance", distance / plain_distance, DISTANCE,
               distance <= DISTANCE * plain_distance),
        _check("codec PSNR on source pixels, dB", quality, PSNR, quality >= PSNR),
    ]  # fmt: skip
    return int(not all(checks))


def _check(what: str, reached: float, limit: float, kept: bool) -> bool:
    print(f"{what} {reached:.3f}  limit {limit:g}: {'kept' if kept else 'MISSED'}")
    return kept


if __name__ == "__main__":
    sys.exit(main())
