"""From what the user typed to a request with every option settled."""

from __future__ import annotations

import dataclasses
import secrets
from dataclasses import dataclass
from typing import Any

from weft.errors import OptionError
from weft.interfaces.generator import CREATIVITY, Creativity, Generator, SamplingOptions


@dataclass(frozen=True, slots=True)
class PayloadPrompt:
    """What is given as a prompt and is no text.

    Attributes:
        modality: Of the payload.
        payload: Cleaned as those of the run's corpora are.
        name: Of the file that it was read from, as the user named it; empty for one in memory.
    """

    modality: str
    payload: Any
    name: str = ""


_RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0, 100),
    "top_k": (0, 2**31),
    "top_p": (1e-9, 1),
    "min_p": (0, 1),
    "repetition_penalty": (1e-3, 1e3),
    "guidance": (0, 100),
    "seed": (0, 2**62),
    "n": (1, 100_000),
    "max_tokens": (1, 2**31),
    "seconds": (1e-6, 1e6),
}


def check(options: SamplingOptions, creativity: Creativity | None) -> None:
    """Raises :class:`weft.OptionError` for a value out of its range or options that exclude each other."""
    if creativity is not None and creativity not in CREATIVITY:
        raise OptionError(f"creativity {creativity!r} is unknown; choose one of {', '.join(CREATIVITY)}")
    if creativity is not None and options.temperature is not None:
        raise OptionError("--creativity sets the temperature; give either it or --temperature")
    for name, (low, high) in _RANGES.items():
        value = getattr(options, name)
        if value is not None and not low <= value <= high:
            raise OptionError(f"{name} must be between {low:g} and {high:g}, got {value:g}")
    if "" in options.stop:
        raise OptionError("a stop text must not be empty; leave it out")


def settle(generator: Generator[Any], options: SamplingOptions, creativity: Creativity | None) -> SamplingOptions:
    """Fill in what was left open: the modality's creativity preset, its defaults, a seed of our own."""
    check(options, creativity)
    preset = {} if creativity is None else dict(generator.creativity[creativity])
    filled = {}
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if value is None:
            value = preset.get(field.name, getattr(generator.defaults, field.name))
        filled[field.name] = value
    if filled["seed"] is None:
        filled["seed"] = secrets.randbelow(2**31)
    return SamplingOptions(**filled)
