"""Thumbnails: which of the nominated pictures are worth laying over each other.

Two thumbnails are compared by the tangent distance (Simard, LeCun and Denker 1993, "Efficient Pattern Recognition Using
a New Transformation Distance"): what of one cannot be made of the other by a small shift, a small change of scale and
another brightness, which takes but a least-squares fit. Windows into the picture, and wider frames around it, bring
within reach what was cut off at its borders.

Shapes are told by suffix letters: W windows, T tangents, P pixels that are compared.
"""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Words = npt.NDArray[np.uint64]

_SIDE = 16
SKETCH_WORDS = _SIDE**2 // 8
_MIDDLE = 128
"""The gray level that is stored as zero."""
_BLUR = 0.8
"""Standard deviation, in pixels of the thumbnail: less would leave edges too sharp for a tangent to follow."""
_MARGIN = 2
_INSIDE = slice(_MARGIN, -_MARGIN)
"""What is compared: windows and frames hold nothing reliable at the border."""
_WHITE = 241 - _MIDDLE
"""From here on a pixel of a thumbnail may be of white paper, which stays as it is where a drawing is made brighter."""
_ALL_WHITE = 250 - _MIDDLE
_STIFFNESS = 0.02
"""What a change of a pixel or so costs, as a share of the variance: a tangent holds for small steps only."""
_GRAIN = 2.0
"""Variance a pixel that means nothing."""

_ZOOM = 0.95
_LINES = (
    ((1.0, 0.0),),
    ((_ZOOM, 0.01), (_ZOOM, 0.04)),
    ((1 / _ZOOM, -0.01 / _ZOOM), (1 / _ZOOM, -0.04 / _ZOOM)),
)
"""Length and beginning, as shares of the whole side: all of it, windows into it, frames around it."""
_WINDOWS = tuple(window for lines in _LINES for window in itertools.product(lines, lines))


def sketch(gray: Floats) -> Words:
    """A smooth thumbnail, ``(SKETCH_WORDS,)``, of a picture ``(N, N)`` of gray levels from 0 to 255."""
    shrink = _shrinking(len(gray))
    levels = np.rint(shrink @ gray @ shrink.T - _MIDDLE).clip(-128, 127).astype(np.int8)
    return np.frombuffer(levels.tobytes(), dtype="<u8").astype(np.uint64)


def unlikeness(sketch: Words, others: Words, mirrored: bool) -> Floats:
    """What of others cannot be made of a picture, as a share of the squares of their slopes.

    Slopes, and not the variance: what resampling leaves over is at the edges, while nearly all pictures of a kind share
    their coarsest shades.

    Args:
        sketch: ``(SKETCH_WORDS,)``.
        others: ``(candidates, SKETCH_WORDS)``.
        mirrored: Whether the mirror image may be what is alike.

    Returns:
        ``(candidates,)``, 0 for the same.
    """
    own, thumbnails = _thumbnails(sketch[None])[0], _thumbnails(others)
    inner = thumbnails[:, _INSIDE, _INSIDE]
    down, across = inner[:, 1:] - inner[:, :-1], inner[:, :, 1:] - inner[:, :, :-1]
    slopes = (np.einsum("nij,nij->n", down, down) + np.einsum("nij,nij->n", across, across)) / 2
    found = inner.reshape(len(others), -1)
    variances = np.einsum("np,np->n", found, found) - np.square(found.sum(1)) / found.shape[1]
    explained = _explained(own, found)
    if mirrored:
        explained = np.maximum(explained, _explained(own[:, ::-1], found))
    left: Floats = np.maximum(variances - explained, 0) / (slopes + _GRAIN * found.shape[1])
    return left


def white_share(sketches: Words) -> Floats:
    """Share of each thumbnail that is white, ``(candidates,)``."""
    share: Floats = (_thumbnails(sketches) >= _ALL_WHITE).mean(axis=(1, 2), dtype=np.float32)
    return share


