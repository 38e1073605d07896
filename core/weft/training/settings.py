"""What is decided before step 0, written down first and used again on resume."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from weft.errors import OptionError
from weft.storage.schema import read_fields
from weft.training.loop import LoopSettings


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """What the user asked for; ``None`` leaves it to :func:`weft.training.decisions.decide`."""

    size: str | None = None
    steps: int | None = None
    minutes: float | None = None
    seed: int | None = None
    batch_size: int | None = None
    micro_batches: int | None = None
    context: int | None = None
    learning_rate: float | None = None
    dropout: float | None = None
    threads: int | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and self.minutes is not None:
            raise OptionError("steps and minutes exclude each other; give one of them")
        for name in ("steps", "minutes", "batch_size", "micro_batches", "context", "learning_rate", "threads"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise OptionError(f"{name} must be above 0, and finite; got {value}")
        if self.seed is not None and self.seed < 0:
            raise OptionError(f"seed must be at least 0, got {self.seed}")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise OptionError(f"dropout must be at least 0 and below 1, got {self.dropout}")


@dataclass(frozen=True, slots=True)
class RunSettings:
    """The decisions, as ``run.json`` keeps them.

    Attributes:
        size: Position of the dial.
        steps: Optimizer steps.
        minutes: The budget that the steps were derived from, if they were.
        seed: Of everything random.
        batch_size: Rows a step.
        micro_batches: Parts of a step.
        learning_rate: Muon's peak.
        weight_decay: Muon's.
        dropout: Share of activations zeroed in training.
        threads: CPU threads of torch.
        device: Name of the device.
        autocast: Mixed precision, or ``None``.
        evaluate_every: Steps between evaluations and checkpoints.
    """

    size: str
    steps: int
    minutes: float | None
    seed: int
    batch_size: int
    micro_batches: int
    learning_rate: float
    weight_decay: float
    dropout: float
    threads: int
    device: str
    autocast: str | None
    evaluate_every: int

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Raises :class:`weft.FolderError` for values that are none."""
        return read_fields(cls, values, "the run's table of settings")

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def loop(self) -> LoopSettings:
        return LoopSettings(
            steps=self.steps,
            batch_size=self.batch_size,
            micro_batches=self.micro_batches,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            seed=self.seed,
            autocast=self.autocast,
        )
