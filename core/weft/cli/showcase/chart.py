"""Loss curves: from metrics to the places of lines, points and labels; the template draws them as SVG."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from weft.pages.axis import Tick, ticks

WIDTH, HEIGHT = 520, 260
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 12, 36
MOST_POINTS = 260
"""Of the training curve: as many as can be told apart."""


@dataclass(frozen=True, slots=True)
class Point:
    """A place in the picture, and what it stands for."""

    x: float
    y: float
    step: int
    value: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything the template needs.

    Attributes:
        train: Mean losses of the training steps.
        held_out: Losses on held-out data.
        best: The lowest of those; ``None`` where nothing was held out.
        steps: Labels of the horizontal axis.
        losses: Labels of the vertical axis.
        unit: Of the losses; empty where it is not known.
    """

    train: Sequence[Point]
    held_out: Sequence[Point]
    best: Point | None
    steps: Sequence[Tick]
    losses: Sequence[Tick]
    unit: str = ""
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM

    @property
    def summary(self) -> str:
        """What the picture shows, in a sentence."""
        unit = f" in {self.unit}" if self.unit else ""
        text = f"Training loss{unit} from {self.train[0].value:.2f} to {self.train[-1].value:.2f}"
        if self.best is None:
            return f"{text}."
        return f"{text}; held-out loss lowest at step {self.best.step:,}: {self.best.value:.2f}."


def loss_chart(metrics: Iterable[Mapping[str, Any]]) -> Chart | None:
    """A chart of what a run logged; ``None`` where it logged no training loss."""
    rows = list(metrics)
    train = _thinned([(int(row["step"]), float(row["loss"])) for row in rows if "loss" in row])
    held_out = [(int(row["step"]), float(row["validation/loss"])) for row in rows if "validation/loss" in row]
    if not train:
        return None
    last = max(step for step, _ in (*train, *held_out))
    values = [value for _, value in (*train, *held_out)]
    losses = ticks(min(values), max(values), 5)
    low, high = min(losses[0], *values), max(losses[-1], *values)

    def x(step: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * step / last, 1)

    def y(value: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low), 1)

    def points(pairs: Sequence[tuple[int, float]]) -> list[Point]:
        return [Point(x(step), y(value), step, value) for step, value in pairs]

    evaluated = points(held_out)
    return Chart(
        train=points(train),
        held_out=evaluated,
        best=min(evaluated, key=lambda point: point.value, default=None),
        steps=[Tick(x(step), f"{step:,.0f}") for step in ticks(0, last, 5) if step <= last],
        losses=[Tick(y(value), f"{value:g}") for value in losses],
        unit="nats per token" if any(name.endswith("/nats_per_token") for row in rows for name in row) else "",
    )


def _thinned(pairs: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """Means of neighbors, where there are more points than can be told apart."""
    group = -(-len(pairs) // MOST_POINTS)
    if group <= 1:
        return pairs
    groups = [pairs[start : start + group] for start in range(0, len(pairs), group)]
    return [(part[-1][0], sum(value for _, value in part) / len(part)) for part in groups]
