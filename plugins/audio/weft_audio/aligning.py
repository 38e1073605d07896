"""How two sounds lie over each other if they are one recording.

Shapes are told by suffix letters: N samples, S shifts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

_BANDS = 24
_WHITENING = 10**-2.5
"""What is softer than this share of the strongest band counts less and less, for noise of 30 dB is as loud."""
_FRAME_SECONDS = 0.01
_SILENT = 10**-3.5
"""Power of a frame, as a share of that of the loudest, below which there is silence."""
_CUT_SHARE = 0.1
_CUT_SECONDS, _CUT_SHARE_OF_SHORT = 0.11, 0.45
"""What one of them has and the other has not may be such a share of what is not silent, or last so long, which is a
larger share of a short one."""
_HOPELESS = 0.35
"""Whitened correlation that no copy falls below."""
_PLAINLY = 0.8
"""Plain correlation at which a second shift is likely."""
_SMALLEST = 64
"""Size of a transform that tells parts of a sample apart."""
_FINE = 8
"""Parts of a sample to which a shift is told."""

Array = npt.NDArray[np.float64]
Shifts = npt.NDArray[np.int64]
Spectrum = npt.NDArray[np.complex64]


@dataclass(frozen=True, slots=True)
class Shift:
    """By how much the second of two sounds begins later.

    Attributes:
        samples: So many whole ones.
        part: Of a sample, in addition, from -.5 to .5.
    """

    samples: int
    part: float


def likely_shifts(x_N: Array, y_N: Array, rate: int, limit: float) -> Iterator[Shift]:
    """The best shifts by two correlations; one where they agree, none where sounds have nothing in common or too little
    would lie over each other.

    The first is whitened in part (a generalized cross-correlation, Knapp and Carter 1976,
    https://doi.org/10.1109/TASSP.1976.1162830): bands within 25 dB of the strongest count about the same, which tells
    one place from another best. The second, plain one finds a boom that has lost its attack. The sign of a sound makes
    no difference.

    Args:
        x_N: Not silent.
        y_N: Not silent either.
        rate: Samples a second of both.
        limit: Share of half the rate above which nothing is compared.
    """
    size = max(_SMALLEST, 1 << (len(x_N) + len(y_N) - 1).bit_length())
    shifts_S = np.arange(1 - len(x_N), len(y_N))
    possible_S = _fits(x_N, shifts_S, len(y_N), rate) & _fits(y_N, -shifts_S, len(x_N), rate)
    shifts_S = shifts_S[possible_S]
    if not len(shifts_S):
        return
    below = round(limit * (size // 2))
    lengths = len(x_N), len(y_N)
    plain = [_spectrum(samples, size, below) for samples in (x_N, y_N)]
    whitening = _whitening(plain, rate)
    white = [spectrum * whitening for spectrum in plain]
    whitened_S = _correlation(white[0], white[1], shifts_S, lengths)
    first = int(whitened_S.argmax())
    if whitened_S[first] < _HOPELESS:
        return
    cross = white[0].conj() * white[1]
    yield Shift(int(shifts_S[first]), _part(cross, int(shifts_S[first]), size))
    plain_S = _correlation(plain[0], plain[1], shifts_S, lengths)
    second = int(plain_S.argmax())
    if second != first and plain_S[second] > _PLAINLY:
        yield Shift(int(shifts_S[second]), _part(cross, int(shifts_S[second]), size))


def _spectrum(samples_N: Array, size: int, below: int) -> Spectrum:
    spectrum: Spectrum = torch.fft.rfft(torch.from_numpy(samples_N).float(), size).numpy()
    spectrum[below:] = 0
    return spectrum


def _signal(spectrum: Spectrum) -> Array:
    signal: Array = torch.fft.irfft(torch.from_numpy(spectrum)).double().numpy()
    return signal


def _whitening(spectra: list[Spectrum], rate: int) -> npt.NDArray[np.float32]:
    """The inverse root of what both have in bands of about equal width to the ear."""
    edges, widths = _bands(len(spectra[0]), rate)
    power = np.zeros(len(edges))
    for spectrum in spectra:
        energy = np.add.reduceat(spectrum.real**2 + spectrum.imag**2, edges, dtype=np.float64)
        power += energy / widths / max(energy.sum(), 1e-30)
    weights = 1 / np.sqrt(power + _WHITENING * power.max() + 1e-30)
    return np.repeat(weights.astype(np.float32), widths)


@lru_cache(maxsize=16)
def _bands(frequencies: int, rate: int) -> tuple[Shifts, Shifts]:
    """The first frequency of each band, and how many it has."""
    places = np.linspace(0, np.log1p(rate / 2 / 700), _BANDS, endpoint=False)
    edges = np.unique((700 * np.expm1(places) / (rate / 2) * frequencies).astype(np.int64))
    return edges, np.diff(np.append(edges, frequencies))


def _correlation(x: Spectrum, y: Spectrum, shifts_S: Shifts, lengths: tuple[int, int]) -> Array:
    """Of what lies over each other, at each shift, given the spectra of both."""
    products_S = _signal(x.conj() * y)[shifts_S]
    x_N, y_N = (_signal(z)[:length] for z, length in zip((x, y), lengths, strict=True))
    energy_S = _common(x_N**2, shifts_S, lengths[1]) * _common(y_N**2, -shifts_S, lengths[0])
    correlation: Array = np.abs(products_S) / np.sqrt(np.maximum(energy_S, 1e-60))
    return correlation


def _common(values_N: Array, shifts_S: Shifts, other: int) -> Array:
    """Sum of those values that lie over ``other`` samples, for each shift of those to the left."""
    sums = np.concatenate([[0.0], np.cumsum(values_N)])
    common: Array = sums[np.clip(other - shifts_S, 0, len(values_N))] - sums[np.clip(-shifts_S, 0, len(values_N))]
    return common


def _fits(samples_N: Array, shifts_S: Shifts, other: int, rate: int) -> npt.NDArray[np.bool_]:
    """At which shifts little enough of a sound lies beside ``other`` samples."""
    width = max(1, round(_FRAME_SECONDS * rate))
    frames = np.add.reduceat(samples_N**2, np.arange(0, len(samples_N), width))
    sounding_N = np.repeat(frames > _SILENT * frames.max(), width)[: len(samples_N)].astype(np.float64)
    total = sounding_N.sum()
    most = max(_CUT_SHARE * total, min(_CUT_SECONDS * rate, _CUT_SHARE_OF_SHORT * total))
    fits: npt.NDArray[np.bool_] = total - _common(sounding_N, shifts_S, other) <= most
    return fits


def _part(cross: Spectrum, shift: int, size: int) -> float:
    """Where within half a sample of a shift correlation is greatest: a decoder may delay a sound by parts of one."""
    cross = cross[: 1 + int(np.flatnonzero(cross)[-1])]
    turns = np.arange(len(cross)) / size
    values = cross * _turned((shift - 0.5) * turns % 1)
    step = _turned(turns / _FINE)
    correlations = []
    for _ in range(_FINE + 1):
        correlations.append(abs(float(values.real.sum(dtype=np.float64))))
        values *= step
    return int(np.argmax(correlations)) / _FINE - 0.5


def _turned(turns: Array) -> Spectrum:
    """Complex numbers of magnitude 1."""
    angles = (2 * np.pi * turns).astype(np.float32)
    turned: Spectrum = np.cos(angles) + np.complex64(1j) * np.sin(angles)
    return turned
