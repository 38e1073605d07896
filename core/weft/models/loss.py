"""Cross entropy of a linear layer's scores without ever holding all of them.

For N tokens and V ids the scores and what differentiation keeps of them are several ``N x V`` matrices, for a small
model the largest of a step. Here they live for a part of the tokens at a time: its gradients with respect to hidden
states and weight are added up at once, in the forward pass, and the scores are forgotten (the idea of Liger Kernel,
arXiv:2410.10989).

Shapes are told by suffix letters: N tokens, W width, V ids.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from weft.models import kernels

SCORES = {"cpu": 2**20}
"""Scores that are held at once: few enough for a CPU's cache; elsewhere ``2**26``, enough to keep a device busy."""


def linear_cross_entropy(hidden_NW: Tensor, weight_VW: Tensor, targets_N: Tensor) -> tuple[Tensor, Tensor]:
    """Negative log probabilities of ids, in nats.

    Products are computed in the type of automatic mixed precision where it is on, the rest in float32 at least. Cannot
    be differentiated twice.

    Args:
        hidden_NW: Hidden states.
        weight_VW: A row for every id.
        targets_N: int64.

    Returns:
        Their sum, a scalar, and each alone, ``(N,)``, without a graph.
    """
    device = hidden_NW.device.type
    kind = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight_VW.dtype
    # The sum may wait for no gradient, as in an evaluation; then none is computed.
    wanted = torch.is_grad_enabled() and (hidden_NW.requires_grad, weight_VW.requires_grad)
    total, each = _LinearCrossEntropy.apply(hidden_NW, weight_VW, targets_N, kind, wanted or (False, False))  # type: ignore[no-untyped-call]
    return total, each


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, kind: torch.dtype, wanted: tuple[bool, bool]
    ) -> tuple[Tensor, Tensor]:
        with torch.autocast(hidden.device.type, enabled=False):
            grad_hidden = torch.empty_like(hidden) if wanted[0] else None
            grad_weight = torch.zeros_like(weight) if wanted[1] else None
            each = _add_up(hidden.to(kind), weight.to(kind), targets, grad_hidden, grad_weight)
        ctx.save_for_backward(grad_hidden, grad_weight)
        ctx.mark_non_differentiable(each)
        return each.sum(), each

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        grad_hidden, grad_weight = ctx.saved_tensors
        # That of the weight is large, and usually right as it is; elsewhere a look at the scale would have to wait.
        if grad.device.type != "cpu" or float(grad) != 1:
            grad_hidden, grad_weight = (x if x is None else x * grad.to(x.dtype) for x in (grad_hidden, grad_weight))
        return grad_hidden, grad_weight, None, None, None


def _add_up(
    hidden: Tensor, weight: Tensor, targets: Tensor, grad_hidden: Tensor | None, grad_weight: Tensor | None
) -> Tensor:
    """The loss of each token; gradients of their sum go to the tensors that are given."""
    rows = max(1, SCORES.get(hidden.device.type, 2**26) // len(weight))
    losses = []
    for part, wanted, slot in zip(
        torch.split(hidden, rows), torch.split(targets, rows), _parts(grad_hidden, hidden, rows), strict=True
    ):
        scores = kernels.product(part, weight)
        scores = scores if scores.dtype == torch.float64 else scores.float()
        torch.log_softmax(scores, -1, out=scores)
        place = wanted.unsqueeze(-1)
        losses.append(-scores.gather(-1, place).squeeze(-1))
        if slot is None and grad_weight is None:
            continue
        excess = scores.exp_()
        excess.scatter_add_(-1, place, torch.full_like(place, -1, dtype=excess.dtype))
        excess = excess.to(hidden.dtype)
        if slot is not None:
            slot.copy_(excess @ weight)
        if grad_weight is not None:
            _add_product(grad_weight, excess.T, part)
    return torch.cat(losses) if losses else hidden.new_zeros(0)


def _parts(whole: Tensor | None, like: Tensor, rows: int) -> list[Tensor | None]:
    return [None] * len(torch.split(like, rows)) if whole is None else list(torch.split(whole, rows))


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    if total.dtype == left.dtype:
        total.addmm_(left, right)
    else:
        total.add_(left @ right)
