"""Finite scalar quantization: a grid of codes, in and out, and gradients that pass."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.codecs.fsq import FSQ

levels_of = st.lists(st.integers(2, 9), min_size=1, max_size=4)


def before_the_bound(quantizer: FSQ, values: torch.Tensor) -> torch.Tensor:
    """What :meth:`FSQ.forward` maps onto values of the grid; the outermost are at infinity, so large is enough."""
    return torch.logit(((values + 1) / 2).clamp(1e-4, 1 - 1e-4)) / FSQ.SLOPE


@given(levels=levels_of)
@settings(max_examples=40, deadline=None)
def test_every_code_is_reachable_and_comes_back(levels: list[int]) -> None:
    quantizer = FSQ(levels)
    ids = torch.arange(quantizer.codes)
    values = quantizer.decode(ids)
    assert values.shape == (math.prod(levels), len(levels))
    assert len({tuple(row) for row in values.tolist()}) == quantizer.codes
    assert torch.equal(quantizer.encode(before_the_bound(quantizer, values)), ids)


@given(levels=levels_of, seed=st.integers(0, 1000), scale=st.floats(0.01, 30))
@settings(max_examples=60, deadline=None)
def test_forward_is_decode_of_encode(levels: list[int], seed: int, scale: float) -> None:
    quantizer = FSQ(levels)
    z = scale * torch.randn((3, 5, len(levels)), generator=torch.Generator().manual_seed(seed))
    ids = quantizer.encode(z)
    assert ids.shape == (3, 5)
    assert ids.dtype == torch.int64
    assert 0 <= int(ids.min()) <= int(ids.max()) < quantizer.codes
    assert torch.equal(quantizer.decode(ids), quantizer(z))


@given(levels=levels_of)
@settings(max_examples=20, deadline=None)
def test_values_fill_the_range_evenly(levels: list[int]) -> None:
    quantizer = FSQ(levels)
    values = quantizer.decode(torch.arange(quantizer.codes))
    for place, count in enumerate(levels):
        torch.testing.assert_close(values[:, place].unique(), torch.linspace(-1, 1, count))


def test_rounding_goes_to_the_nearest_level() -> None:
    quantizer = FSQ([5])
    z = torch.linspace(-4, 4, 801)[:, None]
    bounded = 2 * torch.sigmoid(FSQ.SLOPE * z) - 1
    assert (quantizer(z) - bounded).abs().max() <= 0.25 + 1e-6


def test_gradients_are_those_of_the_bound() -> None:
    quantizer = FSQ([8, 5])
    z = torch.randn((16, 2), generator=torch.Generator().manual_seed(0), requires_grad=True)
    weights = torch.randn((16, 2), generator=torch.Generator().manual_seed(1))
    (passed,) = torch.autograd.grad((quantizer(z) * weights).sum(), z)
    (plain,) = torch.autograd.grad(((2 * torch.sigmoid(FSQ.SLOPE * z) - 1) * weights).sum(), z)
    assert (passed != 0).all()
    torch.testing.assert_close(passed, plain)


def test_it_has_nothing_to_learn_or_to_store() -> None:
    assert FSQ([8, 5]).state_dict() == {}
    assert (FSQ([8, 5]).dimensions, FSQ([8, 5]).codes) == (2, 40)


@pytest.mark.parametrize("levels", [[], [1], [8, 0], [3, -2]])
def test_impossible_levels(levels: list[int]) -> None:
    with pytest.raises(ValueError, match="at least 2 levels"):
        FSQ(levels)
