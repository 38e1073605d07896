"""The objective of learned codecs: give back what went in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from weft.interfaces.trainer import Batch, LossSum, Trainer


class ReconstructionTrainer(Trainer[Tensor]):
    """Trains an autoencoder through core's loop.

    Args:
        build: Makes the untrained network; its forward takes ``(batch, ...)`` and returns the reconstruction.
        criterion: ``(reconstruction, target)`` to one loss an example, shape ``(batch,)``.
    """

    def __init__(self, build: Callable[[], nn.Module], criterion: Callable[[Tensor, Tensor], Tensor]) -> None:
        self._build = build
        self._criterion = criterion

    def build_model(self) -> nn.Module:
        return self._build()

    def collate(self, items: Sequence[Tensor]) -> Batch:
        return {"payloads": torch.stack(list(items))}

    def loss(self, model: nn.Module, batch: Batch) -> LossSum:
        target = batch["payloads"]
        losses = self._criterion(model(target), target)
        return LossSum(losses.sum(), losses.numel())
