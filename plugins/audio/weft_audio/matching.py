"""Whether two sounds are one recording: laid over each other as well as can be, and compared sample by sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from weft_audio.cleaning import resample
from weft_audio.waveform import Waveform

SIMILARITY = 0.82
"""Least correlation of two sounds that are the same; ``docs/decisions/audio-preparation.md`` has how it was chosen."""

_HIGHEST_RATE = 16_000
_LOWEST_RATE = 2_000
_MOST_SAMPLES = 2**21
"""Of both together that are compared: the longer they are, the lower the rate."""
_BANDS = 24
_WHITENING = 10**-2.5
"""What is softer than this share of the strongest band counts less and less, for noise of 30 dB is as loud."""
_NARROW = 250
"""Width in Hz of the bands that tell how far up a sound goes."""
_LOWEST_LIMIT = 3000
_NOTHING = 10**-5.5
"""A band that has less than this share of the power of the strongest is empty."""
_CUT_SECONDS = 0.15
_CUT_SHARE = 0.1
_LEAST_SHARE = 0.5
"""What one of them has and the other has not may last so long or have so much of the energy; at least so much of the
energy of both has to be common to them."""
_FINE = 8
"""Parts of a sample to which a shift is told."""
_WORTH_REFINING = 0.4
"""Half a sample beside the best shift there is still 2/pi of the correlation."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Match:
    """Two sounds laid over each other.

    Attributes:
        similarity: Correlation at the best shift, from 0 to 1: 1 are two that differ in gain and shift alone.
        seconds: By how much the second begins later than the first.
    """

    similarity: float
    seconds: float


def match(a: Waveform, b: Waveform) -> Match:
    """The best shift of two sounds.

    What is compared is partly whitened (a generalized cross-correlation, Knapp and Carter 1976,
    https://doi.org/10.1109/TASSP.1976.1162830): bands within 25 dB of the strongest count about the same, so that two
    drums are not alike because of a common boom. Where one of them ends at a frequency, as what was resampled does,
    they are compared below it. The sign of a sound makes no difference.
    """
    rate = _common_rate(a, b)
    x, y = (np.asarray(resample(sound, rate).samples, np.float64) for sound in (a, b))
    if not x.any() or not y.any():
        return Match(0.0, 0.0)
    size = 1 << (len(x) + len(y) - 1).bit_length()
    spectrum_x, spectrum_y = _spectrum(x, size), _spectrum(y, size)
    limit = min(_limit(x, rate), _limit(y, rate))
    if min(_share(spectrum_x, limit), _share(spectrum_y, limit)) < _LEAST_SHARE:
        return Match(0.0, 0.0)
    spectrum_x, spectrum_y = _whitened(spectrum_x, spectrum_y, rate, limit)
    cross = spectrum_x.conj() * spectrum_y
    shifts = np.arange(1 - len(x), len(y))
    products = np.abs(torch.fft.irfft(cross, size).double().numpy()[shifts])
    white_x = torch.fft.irfft(spectrum_x, size).double().numpy()[: len(x)]
    white_y = torch.fft.irfft(spectrum_y, size).double().numpy()[: len(y)]
    scale = np.sqrt(_common(white_x, shifts, len(y)) * _common(white_y, -shifts, len(x)))
    possible = _fits(x, shifts, len(y), rate) & _fits(y, -shifts, len(x), rate) & (scale > 0)
    if not possible.any():
        return Match(0.0, 0.0)
    similarity = np.where(possible, products / np.where(scale > 0, scale, 1), 0)
    best = int(similarity.argmax())
    if similarity[best] < _WORTH_REFINING:
        return Match(float(similarity[best]), float(shifts[best]) / rate)
    finest = max(float(products[best]), _between_samples(cross, int(shifts[best]), size))
    return Match(min(1.0, finest / float(scale[best])), float(shifts[best]) / rate)


