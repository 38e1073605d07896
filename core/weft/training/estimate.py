"""How much memory a training needs, by kind and process, before it begins."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import psutil

from weft.training.footprint import Footprint

SHARE = {"cpu": 0.5}
"""Of the free memory that a step may take, elsewhere 0.8: estimates leave out scratch space inside operations and
fragmentation, and a CPU's memory belongs to other programs too."""


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes of one process at the worst moment of a step.

    Attributes:
        weights: Of the model.
        gradients: Of what is learned of it.
        optimizer: Its state.
        average: Averaged weights (EMA), where they are kept.
        activations: Of all blocks, for a micro-batch.
        logits: Embedding, logits and loss, for a micro-batch.
        update: What the optimizer needs beside its state while it moves; activations and logits are gone by then.
        gathered: Weights that sharded processes hold whole for a moment.
        program: Python, torch and what else the process holds; nothing on an accelerator.
    """

    weights: int
    gradients: int
    optimizer: int
    average: int
    activations: int
    logits: int
    update: int
    gathered: int
    program: int

    @property
    def total(self) -> int:
        lasting = self.weights + self.gradients + self.optimizer + self.average + self.program
        return lasting + self.gathered + max(self.activations + self.logits, self.update)

    def to_json(self) -> dict[str, int]:
        return {**dataclasses.asdict(self), "total": self.total}


@dataclass(frozen=True, slots=True)
class Estimator:
    """Estimates for one model on one kind of device.

    Attributes:
        footprint: As measured for this width.
        layers: Blocks of the model.
        length: Positions of the longest row.
        keeps_average: Whether averaged weights are kept.
        program: Bytes that the process holds already.
    """

    footprint: Footprint
    layers: int
    length: int
    keeps_average: bool
    program: int

    def at(self, rows: int, shards: int = 1) -> MemoryEstimate:
        """With so many rows at once, and weights, gradients and states spread over so many processes."""
        footprint, positions = self.footprint, rows * self.length
        weights = footprint.weights.at(self.layers)
        # Two blocks are there at once, because the next is fetched early; the embedding is used at both ends.
        gathered = footprint.weights.at(min(2, self.layers)) if shards > 1 else 0.0
        return MemoryEstimate(
            weights=round(weights / shards),
            gradients=round(footprint.gradients.at(self.layers) / shards),
            optimizer=round(footprint.state.at(self.layers) / shards),
            average=round(weights / shards) if self.keeps_average else 0,
            activations=round(footprint.position.block * self.layers * positions),
            logits=round(footprint.position.base * positions + footprint.fixed),
            update=round(footprint.update.at(self.layers)),
            gathered=round(gathered),
            program=self.program,
        )

    def rows_within(self, budget: float, most: int, shards: int = 1) -> int:
        """The most rows at once whose estimate stays within so many bytes, from 1 to ``most``."""
        if self.at(most, shards).total <= budget:
            return most
        low, high = 1, most
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.at(middle, shards).total <= budget else (low, middle)
        return low


def find_rows(estimator: Estimator, free: float, batch: int, shards: int = 1) -> int:
    """Rows at once that fit into memory and cut a batch into even parts.

    Args:
        estimator: Of the model.
        free: Bytes that a step may take on top of what the process holds.
        batch: Rows of a step in one process.
        shards: Processes that weights, gradients and states are spread over.
    """
    most = estimator.rows_within(free + estimator.program, batch, shards)
    parts = -(-batch // most)
    return -(-batch // parts)


def program_bytes() -> int:
    """What this process holds now."""
    held: Any = psutil.Process().memory_info()
    return int(held.rss)
