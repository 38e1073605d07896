"""Low-rank adapters (LoRA, arXiv:2106.09685): a few learned numbers beside each matrix of a model that stays as it is.

A linear layer of weight ``W`` (``outputs x inputs``) then computes ``W x + ALPHA / rank * up (down x)``, with ``down``
(``rank x inputs``) and ``up`` (``outputs x rank``) its adapter. A table of embeddings is the matrix of a linear layer
to scores, so that one adapter changes what an id is read as and how it is predicted. The weights keep their names, so a
checkpoint of the model without adapters fits one with them; those of an adapter are named ``<layer>.adapter.down`` and
``.up``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ALPHA = 16.0
"""Divided by the rank it scales an adapter, so that one learning rate suits every rank."""

_MARK = ".adapter."


class Adapter(nn.Module):
    """What is added to the output of one layer; nothing at first, since ``up`` begins at zero.

    Args:
        inputs: Of the layer.
        outputs: Of the layer; those of fused projections together.
        rank: Of the change that it can make.
    """

    def __init__(self, inputs: int, outputs: int, rank: int) -> None:
        super().__init__()
        self.scale = ALPHA / rank
        self.down = nn.Parameter(torch.randn(rank, inputs) * inputs**-0.5)
        self.up = nn.Parameter(torch.zeros(outputs, rank))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(F.linear(x, self.down) * self.scale, self.up)

    def rows(self, ids: Tensor) -> Tensor:
        """What is added to these rows of a table of embeddings, ``(..., inputs)``."""
        return F.linear(F.embedding(ids, self.up) * self.scale, self.down.T)


def add_adapters(model: nn.Module, rank: int) -> None:
    """Give every linear layer and every table of embeddings of a model an adapter, and freeze everything else.

    Adapters of several projections in one matrix are one adapter of that matrix.
    """
    model.requires_grad_(False)
    for layer in list(model.modules()):
        if isinstance(layer, nn.Linear | nn.Embedding):
            outputs, inputs = layer.weight.shape
            layer.add_module("adapter", Adapter(inputs, outputs, rank))
            layer.register_forward_hook(_add_to_rows if isinstance(layer, nn.Embedding) else _add_to_output)


def adapted_weight(layer: nn.Linear | nn.Embedding) -> Tensor:
    """The weight of a layer as its adapter changes it, in its own type; as it is where it has none."""
    adapter: Adapter | None = getattr(layer, "adapter", None)
    if adapter is None:
        return layer.weight
    # A sum in fewer bits would forget changes that are small beside the weight.
    with torch.autocast(layer.weight.device.type, enabled=False):
        return torch.addmm(layer.weight, adapter.up, adapter.down, alpha=adapter.scale)


def _add_to_output(layer: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    change: Tensor = layer.adapter(inputs[0])
    return output + change


def _add_to_rows(layer: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    change: Tensor = layer.adapter.rows(inputs[0])
    return output + change


def is_adapter(name: str) -> bool:
    """Whether a weight of this name belongs to an adapter."""
    return _MARK in name


def fold_adapters(weights: Mapping[str, Any]) -> dict[str, Tensor]:
    """Weights of the same model without adapters, theirs added to the matrices; sums in float64, types as before.

    Args:
        weights: Tensors by name; they stay as they are.
    """
    folded: dict[str, Tensor] = {name: tensor for name, tensor in weights.items() if not is_adapter(name)}
    for name in weights:
        layer, mark, part = name.partition(_MARK)
        if mark and part == "up":
            matrix, up, down = folded[f"{layer}.weight"], weights[name], weights[f"{layer}{_MARK}down"]
            change = up.double() @ down.double() * (ALPHA / up.shape[1])
            folded[f"{layer}.weight"] = (matrix.double() + change).to(matrix.dtype)
    return folded
