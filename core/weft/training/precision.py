"""With which precision a step is computed, and whether it is compiled."""

from __future__ import annotations

import importlib.util
import math
import os
import shutil
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import torch

T = TypeVar("T")
Autocast = Literal["bfloat16"] | None

SHORTEST_COMPILED = 10.0
"""Minutes; compiling takes up to one."""
WIDEST_COMPILED = 128
"""Width up to which a compiled model is the faster one on the CPU (``docs/decisions/training-speed.md``)."""


def autocast(device: torch.device, kind: str | None) -> AbstractContextManager[Any]:
    """Mixed precision of a type (``"bfloat16"``), or nothing."""
    return nullcontext() if kind is None else torch.autocast(device.type, dtype=getattr(torch, kind))


@dataclass(frozen=True, slots=True)
class Choice(Generic[T]):
    """Something that was decided.

    Attributes:
        value: What.
        reason: Why, a clause for the log.
    """

    value: T
    reason: str

    def why(self, value: T) -> str:
        """The reason for a value: this one, or that somebody wanted another one."""
        return self.reason if value == self.value else "as asked for"


def choose_precision(wanted: Literal["float32", "bfloat16"] | None, device: torch.device) -> Choice[Autocast]:
    """The type of mixed precision, ``None`` for full precision.

    Args:
        wanted: ``float32`` or ``bfloat16``; ``None`` leaves it to the device.
        device: Where the run computes.
    """
    if wanted is not None:
        return Choice(None if wanted == "float32" else wanted, "as asked for")
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return Choice("bfloat16", "this GPU multiplies bfloat16 faster")
        return Choice(None, "this GPU has no arithmetic in bfloat16")
    if device.type != "cpu":
        return Choice(None, f"bfloat16 was not measured on {device.type}")
    # An eighth of the speed without such instructions; with them it pays for wide models alone, at a loss of exactness.
    return Choice(None, "bfloat16 is slower on most CPUs")


def choose_compile(wanted: bool | None, device: torch.device, minutes: float | None, width: int) -> Choice[bool]:
    """Whether the model is compiled.

    Args:
        wanted: ``None`` leaves it to device, width and length of the run.
        device: Where the run computes.
        minutes: How long the run is meant to take, where that is known.
        width: Of the model.
    """
    if wanted is not None:
        return Choice(wanted, "as asked for")
    on_cpu = device.type == "cpu"
    obstacles = {
        f"compilation was not measured on {device.type}": device.type not in ("cpu", "cuda"),
        "at this width core's own operations do as well": on_cpu and width > WIDEST_COMPILED,
        "without a time budget it may not earn itself back": on_cpu and minutes is None,
        f"a run of {minutes or 0:g} minutes is too short to earn it back": (minutes or math.inf) < SHORTEST_COMPILED,
        f"no compiler for {device.type} is installed": not _has_compiler(device),
    }
    for reason, holds in obstacles.items():
        if holds:
            return Choice(False, reason)
    return Choice(True, "it fuses the many small operations of a block")


def _has_compiler(device: torch.device) -> bool:
    if device.type == "cuda":
        return importlib.util.find_spec("triton") is not None
    # Elsewhere a compiler is seldom set up so that torch can use it.
    return sys.platform == "linux" and shutil.which(os.environ.get("CXX", "g++")) is not None
