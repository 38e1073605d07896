"""The loss that never holds all scores: against the one that does, and against finite differences."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from weft.models import loss
from weft.models.loss import linear_cross_entropy


def case(tokens: int, width: int, ids: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(tokens + 100 * width + 10_000 * ids)
    hidden = torch.randn((tokens, width), generator=random, dtype=dtype).requires_grad_()
    weight = torch.randn((ids, width), generator=random, dtype=dtype).requires_grad_()
    return hidden, weight, torch.randint(ids, (tokens,), generator=random)


@given(tokens=st.integers(1, 20), width=st.integers(1, 6), ids=st.integers(1, 12), held=st.integers(1, 60))
@settings(max_examples=40, deadline=None)
def test_it_is_cross_entropy_whatever_is_held_at_once(tokens: int, width: int, ids: int, held: int) -> None:
    hidden, weight, targets = case(tokens, width, ids)
    expected = F.cross_entropy(hidden @ weight.T, targets, reduction="none")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(loss.SCORES, "cpu", held)
        total, each = linear_cross_entropy(hidden, weight, targets)
    torch.testing.assert_close(each, expected.detach())
    torch.testing.assert_close(total, expected.sum())
    assert not each.requires_grad
    found = torch.autograd.grad(3 * total, (hidden, weight))
    for one, two in zip(found, torch.autograd.grad(3 * expected.sum(), (hidden, weight)), strict=True):
        torch.testing.assert_close(one, two)


def test_gradients() -> None:
    hidden, weight, targets = case(7, 4, 5)
    assert torch.autograd.gradcheck(lambda h, w: linear_cross_entropy(h, w, targets)[0], (hidden, weight))


def test_what_needs_no_gradient_gets_none() -> None:
    hidden, weight, targets = case(7, 4, 5)
    total, _ = linear_cross_entropy(hidden, weight.detach(), targets)
    (found,) = torch.autograd.grad(total, hidden)
    expected = torch.autograd.grad(F.cross_entropy(hidden @ weight.T, targets, reduction="sum"), hidden)
    torch.testing.assert_close(found, *expected)
    with torch.no_grad():
        assert not linear_cross_entropy(hidden, weight, targets)[0].requires_grad


def test_no_token_at_all() -> None:
    hidden, weight, targets = case(0, 4, 5)
    total, each = linear_cross_entropy(hidden, weight, targets)
    assert float(total.detach()) == 0
    assert each.shape == (0,)
    assert not torch.autograd.grad(total, weight)[0].any()


def test_mixed_precision_rounds_products_alone() -> None:
    hidden, weight, targets = case(64, 16, 50, torch.float32)
    exact, _ = linear_cross_entropy(hidden, weight, targets)
    with torch.autocast("cpu", torch.bfloat16):
        rounded, each = linear_cross_entropy(hidden, weight, targets)
    assert each.dtype == torch.float32
    assert float(rounded.detach()) == pytest.approx(float(exact.detach()), rel=0.01)
    for one, two in zip(
        torch.autograd.grad(rounded, (hidden, weight)), torch.autograd.grad(exact, (hidden, weight)), strict=True
    ):
        assert one.dtype == torch.float32
        assert (one - two).norm() < 0.02 * two.norm()


def test_improbable_ids_have_a_finite_loss() -> None:
    hidden = torch.tensor([[1000.0]], requires_grad=True)
    weight = torch.tensor([[1.0], [-1.0]])
    total, _ = linear_cross_entropy(hidden, weight, torch.tensor([1]))
    assert float(total.detach()) == 2000
    total.backward()  # type: ignore[no-untyped-call]
    assert float(hidden.grad) == 2
