"""Figures on their way into files."""

from __future__ import annotations

import math
from collections.abc import Mapping


def finite(figures: Mapping[str, float]) -> dict[str, float]:
    """Those that JSON can hold: it knows neither infinity nor what is not a number."""
    return {name: value for name, value in figures.items() if math.isfinite(value)}
