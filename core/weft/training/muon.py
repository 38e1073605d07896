"""Muon: momentum, orthogonalized (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon).

``torch.optim.Muon`` takes matrices one by one; this one also takes convolution kernels and fused projections, and
orthogonalizes all matrices of one shape together, which is what makes it cheap for small models.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

from weft.training.parallel import local, part_of, whole_of_part
from weft.training.world import World

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)

_AT_ONCE = 1 << 26
"""Numbers that are orthogonalized together, which bounds memory: an iteration needs several times as much."""

_WIDE = 2
"""From so many times more columns than rows on, an iteration costs less on products of rows with each other."""


def orthogonalize(matrices: Tensor, steps: int = 5) -> Tensor:
    """Replace the singular values of each matrix by about 1 (a quintic Newton-Schulz iteration).

    On CUDA it is computed in bfloat16, as by its authors, elsewhere in the type of the matrices.

    Args:
        matrices: ``(count, rows, columns)``.
        steps: Iterations.
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    wide = matrices.mT if tall else matrices
    x = wide / (wide.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    if x.device.type == "cuda" and x.dtype == torch.float32:
        x = x.bfloat16()
    # Squares of small singular values are lost in bfloat16.
    by_rows = x.shape[-1] >= _WIDE * x.shape[-2] and x.dtype != torch.bfloat16
    x = (_iterate_on_products if by_rows else _iterate)(x, steps).to(matrices.dtype)
    return x.mT if tall else x


def _iterate(x: Tensor, steps: int) -> Tensor:
    for _ in range(steps):
        x = torch.baddbmm(x, _polynomial(x @ x.mT), x, beta=_COEFFICIENTS[0])
    return x


def _iterate_on_products(x: Tensor, steps: int) -> Tensor:
    """The same: iteration k multiplies ``x`` by a polynomial of ``x x^T``, and those of all of them commute."""
    gram = x @ x.mT
    factor: Tensor | None = None
    for step in range(steps):
        polynomial = _polynomial(gram)
        polynomial.diagonal(dim1=-2, dim2=-1).add_(_COEFFICIENTS[0])
        factor = polynomial if factor is None else polynomial @ factor
        if step < steps - 1:
            gram = polynomial @ (gram @ polynomial)
    return x if factor is None else factor @ x


def _polynomial(gram: Tensor) -> Tensor:
    """All but the constant term of what an iteration multiplies by."""
    _, linear, square = _COEFFICIENTS
    return torch.baddbmm(gram, gram, gram, beta=linear, alpha=square)


class Muon(Optimizer):
    """Nesterov momentum whose update is made orthogonal, with decoupled weight decay.

    Args:
        parameters: ``(parameter, row_splits)``; a parameter of two or more dimensions is the matrix of its first
            dimension against the rest, cut into matrices of the given row counts.
        lr: Learning rate; the update of an ``m x n`` matrix is scaled by ``max(1, m / n) ** 0.5``.
        momentum: Of the running mean of gradients.
        weight_decay: Share, times the learning rate, that weights shrink each step.
        world: Who has the same gradients, and takes the same steps: of the matrices of a shape each process makes its
            share orthogonal.
    """

    def __init__(
        self,
        parameters: Iterable[tuple[Tensor, Sequence[int]]],
        lr: float = 0.02,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        world: World | None = None,
    ) -> None:
        pairs = list(parameters)
        self._world = world if world is not None else World()
        self._splits = [list(splits) for _, splits in pairs]
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__([parameter for parameter, _ in pairs], defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        group = self.param_groups[0]
        moving = [(i, p, p.grad) for i, p in enumerate(group["params"]) if p.grad is not None]
        updates = self._nesterov([(parameter, gradient) for _, parameter, gradient in moving], group["momentum"])
        weights = [local(parameter) for _, parameter, _ in moving]
        torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        by_shape: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = defaultdict(list)
        sharded: list[tuple[DTensor, Tensor]] = []
        for (i, parameter, _), update in zip(moving, updates, strict=True):
            target, moved = parameter, update
            if isinstance(parameter, DTensor):
                # Directions depend on whole matrices: every process has them for a moment, and takes its part.
                moved = whole_of_part(update, parameter)
                target = torch.zeros_like(moved)
                sharded.append((parameter, target))
            rows = self._splits[i]
            for there, piece in zip(
                torch.split(target.flatten(1), rows), torch.split(moved.flatten(1), rows), strict=True
            ):
                by_shape[(piece.shape[0], piece.shape[1])].append((there, piece))
        for (rows_, columns), pairs in by_shape.items():
            scale = max(1.0, rows_ / columns) ** 0.5
            count = max(self._world.size, _AT_ONCE // (rows_ * columns))
            for some in (pairs[start : start + count] for start in range(0, len(pairs), count)):
                directions = self._directions([piece for _, piece in some])
                torch._foreach_add_([target for target, _ in some], directions.unbind(), alpha=-group["lr"] * scale)
        for parameter, change in sharded:
            local(parameter).add_(part_of(change, parameter))

    def _nesterov(self, pairs: Sequence[tuple[Tensor, Tensor]], momentum: float) -> list[Tensor]:
        """Updates from parameters and gradients; of sharded ones what lies here."""
        buffers = [local(self._momentum(parameter)) for parameter, _ in pairs]
        gradients = [local(gradient) for _, gradient in pairs]
        torch._foreach_lerp_(buffers, gradients, 1 - momentum)
        return list(torch._foreach_lerp(gradients, buffers, momentum))

    def _directions(self, matrices: Sequence[Tensor]) -> Tensor:
        """Orthogonal matrices of one shape, ``(count, rows, columns)``: each process works out its share of them."""
        world = self._world
        if len(matrices) < world.size or world.size == 1:
            return orthogonalize(torch.stack(list(matrices)))
        share = -(-len(matrices) // world.size)
        found = matrices[0].new_zeros(share, *matrices[0].shape)
        mine = matrices[world.rank * share : (world.rank + 1) * share]
        if mine:
            found[: len(mine)] = orthogonalize(torch.stack(list(mine)))
        everyones = found.new_empty(share * world.size, *matrices[0].shape)
        dist.all_gather_into_tensor(everyones, found)
        return everyones[: len(matrices)]

    def _momentum(self, parameter: Tensor) -> Tensor:
        state: dict[str, Any] = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        buffer: Tensor = state["momentum"]
        return buffer
