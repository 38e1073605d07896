"""Sound of any rate to the form that the codec learns from."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt
import torch

from weft_audio.waveform import Waveform

_FINEST_RATIO = 640
"""Greatest number in the ratio of two rates, so that the table of a resampler stays small. Common rates have an exact
ratio within it; of others the pitch is off by less than one in 400,000."""


def resample(sound: Waveform, rate: int) -> Waveform:
    """The same sound at another rate, band-limited (a windowed sinc); its length in seconds is kept."""
    if rate == sound.rate or not len(sound.samples):
        return Waveform(sound.samples, rate)
    # Imported here since a corpus whose rates agree needs none of it.
    from torchaudio.functional import resample as resample_tensor  # type: ignore[import-untyped]

    ratio = Fraction(rate, sound.rate).limit_denominator(_FINEST_RATIO)
    ratio = max(ratio, Fraction(1, _FINEST_RATIO))
    samples = resample_tensor(torch.from_numpy(sound.samples), ratio.denominator, ratio.numerator, 16)
    return Waveform(samples.numpy(), rate)


def center(sound: Waveform) -> Waveform:
    """Without its constant offset, and no louder than full scale."""
    samples = sound.samples.astype(np.float64)
    if len(samples):
        samples -= samples.mean()
        samples /= max(1.0, np.abs(samples).max())
    return Waveform(samples.astype(np.float32), sound.rate)


def pad(sound: Waveform, length: int) -> Waveform:
    """With silence at the end, or the end cut off, so that there are ``length`` samples."""
    samples: npt.NDArray[np.float32] = np.zeros(length, np.float32)
    kept = sound.samples[:length]
    samples[: len(kept)] = kept
    return Waveform(samples, sound.rate)
