"""Whether two sounds are one recording: laid over each other as well as can be, and compared cell by cell.

Shapes are told by suffix letters: N samples, F frequencies, T frames; B bands and C times of a cell.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from weft_audio.aligning import Array, Shift, likely_shifts
from weft_audio.cleaning import resample
from weft_audio.waveform import Waveform

_HIGHEST_RATE = 16_000
_LOWEST_RATE = 2_000
_MOST_SAMPLES = 2**21
"""Of both together that are compared: the longer they are, the lower the rate."""
_NARROW = 250
"""Width in Hz of the bands that tell how far up a sound goes."""
_LOWEST_LIMIT = 3000
_NOTHING = 10**-5.5
"""A band that has less than this share of the power of the strongest is empty."""
_BELOW_LIMIT = 0.87
"""Of what a sound that was resampled can have, so much is as it was: above are the slope of a filter and aliases."""

_SLOPE = 6.0
"""Decibels by which the level of a band differs from the others if one of the sounds hardly has it."""
_LOST = -6.0
"""Decibels by which it is softer there than in its strongest band."""
_WORTH_CLIPPING = 0.7
_CLIPPED_ALIKE = 1.4
_UNCLIPPED = 0.5
"""Below this share of its peak a clipped sound is as it was."""

_FRAME_SECONDS = 0.032
_OVERLAP = 4
_BANDS = 12
_CELL_FRAMES = 4
_SOFTEST = 10**-3.5
"""Power of a cell, as a share of that of the strongest, below which it does not count."""
_LOUDNESS = 0.3
"""Exponent of a cell's power in its weight: ten times the power counts twice."""
_LEVEL_FLOOR = 1e-5
_SIMILAR, _VERY_SIMILAR = 0.85, 0.95
_ALIKE, _LESS_ALIKE = 1.1, 2.0
"""Least similarity of two sounds that are the same, where levels deviate by at most so many decibels, and where they
deviate by more, up to a limit; ``docs/decisions/audio-preparation.md`` has how they were chosen."""

Complex = npt.NDArray[np.complex64]


@dataclass(frozen=True, slots=True)
class Match:
    """Two sounds laid over each other.

    Attributes:
        similarity: Mean coherence of the cells of their spectrograms, with its sign, as a magnitude from 0 to 1: 1 are
            two that differ in gain, shift and equalization alone.
        deviation: Mean difference of the levels of cells in decibels, gain apart: 0 are two that have one timbre.
        seconds: By how much the second begins later than the first.
    """

    similarity: float
    deviation: float
    seconds: float

    @property
    def same(self) -> bool:
        """Whether they are one recording."""
        least = _SIMILAR if self.deviation <= _ALIKE else _VERY_SIMILAR
        return self.similarity >= least and self.deviation <= _LESS_ALIKE


_NONE = Match(0.0, 0.0, 0.0)


def match(a: Waveform, b: Waveform) -> Match:
    """The best way to lay two sounds over each other.

    A cell is a band of about equal width to the ear for about 32 ms. Softer cells count less, but they do count: a boom
    that two drums have in common makes them no copies. Where one of them ends at a frequency, as what was resampled
    does, they are compared below it.
    """
    rate = _common_rate(a, b)
    x_N, y_N = (_normal(resample(sound, rate)) for sound in (a, b))
    if not x_N.any() or not y_N.any():
        return _NONE
    limit = _BELOW_LIMIT * min(_limit(x_N, rate), _limit(y_N, rate))
    best = _NONE
    for shift in likely_shifts(x_N, y_N, rate, limit):
        found = _compare(x_N, y_N, shift, rate, limit)
        if not found.same and found.similarity > _WORTH_CLIPPING:
            clipped = _compare_clipped(x_N, y_N, shift, rate, limit)
            if clipped.similarity >= _VERY_SIMILAR and clipped.deviation <= _CLIPPED_ALIKE:
                found = clipped
        if found.same:
            return found
        best = max(best, found, key=lambda each: each.similarity)
    return best


def _common_rate(a: Waveform, b: Waveform) -> int:
    rate = min(a.rate, b.rate, _HIGHEST_RATE)
    while rate >= 2 * _LOWEST_RATE and (a.seconds + b.seconds) * rate > _MOST_SAMPLES:
        rate //= 2
    return rate


def _normal(sound: Waveform) -> Array:
    return sound.samples.astype(np.float64) / (sound.peak or 1.0)


