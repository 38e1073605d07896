"""Numbers as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.pages.numbers import about, duration, rounded


@pytest.mark.parametrize(
    ("number", "digits", "shown"),
    [(2.514, 3, "2.51"), (99.7, 2, "100"), (124.9, 2, "125"), (1234.4, 3, "1,234"), (0.0123, 2, "0.012"), (0, 3, "0")],
)
def test_rounded(number: float, digits: int, shown: str) -> None:
    assert rounded(number, digits) == shown


@given(number=st.floats(1e-4, 1e15), digits=st.integers(1, 6))
def test_nothing_is_shown_in_powers_of_ten(number: float, digits: int) -> None:
    shown = rounded(number, digits)
    assert "e" not in shown
    assert float(shown.replace(",", "")) == pytest.approx(number, rel=0.6 * 10 ** (1 - digits))


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 ms"), (0.01234, "12.3 ms"), (0.9999, "1,000 ms"), (4.23, "4.2 s"), (59.99, "60.0 s"),
        (185, "3 min 05 s"), (3599.8, "1 h 00 min"), (7620, "2 h 07 min"), (172_790, "2 days 00 h"),
        (273_900, "3 days 04 h"),
    ],
)  # fmt: skip
def test_duration(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_about() -> None:
    assert about(1.0, "epoch") == "1 epoch"
    assert about(1234.0, "epoch") == "1,234 epochs"
