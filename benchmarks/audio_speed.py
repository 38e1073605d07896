"""Reading and cleaning audio through the plugin beside a plain loop of soundfile and torchaudio.

Both decode every file, mix its channels, resample it and take the constant offset out; the plugin also checks what it
reads, keeps to full scale, rounds to 16 bits, and notes what the corpus says of a clip. Limit: at most 1.00 times the
plain loop's CPU time, the least of several turns each.

    python benchmarks/audio_speed.py [FOLDER ...] [--turns N]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import soundfile
import torch
import torchaudio.functional

import weft
from weft_audio.options import AudioOptions
from weft_audio.preparer import AudioPreparer

DATA = Path(__file__).parents[2] / "shared" / "data" / "audio"
LIMIT = 1.0
SUFFIXES = {".wav", ".flac", ".ogg", ".mp3"}


def through_the_plugin(preparer: AudioPreparer, items: Sequence[weft.Item]) -> int:
    """Number of samples."""
    return sum(len(preparer.clean(sample).payload.samples) for item in items for sample in preparer.read(item))  # type: ignore[arg-type]


def plainly(paths: Sequence[Path], rate: int) -> int:
    """Number of samples."""
    total = 0
    for path in paths:
        samples, source = soundfile.read(path, dtype="float32", always_2d=True)
        mono = torch.from_numpy(samples).mean(dim=1)
        resampled = torchaudio.functional.resample(mono, source, rate)
        total += len(resampled - resampled.mean())
    return total


def seconds(work: Callable[[], int]) -> float:
    """CPU time."""
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path, default=[DATA / "fsdd", DATA / "drum_hits"])
    parser.add_argument("--turns", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    worst = 0.0
    print("| folder | files | rate | plain loop, ms a file | plugin, ms a file | ratio |\n|---|---|---|---|---|---|")
    for folder in given.folders:
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not paths:
            parser.error(f"there are no recordings in {folder}")
        items = [weft.Item(path.name, partial(path.open, "rb"), path.stat().st_size) for path in paths]
        options = replace(AudioPreparer.resolve(AudioOptions(), items), seconds=60.0)
        preparer = AudioPreparer(options)
        assert options.rate is not None
        plain_work = partial(plainly, paths, options.rate)
        plugin_work = partial(through_the_plugin, preparer, items)
        pairs = [(seconds(plain_work), seconds(plugin_work)) for _ in range(given.turns)]
        plain, plugin = (min(column) / len(paths) * 1e3 for column in zip(*pairs, strict=True))
        worst = max(worst, plugin / plain)
        print(f"| {folder.name} | {len(paths)} | {options.rate} | {plain:.3f} | {plugin:.3f} | {plugin / plain:.2f} |")
    print(f"\n{'OK' if worst <= LIMIT else 'MISSED'}: at most {LIMIT:.2f} times the plain loop, measured {worst:.2f}")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
