"""Losses as people read them."""

from __future__ import annotations

import pytest

from weft.pages.losses import losses_text

TEXT = {"text/nats_per_token": 1.5, "text/bits_per_byte": 2.25}


@pytest.mark.parametrize(
    ("figures", "shown"),
    [
        ({"loss": 2.0}, "loss 2.000"),
        ({"loss": 1.5, **TEXT}, "text 2.250 bits per byte (1.500 nats per token)"),
        (
            {"loss": 2.0, **TEXT, "image/nats_per_token": 2.5},
            "average 2.000 nats per token: text 2.250 bits per byte (1.500 nats per token), image 2.500 nats per token",
        ),
        (
            {"loss": -4.0, "left/distance": 3.0, "right/distance": 1.0},
            "average -4.000: left 3.000 distance, right 1.000 distance",
        ),
    ],
)  # fmt: skip
def test_units_are_those_of_the_objective(figures: dict[str, float], shown: str) -> None:
    assert losses_text(figures) == shown
