"""Perceptual hashes: which pictures are worth comparing.

A picture is known by the signs of its lowest cosine coefficients (the perceptual hash of Zauner 2010, "Implementation
and Benchmarking of Perceptual Image Hash Functions"), and so are windows into it: a copy whose borders were cut off
looks like one of the windows of its original, and as a whole it may look like nothing.

Shapes are told by suffix letters: N pixels a side, F frequencies a side, V windows, K kept coefficients.
"""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

import weft

Floats = npt.NDArray[np.floating[Any]]
Words = npt.NDArray[np.uint64]

_HASHED = 8
"""Frequencies a side that are hashed and compared, as in the perceptual hash."""
_STORED = 12
"""Frequencies a side of the sketch: those that the hashed ones of a window follow from."""
_BANDS = 3
_BAND_BITS = 21
_ODD = np.uint64(0x9E3779B97F4A7C15)
"""2^64 over the golden ratio: spreads keys evenly."""

_WINDOWS = ((1.0, 0.0), (0.95, 0.0), (0.95, 0.025), (0.95, 0.05), (0.925, 0.0375), (0.9, 0.05))
"""Length and beginning, as shares of the whole side."""
_PAIRS = ((0, 0), *itertools.product((1, 2, 3), (1, 2, 3)), (4, 4), (5, 5))
"""Which window of the rows goes with which of the columns; first of all the picture as a whole."""

_NORMS = np.dtype(np.float16)
SKETCH_WORDS = -(-(_STORED**2 + len(_PAIRS) * _NORMS.itemsize) // 8)


def sign(gray: Floats, white: float, mirrored: bool) -> weft.Signature:
    """The signature of one picture.

    Args:
        gray: Float, ``(N, N)``, on any scale.
        white: Share of pixels that are white.
        mirrored: Whether mirrored copies are to be found too.
    """
    windows = _row_operators(len(gray)) @ gray @ _column_operators(len(gray))
    hashed = windows.reshape(len(_PAIRS), -1)[:, 1:]
    keys = [_band_keys(hashed, spare=True)]
    if mirrored:
        keys.append(_band_keys((windows[0] * _mirror(_HASHED)).reshape(1, -1)[:, 1:], spare=True))
    return weft.Signature(np.unique(np.concatenate(keys)), _pack(gray, white))


def likeness(sketch: Words, others: Words, mirrored: bool) -> Floats:
    """How much a picture looks like others, or a window of one like the whole of the other: correlations, at most 1.

    Args:
        sketch: ``(SKETCH_WORDS,)``.
        others: ``(candidates, SKETCH_WORDS)``.
        mirrored: Whether the mirror image may be what is alike.

    Returns:
        ``(candidates,)``.
    """
    own, own_norms = _unpack(sketch[None])
    found, found_norms = _unpack(others)
    turned = [own, own * _mirror(_STORED).ravel()] if mirrored else [own]
    best: Floats = np.max([_correlate(each[0], own_norms[0], found, found_norms) for each in turned], axis=0)
    return best


def white_share(sketches: Words) -> Floats:
    """Share of white pixels, ``(candidates,)``."""
    return np.ascontiguousarray(sketches).view(np.int8)[:, 0].astype(np.float32) / 127


def _correlate(own: Floats, own_norms: Floats, found: Floats, found_norms: Floats) -> Floats:
    operators = _window_operators()
    whole = operators[0] @ own
    # A window of theirs against the whole of ours is, by the transpose, theirs as stored against something of ours.
    windows_of_ours = (operators @ own) @ operators[0]
    ours_for_their_windows = whole @ operators
    scale = float(own_norms[0])
    first = found @ windows_of_ours.T / np.maximum(own_norms * found_norms[:, :1], 1e-6)
    second = found @ ours_for_their_windows.T / np.maximum(scale * found_norms, 1e-6)
    best: Floats = np.maximum(first.max(1), second.max(1))
    return best


def _band_keys(hashed_VK: Floats, spare: bool) -> Words:
    """Keys of each window's bands; of the first window also those in which the least certain bit is the other way."""
    distance = hashed_VK - np.median(hashed_VK, axis=1, keepdims=True)
    keys: list[Words] = []
    for band, places in enumerate(_band_places()):
        part = distance[:, places]
        bits = (part > 0) @ (np.uint64(1) << np.arange(_BAND_BITS, dtype=np.uint64))
        flipped = bits[:1] ^ (np.uint64(1) << np.abs(part[:1]).argmin(1).astype(np.uint64)) if spare else bits[:0]
        keys.append(np.concatenate([bits, flipped]) | np.uint64((band + 1) << _BAND_BITS))
    return np.concatenate(keys) * _ODD


def _pack(gray: Floats, white: float) -> Words:
    across = _cosines(_STORED, len(gray))
    stored = across @ gray @ across.T
    stored[0, 0] = 0
    levels = np.rint(stored * (127 / max(float(np.abs(stored).max()), 1e-6)))
    norms = np.linalg.norm(_window_operators() @ levels.ravel().astype(np.float32), axis=1)
    levels[0, 0] = round(white * 127)
    data = levels.astype(np.int8).tobytes() + norms.astype(_NORMS).tobytes()
    return np.frombuffer(data.ljust(8 * SKETCH_WORDS, b"\0"), dtype="<u8").astype(np.uint64)


def _unpack(sketches: Words) -> tuple[Floats, Floats]:
    """Coefficients ``(candidates, F * F)`` and norms of the windows ``(candidates, V)``."""
    raw = np.ascontiguousarray(sketches.astype("<u8")).view(np.int8)
    levels = raw[:, : _STORED**2].astype(np.float32)
    levels[:, 0] = 0
    end = _STORED**2 + len(_PAIRS) * _NORMS.itemsize
    norms = np.ascontiguousarray(raw[:, _STORED**2 : end]).view(_NORMS).astype(np.float32)
    return levels, norms


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
def _window_operators() -> Floats:
    """``(V, K, F * F)``: stored coefficients to weighted hashed ones of each window.

    Weighted by frequency, as if edges were compared: nearly all pictures of a kind share their coarsest shades.
    """
    size = 4 * _STORED
    back = _cosines(_STORED, size).T * np.where(np.arange(_STORED) == 0, 1, 2) * size
    lines = [_cosines(_HASHED, size) @ _window(size, *window) @ back for window in _WINDOWS]
    weights = np.hypot(*np.meshgrid(np.arange(_HASHED), np.arange(_HASHED))).reshape(-1, 1)
    operators = [(np.kron(lines[row], lines[column]) * weights)[1:] for row, column in _PAIRS]
    return np.stack(operators).astype(np.float32)


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
