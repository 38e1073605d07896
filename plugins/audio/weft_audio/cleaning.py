"""Sound of any rate to the form that the codec learns from."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from weft_audio.waveform import Waveform

_FILTER_WIDTH = 16
"""Zero crossings of the sinc on either side: more of them cut off more sharply below half the rate."""
_TRIM_SECONDS = 0.01
_LARGEST_TERM = 1280
"""Of the ratio of two rates, so that the table of a resampler stays small. Common rates have an exact ratio within it;
with others the pitch is off by less than a millionth part."""


def resample(sound: Waveform, rate: int) -> Waveform:
    """The same sound at another rate, band-limited (a windowed sinc); its length in seconds is kept."""
    if rate == sound.rate or not len(sound.samples):
        return Waveform(sound.samples, rate)
    numerator, denominator = _ratio(rate, sound.rate)
    with torch.inference_mode():
        samples = _resampler(denominator, numerator)(torch.from_numpy(sound.samples))
    return Waveform(samples.numpy(), rate)


@lru_cache(maxsize=8)
def _resampler(source: int, target: int) -> Any:
    """Kept, for its table of filters takes longer to make than a short sound to resample."""
    # Imported here since a corpus whose rates agree needs none of it.
    from torchaudio.transforms import Resample  # type: ignore[import-untyped]

    return Resample(source, target, lowpass_filter_width=_FILTER_WIDTH)


def _ratio(rate: int, source: int) -> tuple[int, int]:
    small = Fraction(min(rate, source), max(rate, source)).limit_denominator(_LARGEST_TERM)
    terms = max(1, small.numerator), small.denominator
    return terms if rate < source else terms[::-1]


def center(sound: Waveform) -> Waveform:
    """Without its constant offset, and no louder than full scale."""
    if not len(sound.samples):
        return sound
    centered = Waveform(sound.samples - np.add.reduce(sound.samples) / np.float32(len(sound.samples)), sound.rate)
    peak = centered.peak
    if peak > 1:
        np.divide(centered.samples, np.float32(peak), out=centered.samples)
    return centered


def trim(sound: Waveform, level: float) -> Waveform:
    """Without what is quieter at either end, save 10 ms of it.

    Args:
        sound: Of any length.
        level: Decibels, the loudest 10 ms being 0.
    """
    width = max(1, round(_TRIM_SECONDS * sound.rate))
    powers = frame_powers(sound, width)
    if not powers.any():
        return sound
    loud = np.flatnonzero(powers > 10 ** (level / 10) * powers.max())
    first, last = max(0, int(loud[0]) - 1), int(loud[-1]) + 2
    return Waveform(sound.samples[first * width : last * width].copy(), sound.rate)


def frame_powers(sound: Waveform, width: int) -> npt.NDArray[np.float64]:
    """Mean squares of consecutive frames of ``width`` samples, ``(frames,)``; the last one is filled up."""
    frames = -(-len(sound.samples) // width)
    padded = np.zeros(frames * width)
    padded[: len(sound.samples)] = sound.samples
    powers: npt.NDArray[np.float64] = np.square(padded).reshape(frames, width).mean(axis=1)
    return powers


def pad(sound: Waveform, length: int) -> Waveform:
    """With silence at the end, or the end cut off, so that there are ``length`` samples."""
    samples: npt.NDArray[np.float32] = np.zeros(length, np.float32)
    kept = sound.samples[:length]
    samples[: len(kept)] = kept
    return Waveform(samples, sound.rate)