def _thumbnails(sketches: Words) -> Floats:
    levels = np.ascontiguousarray(sketches.astype("<u8", copy=False)).view(np.int8)
    return levels.reshape(-1, _SIDE, _SIDE).astype(np.float32)


def _explained(own: Floats, found: Floats) -> Floats:
    """How much of the variance of each candidate the window with the best fit accounts for."""
    tangents_WTP = _tangents(own)
    count, kinds, pixels = tangents_WTP.shape
    gram = tangents_WTP @ tangents_WTP.transpose(0, 2, 1)
    gram += gram[:, :1, :1] * _stiffness(kinds) + np.eye(kinds, dtype=np.float32)
    shared = (tangents_WTP.reshape(-1, pixels) @ found.T).reshape(count, kinds, -1)
    fitted: Floats = (np.linalg.solve(gram, shared) * shared).sum(1).max(0)
    return fitted


def _tangents(own: Floats) -> Floats:
    """What the brightness, white paper, a shift and a scale along each axis change in each window, ``(W, T, P)``."""
    rows, columns, places = _resampling()
    windows = rows @ own @ columns
    after, before = slice(_MARGIN + 1, 1 - _MARGIN), slice(_MARGIN - 1, -1 - _MARGIN)
    changes = np.empty((len(windows), 6, len(places), len(places)), dtype=np.float32)
    changes[:, 0] = windows[:, _INSIDE, _INSIDE]
    changes[:, 1] = np.maximum(changes[:, 0] - _WHITE, 0) * 5
    changes[:, 2] = (windows[:, after, _INSIDE] - windows[:, before, _INSIDE]) / 4
    changes[:, 3] = (windows[:, _INSIDE, after] - windows[:, _INSIDE, before]) / 4
    changes[:, 4] = changes[:, 2] * places[:, None]
    changes[:, 5] = changes[:, 3] * places
    flat = changes.reshape(len(windows), 6, -1)
    flat -= flat.sum(2, keepdims=True) / flat.shape[2]
    return flat


@cache
def _stiffness(kinds: int) -> Floats:
    """What each change costs, on the diagonal; brightness is free."""
    return np.diag(np.where(np.arange(kinds) < 2, 0, _STIFFNESS)).astype(np.float32)


@cache
def _resampling() -> tuple[Floats, Floats, Floats]:
    """Each window of the rows ``(W, S, S)`` and of the columns, transposed, and places along the compared part."""
    rows = np.stack([_window(*row) for row, _ in _WINDOWS])
    columns = np.stack([_window(*column).T for _, column in _WINDOWS])
    places = (np.arange(_SIDE, dtype=np.float32) - (_SIDE - 1) / 2)[_INSIDE] / (_SIDE / 2)
    return rows, columns, places


def _window(length: float, start: float) -> Floats:
    """Resamples a window of the thumbnail to its size, by cubic convolution (Keys 1981)."""
    places = (start + length * (np.arange(_SIDE) + 0.5) / _SIDE) * _SIDE - 0.5
    distance = np.abs(places.clip(-0.5, _SIDE - 0.5)[:, None] - np.arange(-2, _SIDE + 2))
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    weights = np.where(distance < 1, near, np.where(distance < 2, far, 0))
    weights[:, 2] += weights[:, :2].sum(1)
    weights[:, -3] += weights[:, -2:].sum(1)
    window: Floats = weights[:, 2:-2].astype(np.float32)
    return window


@cache
def _shrinking(size: int) -> Floats:
    """Brings a line of ``size`` points to the size of the thumbnail, blurred, ``(_SIDE, size)``."""
    places = (np.arange(_SIDE) + 0.5) * size / _SIDE - 0.5
    weights = np.maximum(0, 1 - np.abs(places[:, None] - np.arange(size)) / max(size / _SIDE, 1))
    line = np.arange(_SIDE)
    blur = np.exp(-np.square((line[:, None] - line) / _BLUR) / 2)
    shrinking: Floats = (blur / blur.sum(1, keepdims=True)) @ (weights / weights.sum(1, keepdims=True))
    return shrinking.astype(np.float32)
