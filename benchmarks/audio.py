"""Spoken digits in four minutes: are they what was asked for, and how close to real ones?

Limits, on two cores: 4 minutes for preparing, training and generating; digit right for at least 93 % of generated clips
and for 95 % of held-out clips after the codec's round trip.

    python benchmarks/audio.py [FOLDER] [--steps N] [--per-class N] [--threads N] [--clips FOLDER]

FOLDER holds clips and a ``metadata.csv`` with the columns ``file_name`` and ``transcript``, one word a clip. Some of
the generated clips are written to the folder of ``--clips``.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
import torchaudio.functional
from judge import Judge, fit_judge, frechet_distance
from stopwatch import Stopwatch
from torch import Tensor

import weft
from weft_audio import Waveform
from weft_audio.codec import AudioFSQ

DATA = Path(__file__).parents[2] / "shared" / "data" / "audio" / "fsdd"
SECONDS = 240
GENERATED = 0.93
ROUND_TRIP = 0.95
STEPS = 600
"""Eight epochs: with more of them the model learns the clips by heart, and held-out loss rises."""
PLAIN = {"temperature": 1.0, "top_p": 1.0, "guidance": 1.0}
"""What the distance is compared with: the model's own distribution."""
HELD_OUT = 10
"""The judge is tested on every so manieth clip."""
COPIES = 3
"""Times that the judge sees each clip in an epoch, each time a little later and louder or softer."""
RATE, HOP, BANDS, FRAMES = 8000, 240, 32, 32


