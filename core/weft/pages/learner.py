"""What moves the weights, as people read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def learner_text(settings: Mapping[str, Any]) -> str:
    """``muon, peak learning rate 0.02 (trapezoid)``; what older runs do not say of themselves is left out.

    Args:
        settings: Of a run, as ``run.json`` has them.
    """
    schedule = f" ({settings['schedule']})" if "schedule" in settings else ""
    rate = f"peak learning rate {settings['learning_rate']:g}{schedule}"
    return f"{settings['optimizer']}, {rate}" if "optimizer" in settings else rate
