"""Which sounds are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

import weft
from weft_audio.loudness import decibels
from weft_audio.waveform import Waveform


class Length(weft.Filter[Waveform]):
    """Rejects what is empty, too short or too long.

    Args:
        least: Seconds of the shortest clip.
        most: Seconds of the longest.
    """

    name = "length"
    on: Literal["raw", "clean"] = "raw"

    def __init__(self, least: float, most: float) -> None:
        self._least = least
        self._most = most

    def check(self, sample: weft.Sample[Waveform]) -> weft.Reason | None:
        seconds = sample.payload.seconds
        if not seconds:
            return weft.Reason("empty", "there are no samples in it")
        if seconds < self._least:
            return weft.Reason("too-short", f"{seconds:.3f} s, shorter than audio.min_seconds = {self._least:g}")
        if seconds > self._most:
            return weft.Reason(
                "too-long", f"it is longer than audio.seconds = {self._most:g}; audio.longer=cut or quiet cuts it"
            )
        return None


class Silent(weft.Filter[Waveform]):
    """Rejects what has nothing louder than a level.

    Args:
        level: In decibels, full scale being 0.
    """

    name = "silent"

    def __init__(self, level: float) -> None:
        self._level = level

    def measure(self, sample: weft.Sample[Waveform]) -> Mapping[str, float]:
        sound = sample.payload
        if not sound.peak:
            return {}
        mean = float(np.sqrt(np.mean(np.square(sound.samples, dtype=np.float64))))
        return {"peak_db": decibels(sound.peak), "level_db": decibels(mean)}

    def check(self, sample: weft.Sample[Waveform]) -> weft.Reason | None:
        if sample.payload.peak > 10 ** (self._level / 20):
            return None
        return weft.Reason("silent", f"nothing in it is louder than audio.min_level = {self._level:g} dB")
