"""Near-duplicates planted among real pictures: are they found, and nothing else?

Limits: recall at least 0.95 and precision at least 0.98, for every kind of copy.

    python benchmarks/planted_images.py [FOLDER ...] [--copies N] [--seed S] [--only KIND ...]

Each FOLDER holds real pictures; N copies of a kind are planted in each, one kind a run of `weft prepare`.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image, ImageEnhance, ImageOps

import weft

DATA = Path(__file__).parents[2] / "shared" / "data" / "image"
FOLDERS = [DATA / name for name in ("fashion_mnist", "noto_emoji", "photos")]
RECALL, PRECISION = 0.95, 0.98
MOST = 1500
Change = Callable[[Image.Image, random.Random, Path], None]


def flat(image: Image.Image) -> Image.Image:
    """On white, as a picture without transparency."""
    if image.mode != "RGBA":
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def encoded(image: Image.Image, chance: random.Random, path: Path) -> None:
    flat(image).save(path.with_suffix(".jpg"), quality=chance.randint(40, 90))


def resized(image: Image.Image, chance: random.Random, path: Path) -> None:
    times = max(chance.uniform(0.6, 1.8), 20 / min(image.size))
    size = [round(side * times) for side in image.size]
    image.resize((size[0], size[1]), Image.Resampling.LANCZOS).save(path)


def cropped(image: Image.Image, chance: random.Random, path: Path) -> None:
    width, height = (round(side * 0.95) for side in image.size)
    left, top = chance.randint(0, image.width - width), chance.randint(0, image.height - height)
    image.crop((left, top, left + width, top + height)).save(path)


def brighter(image: Image.Image, chance: random.Random, path: Path) -> None:
    ImageEnhance.Brightness(flat(image)).enhance(chance.choice((0.8, 0.9, 1.1, 1.2))).save(path)


def mirrored(image: Image.Image, chance: random.Random, path: Path) -> None:
    ImageOps.mirror(image).save(path)


KINDS: dict[str, Change] = {
    "re-encoded": encoded,
    "resized": resized,
    "cropped": cropped,
    "brightness": brighter,
    "mirrored": mirrored,
}


def measure(folder: Path, kind: str, copies: int, seed: int) -> tuple[float, float, int]:
    """Recall, precision and how many real pictures were removed as well."""
    chance = random.Random(f"{seed} {folder.name} {kind}")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg"))
    paths = sorted(chance.sample(paths, min(MOST, len(paths))))
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "source"
        source.mkdir()
        for number, path in enumerate(paths):
            shutil.copy(path, source / f"{number:05d}{path.suffix}")
        planted = sorted(chance.sample(range(len(paths)), min(copies, len(paths))))
        for number in planted:
            with Image.open(paths[number]) as image:
                image.load()
                KINDS[kind](image, chance, source / f"{number:05d}-copy.png")
        options = {"image.codec_steps": 1, "image.near_mirrored": kind == "mirrored"}
        corpus = weft.prepare(source, out=Path(name) / "corpus", options=options)
        return judge([dict(row) for row in corpus.folder.verdicts()], planted)


def judge(rows: Sequence[dict[str, object]], planted: Sequence[int]) -> tuple[float, float, int]:
    """A pair is right where one of a planted copy and its original stands for the other."""
    pairs = [
        (str(row["item"])[:5], str(row["duplicate_of"])[:5])
        for row in rows
        if row["verdict"] == "rejected" and row["duplicate_of"]
    ]
    right = {one for one, other in pairs if one == other}
    wrong = [pair for pair in pairs if pair[0] != pair[1]]
    return len(right) / len(planted), len(right) / max(1, len(right) + len(wrong)), len(wrong)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", default=FOLDERS)
    parser.add_argument("--copies", type=int, default=150, help="of each kind in each folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", choices=KINDS, default=list(KINDS))
    arguments = parser.parse_args()
    missed = False
    print(f"{'pictures':16} {'kind':12} {'recall':>7} {'precision':>10} {'others removed':>15}")
    for folder in arguments.folders:
        for kind in arguments.only:
            recall, precision, others = measure(folder, kind, arguments.copies, arguments.seed)
            good = recall >= RECALL and precision >= PRECISION
            missed |= not good
            verdict = "OK" if good else "MISSED"
            print(f"{folder.name:16} {kind:12} {recall:7.3f} {precision:10.3f} {others:15} {verdict}", flush=True)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
