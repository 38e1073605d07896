"""The audio demo: is the note that is generated the one that was asked for?

Limit: instrument and pitch both right for at least 90 % of the generated notes. The pitch is that of the
autocorrelation; instruments are told apart by a classifier that was fitted on real notes. Both are tried on real notes
that the classifier has not seen.

    python benchmarks/notes.py [--minutes M] [--each N] [--threads N] [--clips FOLDER]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from judge import fit_judge
from stopwatch import Stopwatch
from torch import Tensor

import weft
from weft_audio import Waveform
from weft_audio.cleaning import pad
from weft_audio.demo import PITCHES, AudioDemo, caption, play
from weft_audio.instruments import INSTRUMENTS
from weft_audio.spectrum import Spectrum, from_log, to_log

LIMIT = 0.9
BANDS = FRAMES = 32
POOLED = 2
WANTED = [(instrument, pitch) for instrument in INSTRUMENTS for pitch in PITCHES]


def picture(sound: Waveform) -> Tensor:
    """Log-mel magnitudes of the first half second, ``(1, BANDS, FRAMES)``."""
    spectrum = Spectrum.for_rate(sound.rate)
    logs = spectrum.analyze(torch.from_numpy(pad(sound, spectrum.hop * FRAMES * POOLED).samples))
    bands = to_log(from_log(logs) @ spectrum.mel_filters(BANDS))
    return (bands.unflatten(0, (FRAMES, POOLED)).mean(1).T[None] + 6) / 2.5


def pictures(sounds: Sequence[Waveform]) -> Tensor:
    return torch.stack([picture(sound) for sound in sounds])


def pitch_of(sound: Waveform) -> str:
    """The note of the scale nearest to the shortest period at which the sound is nearly the same again."""
    samples = sound.samples[int(0.1 * sound.rate) : int(0.45 * sound.rate)].astype(np.float64)
    if len(samples) < 0.1 * sound.rate:
        return "none"
    samples = (samples - samples.mean()) * np.hanning(len(samples))
    power = np.abs(np.fft.rfft(samples, 2 * len(samples))) ** 2
    # Sixteen values for each sample, since a period is no whole number of samples.
    fine = 16
    likeness = np.fft.irfft(power, 2 * len(samples) * fine)
    low, high = (int(fine * sound.rate / frequency) for frequency in (1000, 240))
    inside = likeness[low:high]
    peaks = np.flatnonzero((inside[1:-1] >= inside[:-2]) & (inside[1:-1] > inside[2:])) + 1
    good = peaks[inside[peaks] >= 0.85 * inside[peaks].max()] if len(peaks) else np.array([inside.argmax()])
    frequency = fine * sound.rate / (low + good[0])
    return min(PITCHES, key=lambda name: abs(np.log(PITCHES[name] / frequency)))


def real_notes(takes: int, seed: int) -> tuple[list[Waveform], list[str], list[str]]:
    """Notes as the demo makes them, with instrument and pitch."""
    random = np.random.default_rng(seed)
    wanted = [pair for pair in WANTED for _ in range(takes)]
    sounds = [play(instrument, pitch, random).quantized() for instrument, pitch in wanted]
    return sounds, [instrument for instrument, _ in wanted], [pitch for _, pitch in wanted]


def share(found: Sequence[str], wanted: Sequence[str]) -> float:
    return float(np.mean([a == b for a, b in zip(found, wanted, strict=True)]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    demo = AudioDemo()
    parser.add_argument("--minutes", type=float, default=demo.minutes, help="of training")
    parser.add_argument("--each", type=int, default=4, help="notes for each instrument and pitch")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--clips", type=Path, help="write some of the notes here")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    watch = Stopwatch()
    with tempfile.TemporaryDirectory(prefix="weft-benchmark-") as name:
        folder = Path(name)
        (folder / "source").mkdir()
        demo.write_source(folder / "source", 0)
        with watch("prepare"):
            corpus = weft.prepare(folder / "source", out=folder / "corpus", options=demo.options)
        with watch("train"):
            run = weft.train(corpus, out=folder / "run", minutes=given.minutes, threads=given.threads, seed=1)
        with watch("generate"):
            made = {pair: run.generate(caption(*pair), n=given.each, seed=1) for pair in WANTED}
        if given.clips is not None:
            for artifacts in made.values():
                artifacts[0].save(given.clips)
    watch.report()
    return judge_notes({pair: [artifact.payload for artifact in artifacts] for pair, artifacts in made.items()})


def judge_notes(made: Mapping[tuple[str, str], Sequence[Waveform]]) -> int:
    """Print how many notes are right, and return the exit status."""
    learned, learned_labels, _ = real_notes(8, seed=1)
    real, real_instruments, real_pitches = real_notes(2, seed=2)
    judge = fit_judge(pictures(learned), learned_labels, pictures(real), real_instruments)
    sounds = [sound for notes in made.values() for sound in notes]
    pairs = [pair for pair, notes in made.items() for _ in notes]
    instruments = judge.classify(pictures(sounds))
    pitches = [pitch_of(sound) for sound in sounds]
    print(f"real notes: instrument right {judge.accuracy:.3f}, pitch {share([*map(pitch_of, real)], real_pitches):.3f}")
    both = share([*map(caption, instruments, pitches)], [caption(*pair) for pair in pairs])
    print(
        f"{len(sounds)} generated notes: instrument right {share(instruments, [pair[0] for pair in pairs]):.3f}, "
        f"pitch {share(pitches, [pair[1] for pair in pairs]):.3f}"
    )
    print(f"both right {both:.3f}  limit {LIMIT}: {'kept' if both >= LIMIT else 'MISSED'}")
    return int(both < LIMIT)


if __name__ == "__main__":
    sys.exit(main())
