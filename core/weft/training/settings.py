"""What is decided before step 0, written down first and used again on resume."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch

from weft.errors import FolderError, OptionError
from weft.interfaces.trainer import Dataset, Trainer
from weft.models.config import ModelConfig, Size
from weft.training.data import Row, TokenSource, longest_document
from weft.training.evaluation import evaluate
from weft.training.loop import Loop, LoopSettings

DEFAULT_MINUTES = 5.0
EVALUATIONS = 12
"""Times that a run evaluates and saves, the end included."""
EVALUATION_TOKENS = 65_536
"""Held-out tokens that are enough for the curve; the last evaluation uses the same, so that figures compare."""
CALIBRATION_STEPS = 12
SMALL_DATA = 50
"""Below this many training tokens a parameter, dropout is on by default."""


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """What the user asked for; ``None`` leaves it to :func:`decide`."""

    size: str = "nano"
    steps: int | None = None
    minutes: float | None = None
    seed: int = 0
    batch_size: int | None = None
    micro_batches: int = 1
    context: int | None = None
    learning_rate: float | None = None
    dropout: float | None = None
    threads: int | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and self.minutes is not None:
            raise OptionError("--steps and --minutes exclude each other; give one of them")
        for name in ("steps", "minutes", "batch_size", "micro_batches", "context", "learning_rate", "threads"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise OptionError(f"{name} must be above 0, got {value}")
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
        device: Kind of device.
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
        try:
            return cls(**values)
        except TypeError as error:
            raise FolderError(f"the run's settings are damaged: {error}") from error

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


def context_for(sources: Sequence[TokenSource], size: Size, wanted: int | None) -> int:
    """Context length: the smallest power of two that holds the longest document; long text is windowed.

    Raises:
        OptionError: ``wanted`` is too short for a document that must not be cut.
    """
    longest = max((longest_document(source) - 1 for source in sources if source.modality != "text"), default=0)
    texts = [longest_document(source) - 1 for source in sources if source.modality == "text" and not source.is_stream]
    if wanted is not None:
        if wanted < longest:
            raise OptionError(f"context {wanted} is shorter than the longest document, {longest} tokens; raise it")
        return wanted
    streams = [size.text_context for source in sources if source.is_stream]
    conditional = [min(length, 4 * size.text_context) for length in texts]
    needed = max([longest, *streams, *conditional])
    return 1 << max(4, (needed - 1).bit_length())


def model_config(size: Size, vocab_size: int, context_length: int, dropout: float) -> ModelConfig:
    return ModelConfig(
        vocab_size=vocab_size,
        context_length=context_length,
        layers=size.layers,
        width=size.width,
        heads=size.heads,
        kv_heads=size.kv_heads,
        head_size=size.head_size,
        hidden=size.hidden,
        dropout=dropout,
    )


def default_dropout(parameters: int, tokens: int) -> float:
    """A tenth where the data is small for the model and will be seen many times."""
    return 0.1 if tokens < SMALL_DATA * parameters else 0.0


def default_batch(size: Size, rows: Dataset[Row]) -> int:
    """Rows that make about the size's tokens a step, judged by evenly spaced rows."""
    probes = range(0, len(rows), max(1, len(rows) // 64))
    mean = sum(len(rows.draw(index, 0).ids) for index in probes) / len(probes)
    return max(1, min(len(rows), round(size.tokens_per_step / mean)))


def steps_for_budget(
    trainer: Trainer[Any],
    train: Dataset[Any],
    held_out: Dataset[Any],
    *,
    settings: LoopSettings,
    device: torch.device,
    minutes: float,
) -> int:
    """Turn minutes into a number of steps by timing some that are thrown away.

    Raises:
        OptionError: The budget is over before it begins.
    """
    began = time.monotonic()
    loop = Loop(trainer, train, settings, device)
    loop.train_step()
    timed = time.monotonic()
    limit = max(0.5, minutes * 60 * 0.05)
    count = 0
    while count < CALIBRATION_STEPS and time.monotonic() - timed < limit:
        loop.train_step()
        count += 1
    step_seconds = (time.monotonic() - timed) / count
    timed = time.monotonic()
    if len(held_out):
        evaluate(trainer, loop.model, held_out, batch_size=2 * settings.batch_size, device=device)
    evaluation_seconds = time.monotonic() - timed
    left = minutes * 60 * 0.97 - (time.monotonic() - began) - EVALUATIONS * evaluation_seconds
    steps = int(left / step_seconds)
    if steps < EVALUATIONS:
        needed = (2 * EVALUATIONS * (step_seconds + evaluation_seconds) + time.monotonic() - began) / 60
        raise OptionError(
            f"{minutes:g} minutes are too short on this machine: a step takes {step_seconds:.2f} s; "
            f"allow at least {needed:.1f} minutes, or give --steps"
        )
    return steps
