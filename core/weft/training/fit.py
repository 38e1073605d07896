"""Core's loop as a preparer sees it: how codecs are learned."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from weft.interfaces.progress import Reporter
from weft.interfaces.trainer import Dataset, Fit, Trainer
from weft.models.allocation import freed_memory_kept
from weft.training.callbacks import ShowProgress
from weft.training.loop import Loop, LoopSettings


def make_fit(reporter: Reporter, *, seed: int, device: torch.device) -> Fit:
    """A :class:`weft.Fit` that trains through the one loop."""

    def fit(
        trainer: Trainer[Any],
        data: Dataset[Any],
        *,
        steps: int,
        batch_size: int,
        learning_rate: float = 0.01,
        description: str = "codec",
    ) -> nn.Module:
        settings = LoopSettings(
            steps=steps, batch_size=batch_size, learning_rate=learning_rate, weight_decay=0.0, seed=seed
        )
        with freed_memory_kept(), reporter.task(f"learning the {description}", steps, "step") as task:
            loop = Loop(trainer, data, settings, device)
            loop.callbacks = [ShowProgress(task)]
            loop.run()
        return loop.model.cpu().eval()

    return fit
