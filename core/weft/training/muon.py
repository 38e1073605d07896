"""Muon: momentum, orthogonalized (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon).

``torch.optim.Muon`` takes matrices one by one; this one also takes convolution kernels and fused projections, and
orthogonalizes all matrices of one shape together, which is what makes it cheap for small models.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalize(matrices: Tensor, steps: int = 5) -> Tensor:
    """Replace the singular values of each matrix by about 1 (a quintic Newton-Schulz iteration).

    Args:
        matrices: ``(count, rows, columns)``.
        steps: Iterations.
    """
    wide = matrices.mT if matrices.shape[-2] > matrices.shape[-1] else matrices
    x = wide / (wide.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    a, b, c = _COEFFICIENTS
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + torch.baddbmm(gram, gram, gram, beta=b, alpha=c) @ x
    result: Tensor = x.mT if matrices.shape[-2] > matrices.shape[-1] else x
    return result


class Muon(Optimizer):
    """Nesterov momentum whose update is made orthogonal, with decoupled weight decay.

    Args:
        parameters: ``(parameter, row_splits)``; a parameter of two or more dimensions is the matrix of its first
            dimension against the rest, cut into matrices of the given row counts.
        lr: Learning rate; the update of an ``m x n`` matrix is scaled by ``max(1, m / n) ** 0.5``.
        momentum: Of the running mean of gradients.
        weight_decay: Share, times the learning rate, that weights shrink each step.
    """

    def __init__(
        self,
        parameters: Iterable[tuple[Tensor, Sequence[int]]],
        lr: float = 0.02,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        pairs = list(parameters)
        self._splits = [list(splits) for _, splits in pairs]
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__([parameter for parameter, _ in pairs], defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        group = self.param_groups[0]
        parameters: list[Tensor] = group["params"]
        active = [i for i, parameter in enumerate(parameters) if parameter.grad is not None]
        gradients = [gradient for parameter in parameters if (gradient := parameter.grad) is not None]
        buffers = [self._momentum(parameters[i]) for i in active]
        torch._foreach_lerp_(buffers, gradients, 1 - group["momentum"])
        updates = torch._foreach_lerp(gradients, buffers, group["momentum"])
        torch._foreach_mul_([parameters[i] for i in active], 1 - group["lr"] * group["weight_decay"])
        by_shape: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for i, update in zip(active, updates, strict=True):
            rows = self._splits[i]
            targets = torch.split(parameters[i].flatten(1), rows)
            for target, piece in zip(targets, torch.split(update.flatten(1), rows), strict=True):
                by_shape[(piece.shape[0], piece.shape[1])].append((target, piece))
        for (rows_, columns), pairs in by_shape.items():
            directions = orthogonalize(torch.stack([piece for _, piece in pairs]))
            scale = max(1.0, rows_ / columns) ** 0.5
            torch._foreach_add_([target for target, _ in pairs], directions.unbind(), alpha=-group["lr"] * scale)

    def _momentum(self, parameter: Tensor) -> Tensor:
        state: dict[str, Any] = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        buffer: Tensor = state["momentum"]
        return buffer
