"""Held-out loss."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch
from torch import nn

from weft.interfaces.trainer import Dataset, Trainer
from weft.training.loop import derive_seed, precision, to_device


@torch.no_grad()
def evaluate(
    trainer: Trainer[Any],
    model: nn.Module,
    data: Dataset[Any],
    *,
    batch_size: int,
    device: torch.device,
    autocast: str | None = None,
) -> dict[str, float]:
    """Mean loss and metrics over a whole dataset; leaves the model's mode and the random state as they were.

    Returns:
        ``loss`` and every metric of the trainer, each a sum divided by its weight.
    """
    sums: dict[str, float] = defaultdict(float)
    weights: dict[str, float] = defaultdict(float)
    training = model.training
    model.eval()
    with torch.random.fork_rng(devices=[]):
        for start in range(0, len(data), batch_size):
            torch.manual_seed(derive_seed(0, start))
            items = [data.draw(index, 0) for index in range(start, min(start + batch_size, len(data)))]
            with precision(device, autocast):
                loss = trainer.loss(model, to_device(trainer.collate(items), device))
            for name, (total, weight) in {"loss": (loss.total, loss.weight), **loss.metrics}.items():
                sums[name] += float(total)
                weights[name] += float(weight)
    model.train(training)
    return {name: sums[name] / weights[name] for name in sums if weights[name] > 0}
