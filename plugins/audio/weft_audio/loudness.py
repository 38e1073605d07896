"""How loud a sound is to a listener, and how it is made so loud."""

from __future__ import annotations

import math

import numpy as np
import torch

from weft_audio.waveform import Waveform

CEILING = -1.0
"""Peak in decibels that no sound is raised above for its loudness, so that nothing clips."""

_BLOCK_SECONDS = 0.4
_MEASURED_PEAK = 0.25


def loudness(sound: Waveform) -> float | None:
    """In LUFS by ITU-R BS.1770-4 (https://www.itu.int/rec/R-REC-BS.1770-4-201510-I/en); ``None`` of silence.

    A sound shorter than a block of .4 s is repeated until it fills one.
    """
    peak = sound.peak
    if not peak:
        return None
    # Imported here since most corpora keep the levels that they come with.
    from torchaudio.functional import loudness as measure  # type: ignore[import-untyped]

    # Its filters clip what exceeds full scale, so a sound is measured at a level where they cannot.
    factor = _MEASURED_PEAK / peak
    samples = np.resize(sound.samples, max(len(sound.samples), math.ceil(_BLOCK_SECONDS * sound.rate) + 1))
    value = float(measure(torch.from_numpy(samples * np.float32(factor))[None], sound.rate))
    return value - 20 * math.log10(factor) if math.isfinite(value) else None


def with_loudness(sound: Waveform, target: float) -> tuple[Waveform, float | None]:
    """At a loudness in LUFS, or as near to it as the ceiling lets it come, and what that is; ``None`` of silence."""
    level = loudness(sound)
    if level is None:
        return sound, None
    gain = min(target - level, CEILING - decibels(sound.peak))
    return _louder(sound, gain), level + gain


def with_peak(sound: Waveform, target: float) -> Waveform:
    """With a peak at a level in decibels."""
    return _louder(sound, target - decibels(sound.peak)) if sound.peak else sound


def decibels(level: float) -> float:
    """Of an amplitude above 0, full scale being 0 dB."""
    return 20 * math.log10(level)


def _louder(sound: Waveform, gain: float) -> Waveform:
    return Waveform(sound.samples * np.float32(10 ** (gain / 20)), sound.rate)
