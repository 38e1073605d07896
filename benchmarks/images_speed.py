"""Reading and cleaning pictures beside a plain torchvision loop: not slower.

    python benchmarks/images_speed.py [FOLDER ...]

Both decode a file, turn it upright, put what is transparent on white, resize to the same square with antialiasing and
end with floats in [-1, 1]: the plain loop with a tensor a picture, the preparer with the batches that its codec takes.
The second figure of the preparer is what a worker process does with a picture, near-duplicates apart: it reads, cleans,
judges, stores and hashes, and makes no tensor.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from planted_images import DATA
from torchvision.io import decode_image
from torchvision.transforms.v2 import functional as transforms

import weft
from weft_image.codec import ImageFSQ, normalize, to_tensor
from weft_image.options import ImageOptions
from weft_image.payload import ImageFormat
from weft_image.preparer import ImagePreparer

FOLDERS = [DATA / "fashion_mnist", DATA / "noto_emoji"]


def plain(paths: Sequence[Path], size: int, gray: bool) -> None:
    for path in paths:
        pixels = on_white(decode_image(str(path), apply_exif_orientation=True))
        if len(pixels) != (1 if gray else 3):
            pixels = transforms.rgb_to_grayscale(pixels) if gray else pixels.expand(3, -1, -1)
        pixels = transforms.center_crop(transforms.resize(pixels, [size], antialias=True), [size, size])
        half = [0.5] * len(pixels)
        transforms.normalize(transforms.to_dtype(pixels, torch.float32, scale=True), half, half)


def on_white(pixels: torch.Tensor) -> torch.Tensor:
    """What is decoded, uint8 ``(C, H, W)``, without its channel of opacity, which is there if ``C`` is even."""
    if len(pixels) % 2:
        return pixels
    opacity = pixels[-1:] / 255
    return (pixels[:-1] * opacity + 255 * (1 - opacity)).round().to(torch.uint8)


def read(preparer: ImagePreparer, items: Sequence[weft.Item]) -> None:
    for batch in ImageFSQ.batches(items):
        normalize(to_tensor([cleaned.payload for _, cleaned in samples(preparer, batch)]))


def examine(preparer: ImagePreparer, items: Sequence[weft.Item]) -> None:
    filters, stored = preparer.filters(), ImageFormat()
    for raw, cleaned in samples(preparer, items):
        for each in filters:
            sample = raw if each.on == "raw" else cleaned
            each.check(replace(sample, figures={**sample.figures, **each.measure(sample)}))
        stored.to_bytes(cleaned.payload)
        stored.content_hash(cleaned.payload)


def samples(preparer: ImagePreparer, items: Sequence[weft.Item]) -> Iterator[tuple[weft.Sample, weft.Sample]]:
    """As they were read, and cleaned."""
    for item in items:
        for sample in preparer.read(item):
            assert isinstance(sample, weft.Sample)
            yield sample, preparer.clean(sample)


def seconds(work: partial[None]) -> float:
    """CPU-seconds, the least of three."""
    found = []
    for _ in range(3):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", default=FOLDERS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    missed = False
    for folder in arguments.folders:
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg"))
        items = [weft.Item(str(path), partial(path.open, "rb"), path.stat().st_size) for path in paths]
        preparer = ImagePreparer(ImagePreparer.resolve(ImageOptions(nsfw="off"), items[:512]))
        size, gray = preparer.options.size or 0, preparer.options.color == "gray"
        base = seconds(partial(plain, paths, size, gray))
        own, whole = (seconds(partial(work, preparer, items)) for work in (read, examine))
        missed |= own > base
        print(
            f"{folder.name}: {len(paths)} pictures, torchvision {base:.2f} CPU-s; read and cleaned {own:.2f} "
            f"({base / own:.2f} times as fast, {'OK' if own <= base else 'MISSED'}); "
            f"read, cleaned, judged, stored and hashed {whole:.2f}"
        )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
