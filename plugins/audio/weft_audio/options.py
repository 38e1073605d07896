"""Preparation options of audio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import weft

Channels = Literal["mix", "first", "left", "right", "each"]
"""Their mean; the first, which is the left one; the second, or the only one; or all, as sounds of their own."""

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
        longer: What becomes of recordings longer than a clip: ``cut`` into equal consecutive clips, cut where it is
            ``quiet``, or ``reject``.
        channels: ``mix`` takes their mean, ``each`` makes every channel a sample.
        loudness: LUFS by ITU-R BS.1770 that every clip is brought to, as far as its peak stays below -1 dB.
        peak: Decibels that the peak of every clip is brought to.
        trim: Whether silence at the ends is cut off.
        trim_level: What is silence there, in decibels, the loudest 10 ms being 0.
        max_seconds: A recording that is longer, or says so, is rejected whole.
        tokens: A second, about; ``LAYOUTS`` has the choices.
        codec_folder: A published codec that is used instead of learning one: EnCodec, DAC or Mimi as ``transformers``
            saves it. The rate is the model's, and ``tokens`` says how many of its codebooks are used.
        codec_steps: Steps in which the codec is learned; ``None`` follows from how much audio there is.
        min_seconds: Shortest clip.
        min_level: Decibels that something in a clip has to be louder than, full scale being 0.
        near: Whether copies that differ a little are found.
        speech: Whether speech is wanted; needs silero-vad.
        min_speech: Share of a clip that has to be speech for it to count as such.
        quality: ``web`` judges by the three limits that follow, which are no concern of ``off``.
        max_silence: Largest share of 20 ms frames that are 40 dB below the loudest.
        max_clipped: Largest share of samples in runs at the greatest level.
        min_snr: Least ratio of signal to noise in decibels.

    Raises:
        ValueError: ``seconds`` is below ``min_seconds`` or above ``max_seconds``, or both ``loudness`` and ``peak``, or
            both ``fixed`` and ``codec_folder``, are given.
    """

    rate: int | None = weft.option(None, "samples a second; auto follows the sources, 16000 at most", choices=RATES)
    seconds: float | None = weft.option(
        None, "length of a clip at most; auto is about 500 tokens, 2000 with transcripts", minimum=0.1, maximum=60
    )
    fixed: bool = weft.option(False, "make every clip exactly that long: fill shorter ones up with silence")
    longer: Literal["cut", "quiet", "reject"] = weft.option(
        "cut", "longer recordings: cut evenly, cut where it is quiet, or reject", choices=("cut", "quiet", "reject")
    )
    channels: Literal["mix", "first", "left", "right", "each"] = weft.option(
        "mix", "mix them, take one, or make each a sample", choices=("mix", "first", "left", "right", "each")
    )
    loudness: float | None = weft.option(
        None, "bring clips to this loudness, in LUFS (ITU-R BS.1770); auto leaves it", minimum=-70, maximum=-5
    )
    peak: float | None = weft.option(
        None, "bring the peak of clips to this level, in dB; auto leaves it", minimum=-60, maximum=0
    )
    trim: bool = weft.option(False, "cut off silence at both ends of clips")
    trim_level: float = weft.option(
        -40.0, "what is silence there, in dB, the loudest 10 ms being 0", minimum=-90, maximum=-1
    )
    max_seconds: float = weft.option(21_600.0, "reject recordings that last, or claim to last, longer", minimum=0.1)
    tokens: int = weft.option(
        125, "what a second costs the model, about; more sounds better and learns slower", choices=tuple(LAYOUTS)
    )
    codec_folder: str | None = weft.option(
        None,
        "use the EnCodec, DAC or Mimi in this folder rather than learn a codec; needs weft-audio[published]",
        place=True,
    )
    codec_steps: int | None = weft.option(
        None, "steps of learning the codec; auto follows the amount of audio", minimum=1
    )
    min_seconds: float = weft.option(0.05, "reject clips that are shorter", minimum=0.01)
    min_level: float = weft.option(
        -60.0, "reject clips with nothing louder, in dB, 0 being full scale", minimum=-90, maximum=0
    )
    near: Literal["on", "off"] = weft.option(
        "on",
        "drop copies of a recording that were encoded anew, resampled, shifted, made louder",
        choices=("on", "off"),
    )

    speech: Literal["any", "only", "none"] = weft.option(
        "any", "keep speech only, or none; needs weft-audio[vad]", choices=("any", "only", "none")
    )
    min_speech: float = weft.option(0.2, "what share of a clip makes it speech", minimum=0.01, maximum=1)
    quality: Literal["off", "web"] = weft.option(
        "off", "judge recordings from the web, with the limits below", choices=("off", "web")
    )
    max_silence: float = weft.option(0.8, "web: largest share of silence", minimum=0, maximum=1)
    max_clipped: float = weft.option(0.01, "web: largest share of clipped samples", minimum=0, maximum=1)
    min_snr: float = weft.option(3.0, "web: least signal-to-noise ratio, in dB", minimum=-20, maximum=100)

    def __post_init__(self) -> None:
        if self.seconds is not None and self.seconds < self.min_seconds:
            raise ValueError(f"audio.seconds ({self.seconds:g}) is below audio.min_seconds ({self.min_seconds:g})")
        if self.seconds is not None and self.seconds > self.max_seconds:
            raise ValueError(f"audio.seconds ({self.seconds:g}) is above audio.max_seconds ({self.max_seconds:g})")
        if self.codec_folder is not None and self.fixed:
            raise ValueError("audio.fixed is for codecs that are learned; leave it out with audio.codec_folder")
        if self.loudness is not None and self.peak is not None:
            raise ValueError("audio.loudness and audio.peak both set the level; give one of them")


def default_rate(rates: Sequence[int]) -> int:
    """The highest rate of the table that no more than half the sources would have to be brought up to."""
    if not rates:
        return _HIGHEST_DERIVED_RATE
    middle = sorted(rates)[(len(rates) - 1) // 2]
    return max((rate for rate in RATES if rate <= min(middle, _HIGHEST_DERIVED_RATE)), default=RATES[0])


def default_seconds(tokens_per_second: float, transcripts: bool, shortest: float) -> float:
    """Length of a clip at most."""
    tokens = _MOST_TOKENS_WITH_TRANSCRIPTS if transcripts else _MOST_TOKENS
    return max(shortest, float(tokens // tokens_per_second))


def default_fixed_seconds(lengths: Sequence[float], most: float, shortest: float) -> float:
    """Length of every clip: that of the longest source, in tenths of a second, where it is not too long."""
    longest = max(lengths, default=most)
    return max(shortest, min(most, -(-round(longest * 1000) // 100) / 10))
