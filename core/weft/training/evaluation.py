"""Held-out loss."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch
from torch import nn

from weft.interfaces.trainer import Dataset, Trainer
from weft.training.feeding import micro_batches, to_device
from weft.training.parallel import rest
from weft.training.precision import autocast
from weft.training.randomness import derive_seed, forked
from weft.training.world import World


@torch.no_grad()
def evaluate(
    objective: nn.Module,
    trainer: Trainer[Any],
    data: Dataset[Any],
    *,
    batch_size: int,
    device: torch.device,
    autocast_type: str | None = None,
    world: World | None = None,
) -> dict[str, float]:
    """Mean loss and metrics over a whole dataset; leaves the model's mode and the random state as they were.

    Args:
        objective: Gives ``(total, LossSum)`` of a batch.
        trainer: Collates.
        data: What to judge by; several processes share it.
        batch_size: Examples at once in a process.
        device: Of the model.
        autocast_type: Mixed precision, or ``None``.
        world: The processes that judge together, all of which call this.

    Returns:
        ``loss`` and every metric of the trainer, each a sum divided by its weight.
    """
    world = world or World()
    figures: dict[str, float] = defaultdict(float)
    training = objective.training
    objective.eval()
    with forked(device):
        for number, (positions, counted) in enumerate(micro_batches(range(len(data)), world, batch_size)):
            torch.manual_seed(derive_seed(0, number, world.rank))
            batch = to_device(trainer.collate([data.draw(position, 0) for position in positions]), device)
            with autocast(device, autocast_type):
                _, loss = objective(batch)
            for name, (total, weight) in {"loss": (loss.total, loss.weight), **loss.metrics}.items():
                if counted:
                    figures[f"{name}|sum"] += float(total)
                    figures[f"{name}|weight"] += float(weight)
    rest(objective)
    objective.train(training)
    return means(world.sum(figures))


def means(sums: dict[str, float]) -> dict[str, float]:
    """``NAME|sum`` divided by ``NAME|weight`` for every name whose weight is above zero."""
    names = [name.removesuffix("|sum") for name in sums if name.endswith("|sum")]
    return {name: sums[f"{name}|sum"] / sums[f"{name}|weight"] for name in names if sums[f"{name}|weight"] > 0}
