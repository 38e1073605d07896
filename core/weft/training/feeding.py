"""Which examples a process computes in a step, and getting them there in time."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from weft.interfaces.trainer import Batch, Dataset, NamedDataset, Trainer
from weft.training.world import World


class Order(Protocol):
    """Which example comes when."""

    def at(self, position: int) -> tuple[int, int]:
        """``(example, epoch)`` at a global sample index."""


NAMES = 8
"""Examples of a step that a message names."""


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Examples that are computed at once.

    Attributes:
        batch: Tensors of the examples.
        counted: Whether they belong to the step. A process that has no more examples, while others have, computes one
            that does not count, since all take part in every exchange.
    """

    batch: Batch
    counted: bool


def micro_batches(
    positions: Sequence[int], world: World, micro_batch_size: int | None
) -> list[tuple[Sequence[int], bool]]:
    """The positions of a step that one process computes, in as many parts as every other process has.

    Args:
        positions: Of the whole step.
        world: Which process, of how many.
        micro_batch_size: Most positions of a part; ``None`` makes one part.

    Returns:
        Positions of each part, and whether they count.
    """
    largest = -(-len(positions) // world.size)
    parts = 1 if micro_batch_size is None else -(-largest // micro_batch_size)
    mine = np.array_split(np.asarray(positions), world.size)[world.rank]
    pieces = [piece.tolist() for piece in np.array_split(mine, parts)]
    return [(piece, True) if piece else (list(positions[:1]), False) for piece in pieces]


class Feeder:
    """Draws and collates the micro-batches of one step after another; beside an accelerator one step ahead.

    Args:
        trainer: Collates.
        data: Examples.
        order: Which example comes when.
        batch_size: Examples a step, over all processes.
        world: Which process this is.
        device: Where the batches go.
    """

    def __init__(
        self,
        trainer: Trainer[Any],
        data: Dataset[Any],
        order: Order,
        batch_size: int,
        world: World,
        device: torch.device,
    ) -> None:
        self._trainer = trainer
        self._data = data
        self._order = order
        self._batch_size = batch_size
        self._world = world
        self._device = device
        # On the CPU a second thread would only take time from the step.
        self._ahead = ThreadPoolExecutor(1) if device.type != "cpu" else None
        self._coming: tuple[tuple[int, int | None], Future[list[MicroBatch]]] | None = None

    def step(self, step: int, micro_batch_size: int | None) -> list[MicroBatch]:
        """What this process computes in a step, on the device."""
        if self._ahead is None:
            return self._make(step, micro_batch_size)
        wanted, following = (step, micro_batch_size), (step + 1, micro_batch_size)
        coming = self._coming
        if coming is None or coming[0] != wanted:
            coming = wanted, self._ahead.submit(self._make, *wanted)
        self._coming = following, self._ahead.submit(self._make, *following)
        return coming[1].result()

    def names(self, step: int) -> str:
        """What the examples of a step were made from, the first few of them."""
        places = [self._order.at(step * self._batch_size + i) for i in range(self._batch_size)]
        named = self._data.name if isinstance(self._data, NamedDataset) else lambda index, _: f"number {index}"
        names = list(dict.fromkeys(named(index, epoch) for index, epoch in places))
        more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
        return ", ".join(names[:NAMES]) + more

    def close(self) -> None:
        """Let go of the thread."""
        if self._ahead is not None:
            self._ahead.shutdown(cancel_futures=True)

    def _make(self, step: int, micro_batch_size: int | None) -> list[MicroBatch]:
        first = step * self._batch_size
        parts = micro_batches(range(first, first + self._batch_size), self._world, micro_batch_size)
        return [MicroBatch(self._batch(positions), counted) for positions, counted in parts]

    def _batch(self, positions: Sequence[int]) -> Batch:
        items = [self._data.draw(*self._order.at(position)) for position in positions]
        return to_device(self._trainer.collate(items), self._device)


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The tensors there; copied while the device computes, where it can."""
    pin = device.type == "cuda"
    return {
        name: (tensor.pin_memory() if pin else tensor).to(device, non_blocking=pin) for name, tensor in batch.items()
    }
