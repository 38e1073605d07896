"""Recordings with planted copies: which of them does `weft prepare` find, and what else does it take for one?

Each folder is a corpus of its own. Every clip (with --clips, so many of them, evenly spaced) has one copy, of the kinds
in turn: encoded as Ogg Vorbis or as MP3, 12 dB softer to 12 dB louder (clipped at full scale, as files of 16 bits are),
resampled through 8, 11, 16 or 22 kHz and stored there or at the old rate, with silence in front or with its beginning
cut off (up to 100 ms, a tenth of the clip at most, so that what is left is still that sound), or with noise at 30 dB.
A folder of few clips is prepared as often as there are kinds, so that each clip has a copy of every kind in turn. What
stays in the corpora tells what was found. Limits: recall 0.95 of every kind over all folders, precision 0.98 in each.

    python benchmarks/planted_audio.py [FOLDER ...] [--clips N] [--part 0|1] [--seed N] [--keep FOLDER]

FOLDERs hold clips; without them those of the sample data are taken. --part takes every other clip only, so that limits
can be chosen on one half and judged on the other. Another seed plants other copies.
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
FEW = 100
"""So few clips are prepared several times."""
MP3_RATES = (16_000, 22_050, 24_000, 44_100, 48_000)
RATES = (8000, 11_025, 16_000, 22_050)
SUFFIXES = {".wav", ".flac", ".ogg", ".mp3"}

Samples = npt.NDArray[np.float32]
Sound = tuple[Samples, int]
"""Mono samples and their rate."""
Random = np.random.Generator


def resampled(sound: Sound, rate: int) -> Sound:
    samples, source = sound
    return torchaudio.functional.resample(torch.from_numpy(samples), source, rate).numpy(), rate


def through_a_low_rate(sound: Sound, random: Random) -> Sound:
    via = int(random.choice([rate for rate in RATES if rate != sound[1]]))
    low = resampled(sound, via)
    return resampled(low, sound[1]) if random.integers(2) else low


def another_gain(sound: Sound, random: Random) -> Sound:
    return sound[0] * np.float32(10 ** (random.uniform(-12, 12) / 20)), sound[1]


def shifted(sound: Sound, random: Random) -> Sound:
    """Silence before it, or its beginning cut off."""
    samples, rate = sound
    shift = int(random.uniform(0.005, max(0.006, min(0.1, 0.1 * len(samples) / rate))) * rate)
    if random.integers(2):
        return samples[shift:], rate
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
    "gain": lambda path, sound, random: write_wav(path, another_gain(sound, random)),
    "resampled": lambda path, sound, random: write_wav(path, through_a_low_rate(sound, random)),
    "shifted": lambda path, sound, random: write_wav(path, shifted(sound, random)),
    "noise at 30 dB": lambda path, sound, random: write_wav(path, noisy(sound, random)),
}


def read(path: Path) -> Sound:
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return np.ascontiguousarray(samples.mean(axis=1), dtype=np.float32), rate


def plant(paths: Sequence[Path], folder: Path, turn: int, random: Random) -> dict[str, str]:
    """Write clips and copies; each copy's stem to its kind. A clip and its copy have the same number."""
    truth: dict[str, str] = {}
    kinds = list(COPIES)
    for number, path in enumerate(paths):
        sound = read(path)
        write_wav(folder / f"{number:05d}", sound)
        kind = kinds[(number + turn) % len(kinds)]
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


def judge(pairs: Sequence[tuple[str, str]], names: Sequence[str]) -> tuple[set[str], int]:
    """Which copies were found, and how many pairs are none; a pair is right whichever of the two was kept."""
    right = {f"{name[:5]}-copy" for name, of in pairs if name[:5] == of[:5]}
    wrong = [(name, of) for name, of in pairs if name[:5] != of[:5]]
    for name, of in wrong:
        print(f"not a copy: {name} of {of} ({names[int(name[:5])]}, {names[int(of[:5])]})")
    return right, len(wrong)


def run(paths: Sequence[Path], work: Path, random: Random) -> tuple[dict[str, Found], float]:
    """Plant and prepare one folder: what was found of each kind, and the precision."""
    found = {kind: Found(0, 0, 0) for kind in COPIES}
    missed, right, wrong = [], 0, 0
    for turn in range(len(COPIES) if len(paths) <= FEW else 1):
        clips = work / f"clips-{turn}"
        clips.mkdir(parents=True)
        truth = plant(paths, clips, turn, random)
        seen, errors = judge(removed_pairs(prepare(clips, work / f"corpus-{turn}")), [path.stem for path in paths])
        right, wrong = right + len(seen), wrong + errors
        missed += [f"{paths[int(stem[:5])].stem} ({truth[stem]})" for stem in sorted(set(truth) - seen)]
        for kind, old in found.items():
            new = Found.of({s for s in truth if truth[s] == kind}, {s for s in seen if truth[s] == kind})
            found[kind] = Found(old.right + new.right, old.wanted + new.wanted, old.found + new.found)
    print_table(["kind", "planted", "found", "recall"], [[k, f.wanted, f.right, f.recall] for k, f in found.items()])
    print(f"missed: {', '.join(missed) or 'none'}")
    return found, right / (right + wrong) if right + wrong else 1.0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path, default=[DATA / name for name in SETS])
    parser.add_argument("--clips", type=int, default=900, help="at most so many of a folder, evenly spaced")
    parser.add_argument("--part", type=int, choices=(0, 1), help="every other clip only")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="an empty folder for clips and corpora, which are kept")
    given = parser.parse_args()
    random = np.random.default_rng(given.seed)
    targets: list[Target] = []
    totals = dict.fromkeys(COPIES, Found(0, 0, 0))
    with tempfile.TemporaryDirectory() as temporary:
        for folder in given.folders:
            paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
            paths = paths[given.part :: 2] if given.part is not None else paths
            if not paths:
                parser.error(f"there are no recordings in {folder}")
            count = min(given.clips, len(paths))
            chosen = [paths[place * len(paths) // count] for place in random.permutation(count)]
            print(f"\n{folder.name}: {count} clips")
            kinds, precision = run(chosen, (given.keep or Path(temporary)) / folder.name, random)
            targets.append(Target(f"precision, {folder.name}", precision, PRECISION))
            for kind, found in kinds.items():
                old = totals[kind]
                totals[kind] = Found(old.right + found.right, old.wanted + found.wanted, old.found + found.found)
    print()
    return int(not report([*(Target(f"recall, {k}", f.recall, RECALL) for k, f in totals.items()), *targets]))


if __name__ == "__main__":
    sys.exit(main())