def _common_rate(a: Waveform, b: Waveform) -> int:
    rate = min(a.rate, b.rate, _HIGHEST_RATE)
    while rate >= 2 * _LOWEST_RATE and (a.seconds + b.seconds) * rate > _MOST_SAMPLES:
        rate //= 2
    return rate


def _spectrum(samples: Array, size: int) -> Tensor:
    loudest = np.abs(samples).max()
    spectrum: Tensor = torch.fft.rfft(torch.from_numpy(samples / loudest).float(), size)
    return spectrum


def _limit(samples: Array, rate: int) -> float:
    """The frequency, as a share of half the rate, above which there is nothing; 1 where it is rather low: such a sound
    has no high frequencies, and one with them is another."""
    bands = max(1, round(rate / 2 / _NARROW))
    # Faded in and out: an abrupt beginning has all frequencies.
    faded = samples * np.hanning(len(samples) + 2)[1:-1]
    energy = torch.fft.rfft(torch.from_numpy(faded)).abs().square()
    power = torch.stack([band.sum() for band in energy.tensor_split(bands)])
    filled = 1 + int((power > _NOTHING * power.max()).nonzero().max())
    return filled / bands if filled * _NARROW >= _LOWEST_LIMIT else 1.0


def _share(spectrum: Tensor, limit: float) -> float:
    """How much of the energy is below a limit."""
    energy = spectrum.abs().double().square()
    return float(energy[: round(limit * len(energy))].sum() / energy.sum())


def _whitened(x: Tensor, y: Tensor, rate: int, limit: float) -> tuple[Tensor, Tensor]:
    """Two spectra up to a limit, divided by the root of what both have in bands of about equal width to the ear."""
    frequencies = torch.linspace(0, rate / 2, len(x))
    place = torch.log1p(frequencies / 700)
    band = (place / place[-1] * _BANDS).long().clamp(max=_BANDS - 1)
    width = torch.bincount(band, minlength=_BANDS).clamp(min=1)
    power = torch.zeros(_BANDS, dtype=torch.float64)
    for spectrum in (x, y):
        energy = spectrum.abs().double().square()
        power += torch.bincount(band, energy / energy.sum(), minlength=_BANDS) / width
    weights: Tensor = (power + _WHITENING * power.max()).rsqrt()[band].float()
    weights[round(limit * len(weights)) :] = 0
    return x * weights, y * weights


def _common(samples: Array, shifts: npt.NDArray[np.int64], other: int) -> Array:
    """Energy of what of some samples lies over ``other`` ones, for each shift of those to the left."""
    sums = np.concatenate([[0.0], np.cumsum(samples**2)])
    first, last = np.clip(-shifts, 0, len(samples)), np.clip(other - shifts, 0, len(samples))
    common: Array = sums[last] - sums[first]
    return common


def _fits(samples: Array, shifts: npt.NDArray[np.int64], other: int, rate: int) -> npt.NDArray[np.bool_]:
    """At which shifts little enough of some samples lies beside ``other`` ones."""
    first, last = np.clip(-shifts, 0, len(samples)), np.clip(other - shifts, 0, len(samples))
    beside = (len(samples) - (last - first)) / rate
    share = _common(samples, shifts, other) / np.sum(samples**2)
    return ((beside <= _CUT_SECONDS) & (share >= _LEAST_SHARE)) | (share >= 1 - _CUT_SHARE)


def _between_samples(cross: Tensor, shift: int, size: int) -> float:
    """The greatest correlation within a sample of a shift: a decoder may delay a sound by parts of one."""
    turns = torch.arange(len(cross), dtype=torch.float64) / size
    greatest = 0.0
    for step in range(1 - _FINE, _FINE):
        angle = 2 * torch.pi * ((shift + step / _FINE) * turns % 1)
        real = cross.real.double() * angle.cos() - cross.imag.double() * angle.sin()
        # irfft counts every frequency twice but the first and the last.
        greatest = max(greatest, abs(float(2 * real.sum() - real[0] - real[-1])) / size)
    return greatest
