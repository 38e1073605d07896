"""The memory that is estimated is the memory that is used."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.training.estimate import Estimator
from weft.training.footprint import Footprint, Linear

TOLERANCE = 0.25
"""What the allocator keeps, and scratch space inside operations, are not counted."""

MEASURED = Path(__file__).parent / "peak_memory.py"


def in_a_process_of_its_own(what: str, size: str, vocabulary: int, length: int, rows: int) -> float:
    command = [sys.executable, str(MEASURED), what, size, *map(str, (vocabulary, length, rows))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "vocabulary", "length", "rows"),
    [
        pytest.param("nano", 512, 128, 64, id="activations"),
        pytest.param("12M", 4096, 64, 1, id="weights and optimizer"),
    ],
)
def test_the_estimate_is_the_peak_of_a_process(size: str, vocabulary: int, length: int, rows: int) -> None:
    estimated = in_a_process_of_its_own("estimate", size, vocabulary, length, rows)
    measured = in_a_process_of_its_own("measure", size, vocabulary, length, rows)
    assert estimated == pytest.approx(measured, rel=TOLERANCE)


numbers = st.integers(0, 1 << 30)
lines = st.builds(Linear, base=numbers, block=numbers)
footprints = st.builds(
    Footprint, weights=lines, gradients=lines, state=lines, update=lines, fixed=numbers, position=lines
)


@given(footprint=footprints, layers=st.integers(1, 50), rows=st.integers(1, 100), shards=st.integers(2, 64))
def test_shards_take_less_of_what_lasts_and_the_same_of_the_rest(
    footprint: Footprint, layers: int, rows: int, shards: int
) -> None:
    estimator = Estimator(footprint, layers, length=128, keeps_average=True, program=1 << 28)
    alone, one = estimator.at(rows), estimator.at(rows, shards)
    for kind in ("weights", "gradients", "optimizer", "average"):
        assert getattr(one, kind) == pytest.approx(getattr(alone, kind) / shards, abs=1)
    assert (one.activations, one.logits, one.program) == (alone.activations, alone.logits, alone.program)
    assert alone.gathered == 0
    assert alone.average == alone.weights


@given(footprint=footprints, layers=st.integers(1, 50), most=st.integers(1, 500), budget=st.integers(0, 1 << 45))
def test_the_most_rows_that_stay_within_a_budget(footprint: Footprint, layers: int, most: int, budget: int) -> None:
    estimator = Estimator(footprint, layers, length=64, keeps_average=False, program=0)
    rows = estimator.rows_within(budget, most)
    assert 1 <= rows <= most
    assert rows == 1 or estimator.at(rows).total <= budget
    assert rows == most or estimator.at(rows + 1).total > budget
