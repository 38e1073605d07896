"""Recordings with planted copies: which of them does `weft prepare` find, and what else does it take for one?

Of real clips, every third has a copy of one kind, in turn: encoded as Ogg Vorbis or MP3, softer, at another rate,
shifted by up to 100 ms, or with noise at 30 dB. What stays in the corpus tells what was found. Limits: recall 0.95 of
every kind at precision 0.98.

    python benchmarks/planted_audio.py [FOLDER ...] [--clips N] [--seed N] [--keep FOLDER]

FOLDERs hold clips; without them those of the sample data are taken. Another seed plants other copies.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import torch
import torchaudio.functional
from planting import Found, Target, print_table, report

from weft.storage.corpus import CorpusFolder

DATA = Path(__file__).parents[2] / "shared" / "data" / "audio"
SETS = ("fsdd", "drum_hits", "speech")
RECALL, PRECISION = 0.95, 0.98
EVERY = 3
MP3_RATES = (16_000, 22_050, 24_000, 44_100, 48_000)
RATES = (11_025, 16_000, 22_050, 32_000, 48_000)
SUFFIXES = {".wav", ".flac", ".ogg", ".mp3"}

Samples = npt.NDArray[np.float32]
Sound = tuple[Samples, int]
"""Mono samples and their rate."""
Random = np.random.Generator


def resampled(sound: Sound, rate: int) -> Sound:
    samples, source = sound
    return torchaudio.functional.resample(torch.from_numpy(samples), source, rate).numpy(), rate


def other_rate(sound: Sound, random: Random) -> Sound:
    return resampled(sound, int(random.choice([rate for rate in RATES if rate != sound[1]])))


def softer(sound: Sound, random: Random) -> Sound:
    return sound[0] * np.float32(10 ** (random.uniform(-18, -2) / 20)), sound[1]


def shifted(sound: Sound, random: Random) -> Sound:
    """Silence before it, or, where that leaves most of the energy, its beginning cut off."""
    samples, rate = sound
    shift = int(random.uniform(0.005, 0.1) * rate)
    rest = samples[shift:]
    if random.integers(2) and np.sum(rest**2, dtype=np.float64) > 0.8 * np.sum(samples**2, dtype=np.float64):
        return rest, rate
    return np.concatenate([np.zeros(shift, np.float32), samples]), rate


def noisy(sound: Sound, random: Random) -> Sound:
    samples, rate = sound
    level = np.sqrt(np.mean(np.square(samples, dtype=np.float64))) * 10 ** (-30 / 20)
    return samples + random.normal(0, level, len(samples)).astype(np.float32), rate


def write_wav(path: Path, sound: Sound) -> None:
    soundfile.write(path.with_suffix(".wav"), sound[0], sound[1], subtype="PCM_16")


def write_vorbis(path: Path, sound: Sound, random: Random) -> None:
    level = float(random.uniform(0.3, 0.8))
    soundfile.write(path.with_suffix(".ogg"), *sound, format="OGG", subtype="VORBIS", compression_level=level)


def write_mp3(path: Path, sound: Sound, random: Random) -> None:
    fitting = (
        sound if sound[1] in MP3_RATES else resampled(sound, min(r for r in MP3_RATES if r > min(sound[1], 47_999)))
    )
    level = float(random.uniform(0.3, 0.8))
    soundfile.write(path.with_suffix(".mp3"), *fitting, format="MP3", subtype="MPEG_LAYER_III", compression_level=level)


COPIES: dict[str, Callable[[Path, Sound, Random], None]] = {
    "vorbis": write_vorbis,
    "mp3": write_mp3,
    "softer": lambda path, sound, random: write_wav(path, softer(sound, random)),
    "another rate": lambda path, sound, random: write_wav(path, other_rate(sound, random)),
    "shifted": lambda path, sound, random: write_wav(path, shifted(sound, random)),
    "noise at 30 dB": lambda path, sound, random: write_wav(path, noisy(sound, random)),
}


def read(path: Path) -> Sound:
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return np.ascontiguousarray(samples.mean(axis=1), dtype=np.float32), rate


def plant(paths: Sequence[Path], folder: Path, random: Random) -> dict[str, str]:
    """Write clips and copies; each copy's stem to its kind. A clip and its copy have the same number."""
    truth: dict[str, str] = {}
    kinds = list(COPIES)
    for number, path in enumerate(paths):
        sound = read(path)
        write_wav(folder / f"{number:05d}", sound)
        if number % EVERY == 0:
            kind = kinds[number // EVERY % len(kinds)]
            stem = f"{number:05d}-copy"
            COPIES[kind](folder / stem, sound, random)
            truth[stem] = kind
    return truth


def prepare(folder: Path, corpus: Path) -> CorpusFolder:
    command = [sys.executable, "-m", "weft", "prepare", str(folder), "--out", str(corpus), "--quiet"]
    subprocess.run([*command, "--set", "audio.codec_steps=1", "--set", "audio.seconds=30"], check=True)
    return CorpusFolder.open(corpus)


def removed_pairs(corpus: CorpusFolder) -> list[tuple[str, str]]:
    """Stems of what was rejected as a duplicate and of what it repeats."""
    return [
        (Path(row["item"]).stem, Path(row["duplicate_of"].partition("#")[0]).stem)
        for row in corpus.verdicts()
        if row["verdict"] == "rejected" and row["duplicate_of"]
    ]


def judge(pairs: Sequence[tuple[str, str]], truth: dict[str, str]) -> list[Target]:
    """Print the table; a pair is right if it is a clip and its copy, whichever of them was kept."""
    right = {f"{name[:5]}-copy" for name, of in pairs if name[:5] == of[:5]}
    wrong = [(name, of) for name, of in pairs if name[:5] != of[:5]]
    found = {kind: Found.of({s for s in truth if truth[s] == kind}, right & {s for s in truth if truth[s] == kind})
             for kind in COPIES}  # fmt: skip
    print_table(["kind", "planted", "found", "recall"], [[k, f.wanted, f.right, f.recall] for k, f in found.items()])
    precision = len(right) / (len(right) + len(wrong)) if pairs else 1.0
    for name, of in wrong:
        print(f"not a copy: {name} of {of}")
    return [
        *(Target(f"recall, {kind}", each.recall, RECALL) for kind, each in found.items()),
        Target("precision", precision, PRECISION),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path, default=[DATA / name for name in SETS])
    parser.add_argument("--clips", type=int, default=900, help="at most so many, evenly spaced")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="an empty folder for clips and corpus, which are kept")
    given = parser.parse_args()
    paths = [path for f in given.folders for path in sorted(f.rglob("*")) if path.suffix.lower() in SUFFIXES]
    if not paths:
        parser.error("there are no recordings in these folders")
    count = min(given.clips, len(paths))
    random = np.random.default_rng(given.seed)
    order = random.permutation([place * len(paths) // count for place in range(count)])
    with tempfile.TemporaryDirectory() as temporary:
        work = given.keep or Path(temporary)
        (work / "clips").mkdir(parents=True)
        truth = plant([paths[place] for place in order], work / "clips", random)
        return int(not report(judge(removed_pairs(prepare(work / "clips", work / "corpus")), truth)))


if __name__ == "__main__":
    sys.exit(main())
