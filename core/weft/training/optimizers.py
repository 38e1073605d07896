"""Which parameter is moved by what: Muon for matrices and kernels, AdamW for everything else."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from weft.training.muon import Muon

ADAM_SHARE = 0.15
"""AdamW's learning rate as a share of Muon's: 3e-3 beside 0.02."""


def split_parameters(model: nn.Module) -> tuple[list[tuple[Tensor, Sequence[int]]], list[Tensor]]:
    """Matrices with their row counts for Muon, and the rest.

    Embeddings, gains, biases and depthwise kernels (whose rows do not mix inputs) are no matrices.
    """
    matrices: dict[int, tuple[Tensor, Sequence[int]]] = {}
    for module in model.modules():
        weight = getattr(module, "weight", None)
        if isinstance(module, nn.Linear) or _mixes_inputs(module):
            assert isinstance(weight, Tensor)
            matrices[id(weight)] = (weight, getattr(module, "row_splits", [weight.shape[0]]))
    rest: list[Tensor] = [parameter for parameter in model.parameters() if id(parameter) not in matrices]
    return list(matrices.values()), rest


def _mixes_inputs(module: nn.Module) -> bool:
    return isinstance(module, nn.modules.conv._ConvNd) and module.groups == 1


def build_optimizers(model: nn.Module, learning_rate: float, weight_decay: float) -> list[Optimizer]:
    """Fresh optimizers; each parameter belongs to exactly one."""
    matrices, rest = split_parameters(model)
    optimizers: list[Optimizer] = []
    if matrices:
        optimizers.append(Muon(matrices, lr=learning_rate, weight_decay=weight_decay))
    if rest:
        fused = rest[0].device.type in ("cpu", "cuda")
        optimizers.append(AdamW(rest, lr=learning_rate * ADAM_SHARE, betas=(0.9, 0.99), weight_decay=0.0, fused=fused))
    return optimizers