@dataclass(frozen=True, slots=True)
class Real:
    """The source clips with the prompts that ask for them."""

    names: Sequence[str]
    sounds: Sequence[Waveform]
    prompts: Sequence[str]

    @classmethod
    def read(cls, folder: Path) -> Real:
        with (folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
            rows = sorted((row["file_name"], row["transcript"]) for row in csv.DictReader(file))
        sounds = []
        for name, _ in rows:
            levels, rate = soundfile.read(folder / name, dtype="int16")
            sounds.append(Waveform.from_pcm(levels, rate))
        return cls([name for name, _ in rows], sounds, [prompt for _, prompt in rows])

    def judge(self) -> Judge:
        held_out = np.arange(len(self.sounds)) % HELD_OUT == 0
        learned = np.repeat(np.flatnonzero(~held_out), COPIES)
        random = np.random.default_rng(0)
        shifts, gains = random.integers(0, RATE // 8, len(learned)), 10 ** random.uniform(-0.3, 0.3, len(learned))
        altered = [
            np.concatenate([np.zeros(shift, np.float32), gain * self.sounds[index].samples])
            for index, shift, gain in zip(learned, shifts, gains, strict=True)
        ]
        labels = np.array(self.prompts)
        return fit_judge(
            torch.stack([picture(samples) for samples in altered]),
            labels[learned].tolist(),
            pictures([self.sounds[index] for index in np.flatnonzero(held_out)]),
            labels[held_out].tolist(),
        )


def picture(samples: np.ndarray) -> Tensor:
    """Log-mel energies of the first second or so, ``(1, BANDS, FRAMES)``, silence being added where there is less."""
    signal = torch.zeros(HOP * (FRAMES - 1))
    kept = torch.from_numpy(samples[: len(signal)].astype(np.float32))
    signal[: len(kept)] = kept
    spectrum = torch.stft(
        signal, 256, HOP // 3, window=torch.hann_window(256), pad_mode="constant", return_complex=True
    )
    filters = torchaudio.functional.melscale_fbanks(129, 0.0, RATE / 2, BANDS, RATE)
    energies = spectrum.abs().square().T @ filters
    smooth = torch.nn.functional.avg_pool1d(energies.T, 3, ceil_mode=True)
    return ((smooth + 1e-4).log()[None] + 4) / 4


def pictures(sounds: Sequence[Waveform]) -> Tensor:
    assert all(sound.rate == RATE for sound in sounds)
    return torch.stack([picture(sound.samples) for sound in sounds])


def generate(run: Any, prompts: Sequence[str], count: int, sampling: Mapping[str, float]) -> dict[str, list[Any]]:
    """So many clips for each prompt."""
    return {prompt: run.generate(prompt, n=count, seed=1, **sampling) for prompt in prompts}


def compare(judge: Judge, real: np.ndarray, made: Mapping[str, Sequence[Any]]) -> tuple[float, float]:
    """Digit right and Fréchet distance."""
    shown = pictures([artifact.payload for artifacts in made.values() for artifact in artifacts])
    wanted = [prompt for prompt, artifacts in made.items() for _ in artifacts]
    return judge.right(shown, wanted), frechet_distance(judge.features(shown), real)


def round_trip(corpus: Any, real: Real, judge: Judge) -> tuple[float, int]:
    """Digit right after encoding and decoding, and how many held-out clips there are."""
    codec = AudioFSQ.load(corpus.path / "codecs" / "audio")
    held_out = {row["item"] for row in corpus.folder.verdicts() if row["split"] == "validation"}
    chosen = [index for index, name in enumerate(real.names) if name in held_out]
    back = codec.decode(codec.encode([real.sounds[index] for index in chosen]))
    return judge.right(pictures(back), [real.prompts[index] for index in chosen]), len(chosen)


def save_clips(made: Mapping[str, Sequence[Any]], folder: Path) -> None:
    for artifacts in made.values():
        for artifact in artifacts[:3]:
            artifact.save(folder)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=DATA)
    parser.add_argument("--steps", type=int, default=STEPS, help="of training")
    parser.add_argument("--per-class", type=int, default=30)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--clips", type=Path)
    return parser.parse_args()


def main() -> int:
    given = arguments()
    if given.threads:
        torch.set_num_threads(given.threads)
    watch = Stopwatch()
    with tempfile.TemporaryDirectory(prefix="weft-benchmark-") as folder:
        with watch("prepare"):
            corpus = weft.prepare(given.folder, out=Path(folder) / "corpus")
        with watch("train"):
            run = weft.train(corpus, out=Path(folder) / "run", steps=given.steps, threads=given.threads, seed=1)
        real = Real.read(given.folder)
        words = sorted(set(real.prompts))
        began = time.perf_counter()
        with watch("generate"):
            guided = generate(run, words, given.per_class, {})
        pace = sum(each.payload.seconds for made in guided.values() for each in made) / (time.perf_counter() - began)
        plain = generate(run, words, given.per_class, PLAIN)
        judge = real.judge()
        back, count = round_trip(corpus, real, judge)
        summary, quality = run.summary(), corpus.folder.manifest["codecs"]["audio"]["quality"]
    if given.clips:
        save_clips(guided, given.clips)
    features = judge.features(pictures(real.sounds))
    right, distance = compare(judge, features, guided)
    plain_right, plain_distance = compare(judge, features, plain)
    watch.report()
    settings, figures = summary["settings"], summary["validation"]["audio"]
    print(
        f"{summary['parameters']:,} parameters, {settings['steps']:,} steps of {settings['batch_size']} rows, "
        f"{settings['threads']} threads, {figures['nats_per_token']:.3f} nats per token"
    )
    print(f"codec on held-out clips: {', '.join(f'{name} {value:.3f}' for name, value in quality.items())}")
    print(f"generated {pace:.1f} times as fast as real time")
    print(f"temperature 1, no guidance: digit right {plain_right:.3f}, Fréchet distance {plain_distance:.2f}")
    print(f"default sampling:           digit right {right:.3f}, Fréchet distance {distance:.2f}")
    print(f"the judge on held-out real clips: {judge.accuracy:.3f}")
    checks = [
        _check("seconds in all", watch.wall, SECONDS, watch.wall <= SECONDS),
        _check("digit right, generated", right, GENERATED, right >= GENERATED),
        _check(f"digit right, {count} round trips", back, ROUND_TRIP, back >= ROUND_TRIP),
    ]
    return int(not all(checks))


def _check(what: str, reached: float, limit: float, kept: bool) -> bool:
    print(f"{what} {reached:.3f}  limit {limit:g}: {'kept' if kept else 'MISSED'}")
    return kept


if __name__ == "__main__":
    sys.exit(main())
