"""The dial: every position is a valid shape with the parameters that were asked for."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import weft
from weft.models.sizes import SIZES, pick_size, show_parameters, size_of, usual_vocabulary
from weft.models.transformer import Transformer, parameter_count

TOLERANCE = 0.03
targets = st.floats(math.log(0.3e6), math.log(3e9)).map(math.exp)


@given(parameters=targets)
@settings(deadline=None, max_examples=200)
def test_any_number_gives_a_valid_shape_of_that_many_parameters(parameters: float) -> None:
    size = size_of(parameters)
    vocabulary = usual_vocabulary(parameters)
    assert size.parameters(vocabulary) == pytest.approx(parameters, rel=TOLERANCE)
    assert size.heads * size.head_size == size.width
    assert size.heads % size.kv_heads == 0
    assert size.head_size % 8 == size.hidden % 16 == 0
    assert 1.5 < size.hidden / size.width < 4.5
    assert 16 < size.width / size.layers < 128
    for power in (vocabulary, size.tokens_per_step, size.text_context):
        assert power & (power - 1) == 0
    assert size.tokens_per_step >= size.text_context


@given(parameters=targets, factor=st.floats(2, 6))
@settings(deadline=None, max_examples=100)
def test_more_parameters_are_more_of_everything(parameters: float, factor: float) -> None:
    small, large = size_of(parameters), size_of(parameters * factor)
    assert large.width >= small.width
    assert large.width * large.layers > small.width * small.layers
    assert large.tokens_per_step >= small.tokens_per_step
    assert large.text_context >= small.text_context
    assert large.learning_rate <= small.learning_rate
    assert large.training_tokens == pytest.approx(factor * small.training_tokens, rel=1e-6)


@given(parameters=st.floats(math.log(0.3e6), math.log(30e6)).map(math.exp))
@settings(deadline=None, max_examples=8)
def test_parameters_are_those_of_the_model(parameters: float) -> None:
    size, vocabulary = size_of(parameters), 700
    config = size.config(vocabulary, 64)
    with torch.device("meta"):
        assert parameter_count(Transformer(config)) == size.parameters(vocabulary)


@pytest.mark.parametrize(
    ("name", "millions"), [("nano", 0.87), ("micro", 10), ("mini", 30), ("small", 124), ("base", 350), ("large", 1500)]
)
def test_names_are_positions_of_the_same_rule(name: str, millions: float) -> None:
    size = pick_size(name)
    assert size == size_of(millions * 1e6)
    assert size.parameters(usual_vocabulary(millions * 1e6)) == pytest.approx(millions * 1e6, rel=0.01)


def test_nano_stays_what_it_is() -> None:
    nano = pick_size("nano")
    assert (nano.layers, nano.width, nano.heads, nano.kv_heads, nano.head_size, nano.hidden) == (4, 128, 4, 4, 32, 352)
    assert (nano.learning_rate, nano.tokens_per_step, nano.text_context) == (0.02, 1024, 128)


def test_names_are_in_order() -> None:
    assert all(before.training_tokens < after.training_tokens for before, after in pairwise(SIZES.values()))


@pytest.mark.parametrize(
    ("written", "parameters"),
    [("5M", 5e6), ("5m", 5e6), ("1.3B", 1.3e9), ("60000000", 6e7), ("60_000_000", 6e7), ("500k", 5e5), (" 5 M ", 5e6)],
)
def test_numbers_are_read_as_people_write_them(written: str, parameters: float) -> None:
    assert pick_size(written) == size_of(parameters)


@pytest.mark.parametrize("written", ["giant", "", "5G", "M", "-5M", "1e6", "5 MB", "1.2.3M", "nan", "0x10"])
def test_what_is_neither_a_name_nor_a_number(written: str) -> None:
    with pytest.raises(weft.OptionError, match=r"choose one of nano, micro, .* such as 5M|write it as 5M"):
        pick_size(written)


@pytest.mark.parametrize(("written", "shown"), [("0", "0"), ("10", "10"), ("99k", "99k"), ("500B", "500B")])
def test_absurd_sizes(written: str, shown: str) -> None:
    with pytest.raises(weft.OptionError, match=f"the dial goes from 100k to 20B parameters; {shown} is beyond it"):
        pick_size(written)


@pytest.mark.parametrize(
    ("parameters", "shown"), [(870_000, "870k"), (124e6, "124M"), (1.3e9, "1.3B"), (1.5e12, "1.5e+03B"), (17, "17")]
)
def test_parameters_are_shown_as_they_are_written(parameters: float, shown: str) -> None:
    assert show_parameters(parameters) == shown
