"""How the learning rate moves over a run."""

from __future__ import annotations


def trapezoid(step: int, steps: int, warmup: float = 0.02, decay: float = 0.4) -> float:
    """Share of the peak learning rate at a step: up, flat, then down to nothing.

    Warmup-stable-decay, as in arXiv:2404.06395.

    Args:
        step: From 0.
        steps: In all.
        warmup: Share of the steps that the rate rises.
        decay: Share of the steps that it falls.
    """
    rise = max(1.0, warmup * steps)
    fall = max(1.0, decay * steps)
    return min(1.0, (step + 1) / rise, (steps - step) / fall)
