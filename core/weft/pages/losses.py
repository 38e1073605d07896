"""Losses as people read them."""

from __future__ import annotations

from collections.abc import Mapping

UNITS = {"bits_per_byte": "bits per byte", "nats_per_token": "nats per token"}
"""What losses are measured in; the one that says most about a modality comes first."""


def losses_text(figures: Mapping[str, float]) -> str:
    """``text 2.104 bits per byte (1.532 nats per token)``; of several tasks their average as well.

    Args:
        figures: By ``TASK/UNIT``, and ``loss``, which is the average over all tokens. Others are left out.
    """
    tasks: dict[str, dict[str, float]] = {}
    for name, value in figures.items():
        task, slash, unit = name.partition("/")
        if slash:
            tasks.setdefault(task, {})[unit] = value
    texts = [f"{task} {_units_text(units)}" for task, units in tasks.items()]
    if "loss" not in figures or len(tasks) == 1:
        return ", ".join(texts)
    average = f"{figures['loss']:.3f}"
    # Another objective than that of next tokens has a unit of its own, which nobody knows here.
    unit = " nats per token" if all("nats_per_token" in units for units in tasks.values()) else ""
    return f"average {average}{unit}: {', '.join(texts)}" if texts else f"loss {average}"


def _units_text(units: Mapping[str, float]) -> str:
    names = sorted(units, key=lambda name: list(UNITS).index(name) if name in UNITS else len(UNITS))
    first, *more = (f"{units[name]:.3f} {unit_words(name)}" for name in names)
    return f"{first} ({', '.join(more)})" if more else first


def unit_words(name: str) -> str:
    """``bits per byte``"""
    return UNITS.get(name, name.replace("_", " "))
