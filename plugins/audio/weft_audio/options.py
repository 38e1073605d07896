"""Preparation options of audio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import weft

RATES = (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
"""Samples a second that a corpus may have."""

LAYOUTS: dict[int, tuple[int, int]] = {62: (2, 1), 125: (2, 2), 250: (1, 2)}
"""Tokens a second, about, to frames a step of the codes and codes a step; there are about 125 frames a second."""

_MOST_TOKENS = 500
_MOST_TOKENS_WITH_TRANSCRIPTS = 2000
_HIGHEST_DERIVED_RATE = 16_000


@dataclass(frozen=True, slots=True)
class AudioOptions:
    """What ``--set audio.NAME=VALUE`` sets.

    Attributes:
        rate: Samples a second of the corpus; ``None`` follows from the sources.
        seconds: Longest clip. ``None`` is what 500 tokens hold, or 2000 where there are transcripts, which say what is
            in the whole of a recording.
        fixed: Whether every clip has exactly ``seconds``, rounded up to a whole number of codes; silence is added to
            shorter ones.
        longer: What becomes of recordings longer than a clip: ``cut`` into consecutive clips, or ``reject``.
        tokens: A second, about; ``LAYOUTS`` has the choices.
        codec_steps: Steps in which the codec is learned; ``None`` follows from how much audio there is.
        min_seconds: Shortest clip.
        min_level: Decibels that something in a clip has to be louder than, full scale being 0.
        near: Whether copies that differ a little are found.

    Raises:
        ValueError: ``seconds`` is below ``min_seconds``.
    """

    rate: int | None = weft.option(None, "samples a second; auto follows the sources, 16000 at most", choices=RATES)
    seconds: float | None = weft.option(
        None, "length of a clip at most; auto is about 500 tokens, 2000 with transcripts", minimum=0.1, maximum=60
    )
    fixed: bool = weft.option(False, "make every clip exactly that long: fill shorter ones up with silence")
    longer: str = weft.option("cut", "what to do with longer recordings", choices=("cut", "reject"))
    tokens: int = weft.option(
        125, "what a second costs the model, about; more sounds better and learns slower", choices=tuple(LAYOUTS)
    )
    codec_steps: int | None = weft.option(
        None, "steps of learning the codec; auto follows the amount of audio", minimum=1
    )
    min_seconds: float = weft.option(0.05, "reject clips that are shorter", minimum=0.01)
    min_level: float = weft.option(
        -60.0, "reject clips with nothing louder, in dB, 0 being full scale", minimum=-90, maximum=0
    )
    near: str = weft.option(
        "on",
        "drop copies of a recording that were encoded anew, resampled, shifted, made louder",
        choices=("on", "off"),
    )

    def __post_init__(self) -> None:
        if self.seconds is not None and self.seconds < self.min_seconds:
            raise ValueError(f"audio.seconds ({self.seconds:g}) is below audio.min_seconds ({self.min_seconds:g})")


def default_rate(rates: Sequence[int]) -> int:
    """The highest rate of the table that no more than half the sources would have to be brought up to."""
    if not rates:
        return _HIGHEST_DERIVED_RATE
    middle = sorted(rates)[(len(rates) - 1) // 2]
    return max((rate for rate in RATES if rate <= min(middle, _HIGHEST_DERIVED_RATE)), default=RATES[0])


def default_seconds(tokens_per_second: int, transcripts: bool, shortest: float) -> float:
    """Length of a clip at most."""
    tokens = _MOST_TOKENS_WITH_TRANSCRIPTS if transcripts else _MOST_TOKENS
    return max(shortest, float(tokens // tokens_per_second))


def default_fixed_seconds(lengths: Sequence[float], most: float, shortest: float) -> float:
    """Length of every clip: that of the longest source, in tenths of a second, where it is not too long."""
    longest = max(lengths, default=most)
    return max(shortest, min(most, -(-round(longest * 1000) // 100) / 10))