def _limit(samples_N: Array, rate: int) -> float:
    """The frequency, as a share of half the rate, above which there is nothing; 1 where it is rather low: such a sound
    has no high frequencies, and one with them is another."""
    bands = max(1, round(rate / 2 / _NARROW))
    # Faded in and out: an abrupt beginning has all frequencies.
    faded_N = torch.from_numpy(samples_N).float() * torch.hann_window(len(samples_N) + 2, periodic=False)[1:-1]
    energy = torch.fft.rfft(faded_N, 1 << (len(samples_N) - 1).bit_length()).abs().square().double().numpy()
    power = np.add.reduceat(energy, np.arange(bands) * len(energy) // bands)
    filled = 1 + int(np.flatnonzero(power >= _NOTHING * power.max())[-1])
    return filled / bands if filled * _NARROW >= _LOWEST_LIMIT else 1.0


def _compare(x_N: Array, y_N: Array, shift: Shift, rate: int, limit: float) -> Match:
    """Two sounds laid over each other in one way."""
    window = 1 << round(np.log2(_FRAME_SECONDS * rate))
    x_FT, y_FT = (_spectra(samples_N, window, limit) for samples_N in _overlap(x_N, y_N, shift))
    turns_F = np.exp(-2j * np.pi * np.arange(len(x_FT)) / window * shift.part).astype(np.complex64)
    edges = _edges(rate, window, len(x_FT))
    cross_BC = _cells((x_FT * y_FT.conj() * turns_F[:, None]).real, edges)
    power_x_BC, power_y_BC = (_cells(z_FT.real**2 + z_FT.imag**2, edges) for z_FT in (x_FT, y_FT))
    bands = _common_bands(power_x_BC.sum(1), power_y_BC.sum(1), edges * rate / window)
    cross_BC, power_x_BC, power_y_BC = cross_BC[:bands], power_x_BC[:bands], power_y_BC[:bands]
    both_BC = np.sqrt(power_x_BC * power_y_BC)
    weights_BC = np.where(both_BC > _SOFTEST * both_BC.max(), both_BC, 0) ** _LOUDNESS
    total = weights_BC.sum()
    if not total:
        return _NONE
    coherence = float((weights_BC * cross_BC / np.maximum(both_BC, 1e-30)).sum() / total)
    levels_x, levels_y = (10 * np.log10(p / p.max() + _LEVEL_FLOOR) for p in (power_x_BC, power_y_BC))
    difference_BC = levels_x - levels_y
    gain = (weights_BC * difference_BC).sum() / total
    deviation = float((weights_BC * np.abs(difference_BC - gain)).sum() / total)
    return Match(min(1.0, abs(coherence)), deviation, (shift.samples + shift.part) / rate)


def _overlap(x_N: Array, y_N: Array, shift: Shift) -> tuple[Array, Array]:
    """What lies over each other."""
    x_N, y_N = x_N[max(0, -shift.samples) :], y_N[max(0, shift.samples) :]
    length = min(len(x_N), len(y_N))
    return x_N[:length], y_N[:length]


def _compare_clipped(x_N: Array, y_N: Array, shift: Shift, rate: int, limit: float) -> Match:
    """Two sounds as if one of them had been clipped."""
    back = Shift(-shift.samples, -shift.part)
    pairs = (_clipped(x_N, y_N, shift), y_N), (x_N, _clipped(y_N, x_N, back))
    return max((_compare(*pair, shift, rate, limit) for pair in pairs), key=lambda each: each.similarity)


def _clipped(x_N: Array, y_N: Array, shift: Shift) -> Array:
    """The first sound as it would be if it had been made as loud as the second is, and clipped at its peak."""
    x, y = _overlap(x_N, y_N, shift)
    peak = np.abs(y).max()
    unclipped = np.abs(y) < _UNCLIPPED * peak
    gain = abs(float(x[unclipped] @ y[unclipped])) / max(float(x[unclipped] @ x[unclipped]), 1e-30)
    return np.clip(gain * x_N, -peak, peak)


def _common_bands(power_x_B: Array, power_y_B: Array, edges_B: Array) -> int:
    """How many bands both have: a filter that leaves a slope, and aliases above it, ends a sound as well."""
    levels_x, levels_y = (10 * np.log10(p / max(p.max(), 1e-30) + 1e-12) for p in (power_x_B, power_y_B))
    needed = int(np.count_nonzero(edges_B < _LOWEST_LIMIT)) - 1
    difference_B = levels_x - levels_y
    differs_B = np.abs(difference_B - np.median(difference_B[:needed])) > _SLOPE
    lost_B = differs_B & (np.minimum(levels_x, levels_y) < _LOST)
    return max(needed, 1 + int((~lost_B).nonzero()[0].max(initial=0)))


def _spectra(samples_N: Array, window: int, limit: float) -> Complex:
    padded_N = torch.from_numpy(np.pad(samples_N, window)).float()
    taper = torch.hann_window(window)
    spectra = torch.stft(padded_N, window, window // _OVERLAP, window=taper, center=False, return_complex=True)
    cut: Complex = spectra[: max(2, round(limit * window / 2))].numpy()
    return cut


def _edges(rate: int, window: int, frequencies: int) -> npt.NDArray[np.int64]:
    """First frequencies of the bands."""
    places = np.linspace(0, np.log1p(rate / 2 / 700), _BANDS, endpoint=False)
    edges = np.round(700 * np.expm1(places) * window / rate).astype(np.int64)
    return np.unique(edges[edges < frequencies])


def _cells(values_FT: npt.NDArray[np.float32], edges: npt.NDArray[np.int64]) -> Array:
    """Sums over bands and over neighboring frames."""
    bands_BT = np.add.reduceat(values_FT.astype(np.float64), edges, axis=0)
    cells: Array = np.add.reduceat(bands_BT, np.arange(0, bands_BT.shape[1], _CELL_FRAMES), axis=1)
    return cells
