"""Distributions: bars of what is kept above the line, of what is rejected below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from weft.pages.axis import Tick, ticks
from weft.pages.numbers import figure

WIDTH, LANE, AXIS, MARGIN = 320, 64, 20, 10
BINS = 40
TAIL = 0.005
"""Share of the values at each end that is put into the outermost bars, so that a few do not press the rest together."""

Values = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar, and what it stands for in words."""

    x: float
    y: float
    width: float
    height: float
    title: str
    kept: bool


@dataclass(frozen=True, slots=True)
class Histogram:
    """Everything the template needs.

    Attributes:
        name: Of what was measured.
        kept: How many kept ones have a value.
        rejected: How many rejected ones.
        bars: Of both.
        axis: Labels below.
        facts: Least, middle and greatest of the kept values, or of all where none is kept.
        middle: Height of the line between the lanes.
        height: Of the picture.
    """

    name: str
    kept: int
    rejected: int
    bars: Sequence[Bar]
    axis: Sequence[Tick]
    facts: str
    middle: float
    height: float
    width: int = WIDTH


def histogram(name: str, kept: Values, rejected: Values | None = None, unit: str = "") -> Histogram | None:
    """A picture of some values; ``None`` where there are none, or all are the same.

    Args:
        name: Of what was measured.
        kept: Finite, shape ``(kept,)``.
        rejected: Finite, shape ``(rejected,)``.
        unit: Of the values, in the plural.
    """
    rejected = np.empty(0, np.float32) if rejected is None else rejected
    both = np.concatenate([kept, rejected]).astype(np.float64)
    if not len(both) or both.min() == both.max():
        return None
    edges = _edges(both)
    counts = [np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] for values in (kept, rejected)]
    lanes = LANE * (1 + bool(len(rejected)))
    bars = [*_bars(counts, edges, kept=True), *_bars(counts, edges, kept=False)]
    axis = [
        Tick(_place(value, edges), figure(value))
        for value in ticks(float(edges[0]), float(edges[-1]), 4)
        if edges[0] <= value <= edges[-1]
    ]
    shown = kept if len(kept) else rejected
    low, middle, high = (figure(round(float(value), 6)) for value in (shown.min(), np.median(shown), shown.max()))
    facts = f"always {low}" if low == high else f"{low} to {high}, half of them up to {middle}"
    return Histogram(
        name, len(kept), len(rejected), bars, axis, f"{facts} {unit}".strip(), LANE + MARGIN, lanes + AXIS + MARGIN
    )


def _edges(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    low, high = np.quantile(values, [TAIL, 1 - TAIL])
    if low == high:
        low, high = values.min(), values.max()
    whole = bool(np.all(values == np.round(values)))
    if whole and high - low < BINS:
        return np.arange(low, high + 2) - 0.5
    return np.linspace(low, high, BINS + 1)


def _bars(counts: Sequence[npt.NDArray[np.int64]], edges: npt.NDArray[np.float64], *, kept: bool) -> list[Bar]:
    own = counts[0 if kept else 1]
    most = int(own.max())
    bars = []
    for place in np.flatnonzero(own).tolist():
        height = max(1.5, LANE * int(own[place]) / most)
        left, right = (_place(float(edges[place + side]), edges) for side in (0, 1))
        title = f"{_range(edges, place)}: {int(counts[0][place])} kept, {int(counts[1][place])} rejected"
        y = LANE + MARGIN - height if kept else LANE + MARGIN + 1
        bars.append(Bar(round(left, 1), round(y, 1), round(right - left - 0.6, 2), round(height, 1), title, kept))
    return bars


def _range(edges: npt.NDArray[np.float64], place: int) -> str:
    low, high = float(edges[place]), float(edges[place + 1])
    if high - low == 1 and not low.is_integer() and (low + 0.5).is_integer():
        return figure(low + 0.5)
    if place == 0:
        return f"up to {figure(high)}"
    return f"from {figure(low)}" if place == len(edges) - 2 else f"{figure(low)} to {figure(high)}"


def _place(value: float, edges: npt.NDArray[np.float64]) -> float:
    span = float(edges[-1] - edges[0])
    return round(MARGIN + (WIDTH - 2 * MARGIN) * (value - float(edges[0])) / span, 1)
