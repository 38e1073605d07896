"""What audio brings to ``weft demo``."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile  # type: ignore[import-untyped]

import weft
from weft_audio.instruments import INSTRUMENTS, Note
from weft_audio.waveform import Waveform

RATE = 12_000

_SEMITONES = {"C4": -9, "D4": -7, "E4": -5, "G4": -2, "A4": 0, "C5": 3, "D5": 5, "E5": 7, "G5": 10, "A5": 12}

PITCHES = {name: 440.0 * 2 ** (semitones / 12) for name, semitones in _SEMITONES.items()}
"""Notes of a pentatonic scale, to frequencies in Hz."""

TAKES = 16
"""Recordings of every instrument at every pitch."""

_SECONDS = (0.6, 0.7)
_LEVELS = (0.25, 0.8)
_DETUNING = 0.006
"""Share by which a note may be off: a tenth of a semitone."""


class AudioDemo(weft.Demo):
    """Notes of five instruments."""

    title = "Audio"
    about = (
        "Single notes of five synthetic instruments, each recorded several times at ten pitches, now louder, now "
        "longer, now a little out of tune. The model learns to play the note that a caption asks for."
    )
    minutes = 1.0
    # Takes of one synthetic note differ by so little that some of them count as copies.
    options: Mapping[str, Any] = {"audio.tokens": 62, "audio.near": "off"}

    def write_source(self, folder: Path, seed: int) -> None:
        random = np.random.default_rng(seed)
        rows = []
        for instrument in INSTRUMENTS:
            (folder / instrument).mkdir()
            for pitch in PITCHES:
                for take in range(TAKES):
                    name = f"{instrument}/{pitch}-{take + 1:02d}.wav"
                    _write(folder / name, play(instrument, pitch, random))
                    rows.append((name, caption(instrument, pitch)))
        with (folder / "captions.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([("file_name", "caption"), *rows])
        _write_bad_files(folder, folder / rows[0][0])

    def requests(self) -> Sequence[weft.DemoRequest]:
        prompts = [caption(instrument, pitch) for instrument in INSTRUMENTS for pitch in ("C4", "A4", "E5")]
        return [weft.DemoRequest(prompt, sampling={"seed": 1}) for prompt in prompts]


def caption(instrument: str, pitch: str) -> str:
    """What a note is called."""
    return f"a {instrument} playing {pitch}"


def play(instrument: str, pitch: str, random: np.random.Generator) -> Waveform:
    """One take of a note, no two alike."""
    frequency = PITCHES[pitch] * (1 + random.uniform(-_DETUNING, _DETUNING))
    signal = INSTRUMENTS[instrument](Note(frequency, random.uniform(*_SECONDS), RATE, random))
    signal *= random.uniform(*_LEVELS) / np.abs(signal).max()
    return Waveform(signal.astype(np.float32), RATE)


def _write(path: Path, sound: Waveform) -> None:
    soundfile.write(path, sound.pcm(), sound.rate, subtype="PCM_16")


def _write_bad_files(folder: Path, good: Path) -> None:
    """What a folder of a user's own may hold beside good files."""
    data = good.read_bytes()
    levels, _ = soundfile.read(good, dtype="int16")
    unsorted = folder / "unsorted"
    unsorted.mkdir()
    (unsorted / "cut-off.wav").write_bytes(data[:40])
    (unsorted / "really-text.mp3").write_text("This is not a recording of anything.\n", encoding="utf-8")
    _write(unsorted / "copy.flac", Waveform.from_pcm(levels, RATE))
    _write(unsorted / "click.wav", Waveform.from_pcm(levels[:100], RATE))
    _write(unsorted / "silence.wav", Waveform(np.zeros(RATE, np.float32), RATE))
