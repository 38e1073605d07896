"""Which parameter is moved by what: Muon for matrices and kernels, AdamW for everything else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from weft.training.muon import Muon
from weft.training.world import World

OptimizerKind = Literal["muon", "adamw"]

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
            if not weight.requires_grad:
                continue
            matrices[id(weight)] = (weight, getattr(module, "row_splits", [weight.shape[0]]))
    rest: list[Tensor] = [p for p in model.parameters() if p.requires_grad and id(p) not in matrices]
    return list(matrices.values()), rest


def _mixes_inputs(module: nn.Module) -> bool:
    return isinstance(module, nn.modules.conv._ConvNd) and module.groups == 1


def build_optimizers(
    model: nn.Module,
    learning_rate: float,
    weight_decay: float,
    kind: OptimizerKind = "muon",
    world: World | None = None,
) -> list[Optimizer]:
    """Fresh optimizers; each parameter belongs to exactly one.

    Args:
        model: On its device; what needs no gradient is left out.
        learning_rate: Peak rate of the optimizer of matrices and kernels.
        weight_decay: Decoupled, of matrices and kernels alone.
        kind: What moves matrices and kernels. With ``adamw`` the rest has the same rate, with ``muon`` a share of it.
        world: The processes that move the same model; alone without.
    """
    matrices, rest = split_parameters(model)
    optimizers: list[Optimizer] = []
    if kind == "adamw":
        decayed = {"params": [matrix for matrix, _ in matrices], "weight_decay": weight_decay}
        groups = [group for group in (decayed, {"params": rest}) if group["params"]]
        return [_adamw(groups, learning_rate)]
    if matrices:
        optimizers.append(Muon(matrices, lr=learning_rate, weight_decay=weight_decay, world=world))
    if rest:
        optimizers.append(_adamw([{"params": rest}], learning_rate * ADAM_SHARE))
    return optimizers


def _adamw(groups: list[dict[str, Any]], learning_rate: float) -> AdamW:
    fused = all(p.device.type in ("cpu", "cuda") for group in groups for p in group["params"])
    return AdamW(groups, lr=learning_rate, betas=(0.9, 0.99), weight_decay=0.0, fused=fused)
