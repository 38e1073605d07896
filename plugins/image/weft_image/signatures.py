"""Perceptual hashes: which pictures are worth comparing.

A picture is known by the signs of its lowest cosine coefficients (the perceptual hash of Zauner 2010, "Implementation
and Benchmarking of Perceptual Image Hash Functions"), and so are windows into it: a copy whose borders were cut off
looks like one of the windows of its original, and as a whole it may look like nothing.

Shapes are told by suffix letters: N pixels a side, F frequencies a side, V windows, K hashed coefficients.
"""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Words = npt.NDArray[np.uint64]

_HASHED = 8
"""Frequencies a side that are hashed."""
_BANDS = 3
_BAND_BITS = 21
_BITS = np.uint64(1) << np.arange(_BAND_BITS, dtype=np.uint64)
_BAND_NUMBERS = np.arange(1, _BANDS + 1, dtype=np.uint64) << np.uint64(_BAND_BITS)
_ODD = np.uint64(0x9E3779B97F4A7C15)
"""2^64 over the golden ratio: spreads keys evenly."""

_WINDOWS = ((1.0, 0.0), (0.95, 0.0), (0.95, 0.025), (0.95, 0.05), (0.925, 0.0375), (0.9, 0.05))
"""Length and beginning, as shares of the whole side."""
_PAIRS = ((0, 0), *itertools.product((1, 2, 3), (1, 2, 3)), (4, 4), (5, 5))
"""Which window of the rows goes with which of the columns; first of all the picture as a whole."""


def keys_of(gray: Floats, mirrored: bool) -> Words:
    """The keys of one picture: bands of its hashes, ``(keys,)``.

    Args:
        gray: Float, ``(N, N)``, on any scale.
        mirrored: Whether mirrored copies are to be found too.
    """
    windows = _row_operators(len(gray)) @ gray @ _column_operators(len(gray))
    hashed = windows.reshape(len(_PAIRS), -1)[:, 1:]
    keys = [_band_keys(hashed)]
    if mirrored:
        keys.append(_band_keys((windows[0] * _mirror(_HASHED)).reshape(1, -1)[:, 1:]))
    return np.unique(np.concatenate(keys))


def _band_keys(hashed_VK: Floats) -> Words:
    """Keys of each window's bands; of the first window also those in which the least certain bit is the other way."""
    middle = hashed_VK.shape[1] // 2
    distance = hashed_VK - np.partition(hashed_VK, middle, axis=1)[:, middle, None]
    parts = distance[:, _band_places()]
    bits = (parts > 0) @ _BITS | _BAND_NUMBERS
    flipped = bits[:1] ^ _BITS[np.abs(parts[:1]).argmin(2)]
    return np.concatenate([bits, flipped]).ravel() * _ODD


@cache
def _cosines(frequencies: int, size: int) -> Floats:
    """The discrete cosine transform of so many points, ``(frequencies, size)``, for any size on the same scale."""
    places = (np.arange(size) + 0.5) / size
    waves = np.cos(np.pi * np.arange(frequencies)[:, None] * places) / size
    return waves.astype(np.float32)


@cache
def _window(size: int, length: float, start: float) -> Floats:
    """Resamples a window of a line of ``size`` points to as many, ``(size, size)``, by linear interpolation."""
    places = (start + length * (np.arange(size) + 0.5) / size) * size - 0.5
    weights = np.maximum(0, 1 - np.abs(places.clip(0, size - 1)[:, None] - np.arange(size)))
    operator: Floats = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return operator


@cache
def _row_operators(size: int) -> Floats:
    """``(V, F, N)``: hashed frequencies of each pair's window of the rows."""
    return np.stack([_cosines(_HASHED, size) @ _window(size, *_WINDOWS[row]) for row, _ in _PAIRS])


@cache
def _column_operators(size: int) -> Floats:
    """``(V, N, F)``."""
    return np.stack([(_cosines(_HASHED, size) @ _window(size, *_WINDOWS[column])).T for _, column in _PAIRS])


@cache
def _mirror(frequencies: int) -> Floats:
    """What coefficients ``(F, F)`` are multiplied by when left and right change places."""
    signs: Any = np.where(np.arange(frequencies) % 2, -1, 1)
    return np.broadcast_to(signs, (frequencies, frequencies)).astype(np.float32)


@cache
def _band_places() -> npt.NDArray[np.int64]:
    """Which coefficients make up each band, ``(bands, bits)``: spread over all frequencies."""
    order = np.random.default_rng(0).permutation(_HASHED**2 - 1)
    return order[: _BANDS * _BAND_BITS].reshape(_BANDS, _BAND_BITS)
