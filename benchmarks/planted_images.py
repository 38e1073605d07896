"""Pictures with planted copies: which of them does `weft prepare` find, and what else does it take for one?

Each of some real pictures gets one copy of one kind, in turn; small folders are prepared several times, until every
picture had a copy of every kind. Brightness is changed in the file as it is (a transparent ground stays transparent)
and, of pictures with transparency, on white too. Mirror images are looked for in a preparation of their own, with
`image.near_mirrored`. Limits: recall 0.95 of every kind at precision 0.98.

    python benchmarks/planted_images.py [FOLDER ...] [--pictures N] [--seed N] [--half NAME]

FOLDERs hold pictures; without them those of the sample data are taken. Thresholds were chosen on one half of the
pictures; what is measured is the other half unless told otherwise.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageEnhance, ImageOps
from planting import Found, Target, print_table, report

from weft.storage.corpus import CorpusFolder

DATA = Path(__file__).parents[2] / "shared" / "data" / "image"
SETS = ("fashion_mnist", "noto_emoji", "photos")
RECALL, PRECISION = 0.95, 0.98
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}
HALVES = ("held-out", "chosen-on", "both")
LEAST_SIDE = 20
"""Smaller copies would be rejected for their size."""
Change = Callable[[Image.Image, random.Random, Path], None]


def flat(image: Image.Image) -> Image.Image:
    """On white, as a picture without transparency."""
    if image.mode != "RGBA":
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def encoded(image: Image.Image, chance: random.Random, path: Path) -> None:
    flat(image).save(path.with_suffix(".jpg"), quality=chance.randint(40, 90))


def resized(image: Image.Image, chance: random.Random, path: Path) -> None:
    times = max(chance.uniform(0.6, 1.8), LEAST_SIDE / min(image.size))
    width, height = (round(side * times) for side in image.size)
    image.resize((width, height), Image.Resampling.LANCZOS).save(path)


def cropped(image: Image.Image, chance: random.Random, path: Path) -> None:
    width, height = (round(side * 0.95) for side in image.size)
    left, top = chance.randint(0, image.width - width), chance.randint(0, image.height - height)
    image.crop((left, top, left + width, top + height)).save(path)


def brighter(image: Image.Image, chance: random.Random, path: Path) -> None:
    ImageEnhance.Brightness(image).enhance(chance.choice((0.8, 0.9, 1.1, 1.2))).save(path)


def brighter_on_white(image: Image.Image, chance: random.Random, path: Path) -> None:
    brighter(flat(image), chance, path)


def mirrored(image: Image.Image, chance: random.Random, path: Path) -> None:
    ImageOps.mirror(image).save(path)


ANYWHERE: Mapping[str, Change] = {
    "re-encoded": encoded,
    "resized": resized,
    "cropped": cropped,
    "brightness": brighter,
}
TRANSPARENT: Mapping[str, Change] = {**ANYWHERE, "brightness on white": brighter_on_white}
MIRRORED: Mapping[str, Change] = {"mirrored": mirrored}


def chosen(folder: Path, half: str, most: int, chance: random.Random) -> list[Path]:
    """Some of the pictures of a half; which half one is in follows from its place among all."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    part = [path for place, path in enumerate(paths) if half == "both" or half == HALVES[1 - _half_of(place)]]
    return sorted(chance.sample(part, min(most, len(part))))


def _half_of(place: int) -> int:
    return (place * 2_654_435_761 >> 7) % 2


def plant(
    paths: Sequence[Path], kinds: Mapping[str, Change], start: int, folder: Path, chance: random.Random
) -> dict[str, str]:
    """Write pictures and copies; each copy's stem to its kind. A picture and its copy have the same number."""
    truth: dict[str, str] = {}
    names = list(kinds)
    for number, path in enumerate(paths):
        shutil.copy(path, folder / f"{number:05d}{path.suffix}")
        name = names[(number + start) % len(names)]
        stem = f"{number:05d}-copy"
        with Image.open(path) as image:
            image.load()
            kinds[name](image, chance, folder / f"{stem}.png")
        truth[stem] = name
    return truth


def prepare(folder: Path, corpus: Path, mirrored: bool) -> CorpusFolder:
    command = [sys.executable, "-m", "weft", "prepare", str(folder), "--out", str(corpus), "--quiet"]
    settings = ["image.codec_steps=1", f"image.near_mirrored={str(mirrored).lower()}"]
    subprocess.run([*command, *(part for setting in settings for part in ("--set", setting))], check=True)
    return CorpusFolder.open(corpus)


def removed_pairs(corpus: CorpusFolder) -> list[tuple[str, str]]:
    """Stems of what was rejected as a duplicate and of what it repeats."""
    return [
        (Path(row["item"]).stem, Path(row["duplicate_of"].partition("#")[0]).stem)
        for row in corpus.verdicts()
        if row["verdict"] == "rejected" and row["duplicate_of"]
    ]


def measure(paths: Sequence[Path], kinds: Mapping[str, Change], work: Path, chance: random.Random) -> dict[str, Found]:
    """How well each kind was found; a pair is right if it is a picture and its copy, whichever of them was kept.

    A wrong pair counts for the kind of each copy in it, and for all kinds if both are originals.
    """
    wanted, right, found = (dict.fromkeys(kinds, 0) for _ in range(3))
    share = len(paths) // len(kinds)
    for turn in range(1 if share >= 100 else len(kinds)):
        with tempfile.TemporaryDirectory(dir=work) as name:
            source = Path(name) / "pictures"
            source.mkdir()
            truth = plant(paths, kinds, turn, source, chance)
            pairs = removed_pairs(prepare(source, Path(name) / "corpus", kinds is MIRRORED))
        for kind in truth.values():
            wanted[kind] += 1
        for one, other in pairs:
            same = one[:5] == other[:5]
            concerned = {truth[stem] for stem in (one, other) if stem in truth} or set(kinds)
            for kind in concerned:
                found[kind] += 1
                right[kind] += same
            if not same:
                print(f"not a copy: {paths[int(one[:5])].name} of {paths[int(other[:5])].name}")
    return {kind: Found(right[kind], wanted[kind], found[kind]) for kind in kinds}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path, default=[DATA / name for name in SETS])
    parser.add_argument("--pictures", type=int, default=600, help="of each folder at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--half", choices=HALVES, default=HALVES[0])
    given = parser.parse_args()
    rows: list[list[object]] = []
    targets: list[Target] = []
    with tempfile.TemporaryDirectory() as work:
        for folder in given.folders:
            chance = random.Random(f"{given.seed} {folder.name}")
            paths = chosen(folder, given.half, given.pictures, chance)
            if not paths:
                parser.error(f"there are no pictures in {folder}")
            with Image.open(paths[0]) as first:
                kinds = TRANSPARENT if first.mode == "RGBA" else ANYWHERE
            for group in (kinds, MIRRORED):
                for kind, each in measure(paths, group, Path(work), chance).items():
                    rows.append([folder.name, kind, each.wanted, each.recall, each.precision])
                    targets.append(Target(f"{folder.name}, {kind}: recall", each.recall, RECALL))
                    targets.append(Target(f"{folder.name}, {kind}: precision", each.precision, PRECISION))
    print_table(["pictures", "kind", "planted", "recall", "precision"], rows)
    return int(not report([target for target in targets if not target.kept]))


if __name__ == "__main__":
    sys.exit(main())
