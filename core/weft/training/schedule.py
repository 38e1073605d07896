"""How the learning rate moves over a run."""

from __future__ import annotations

import math
from typing import Literal

Schedule = Literal["trapezoid", "cosine", "constant"]

FLOOR = 0.1
"""Share of the peak at which a cosine ends (arXiv:2203.15556)."""


def share_of_peak(schedule: Schedule, step: int, steps: int, *, warmup: float = 0.02, cooldown: float = 0.4) -> float:
    """Share of the peak learning rate at a step.

    ``trapezoid`` goes up, stays, and comes down to nothing (warmup-stable-decay, arXiv:2404.06395), ``cosine`` goes up
    and down to a tenth (arXiv:1608.03983), ``constant`` goes up and stays.

    Args:
        schedule: Which.
        step: From 0.
        steps: In all.
        warmup: Share of the steps that the rate rises.
        cooldown: Share of the steps that a trapezoid falls.
    """
    rise = max(1.0, warmup * steps)
    rising = min(1.0, (step + 1) / rise)
    if schedule == "trapezoid":
        return min(rising, (steps - step) / max(1.0, cooldown * steps))
    if schedule == "cosine":
        done = min(1.0, max(0.0, step + 1 - rise) / max(1.0, steps - rise))
        return rising * (FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * done)) / 2)
    return rising
