"""The chain of logits processors, link by link."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

import weft
from weft.generation.logits import AFTER_CONSTRAINT, MinP, RepetitionPenalty, Temperature, TopK, TopP, apply, build

logits_of = arrays("float64", (2, 9), elements=st.floats(-8, 8)).map(torch.from_numpy)
NOTHING = torch.empty((2, 0), dtype=torch.int64)


def kept(logits: Tensor) -> Tensor:
    return torch.isfinite(logits)


@given(logits=logits_of)
@settings(max_examples=50, deadline=None)
def test_temperature_zero_is_argmax(logits: Tensor) -> None:
    result = Temperature(0)(logits, NOTHING)
    assert kept(result).sum(1).tolist() == [1, 1]
    assert torch.equal(result.argmax(1), logits.argmax(1))


@given(logits=logits_of, low=st.floats(0.1, 1), high=st.floats(1, 5))
@settings(max_examples=50, deadline=None)
def test_lower_temperature_is_never_less_certain(logits: Tensor, low: float, high: float) -> None:
    sharp = Temperature(low)(logits, NOTHING).softmax(1).amax(1)
    flat = Temperature(high)(logits, NOTHING).softmax(1).amax(1)
    assert (sharp >= flat - 1e-12).all()


@given(logits=logits_of, k=st.integers(1, 12))
@settings(max_examples=50, deadline=None)
def test_top_k_keeps_the_k_most_likely(logits: Tensor, k: int) -> None:
    keep = kept(TopK(k)(logits, NOTHING))
    for row in range(2):
        lowest = logits[row][keep[row]].min()
        assert keep[row].sum() >= min(k, 9)
        assert (logits[row] > lowest).sum() < k
        assert torch.equal(keep[row], logits[row] >= lowest)


@given(logits=logits_of, p=st.floats(0.01, 0.999))
@settings(max_examples=50, deadline=None)
def test_top_p_keeps_the_smallest_set_that_reaches_p(logits: Tensor, p: float) -> None:
    probabilities = logits.softmax(1)
    keep = kept(TopP(p)(logits, NOTHING))
    for row in range(2):
        mass = probabilities[row][keep[row]].sum()
        assert mass >= p - 1e-9
        assert mass - probabilities[row][keep[row]].min() < p + 1e-9
        assert probabilities[row][keep[row]].max() == probabilities[row].max()


@given(logits=logits_of, p=st.floats(0.01, 1))
@settings(max_examples=50, deadline=None)
def test_min_p_is_relative_to_the_most_likely(logits: Tensor, p: float) -> None:
    probabilities = logits.softmax(1)
    keep = kept(MinP(p)(logits, NOTHING))
    assert torch.equal(keep, probabilities >= p * probabilities.amax(1, keepdim=True))


@given(logits=logits_of, penalty=st.floats(1, 5))
@settings(max_examples=50, deadline=None)
def test_the_repetition_penalty_lowers_what_was_drawn_and_nothing_else(logits: Tensor, penalty: float) -> None:
    drawn = torch.tensor([[0, 3, 0], [8, 8, 8]])
    result = RepetitionPenalty(penalty)(logits, drawn)
    touched = torch.zeros_like(logits, dtype=torch.bool).scatter(1, drawn, True)
    assert torch.equal(result[~touched], logits[~touched])
    assert (result[touched] <= logits[touched]).all()


@given(logits=logits_of)
@settings(max_examples=25, deadline=None)
def test_what_is_forbidden_stays_forbidden_and_something_is_always_left(logits: Tensor) -> None:
    masked = logits.masked_fill(torch.arange(9) % 2 == 0, -torch.inf)
    options = weft.SamplingOptions(temperature=0.7, top_k=3, top_p=0.8, min_p=0.1)
    result = apply(build(AFTER_CONSTRAINT, options), masked, NOTHING)
    assert not kept(result)[:, ::2].any()
    assert kept(result).any(1).all()


def test_defaults_ask_for_no_processor() -> None:
    neutral = weft.SamplingOptions(temperature=1.0, top_k=0, top_p=1.0, min_p=0.0, repetition_penalty=1.0)
    assert build(AFTER_CONSTRAINT, neutral) == []
    assert build(AFTER_CONSTRAINT, weft.SamplingOptions()) == []
