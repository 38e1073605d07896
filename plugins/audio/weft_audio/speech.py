"""Whether somebody speaks in a clip."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from functools import cache
from typing import Any

import torch

import weft
from weft_audio.cleaning import resample
from weft_audio.waveform import Waveform

_RATE = 16_000


def check_installed() -> None:
    """Raises:
    weft.OptionError: The detector is not there.
    """
    if importlib.util.find_spec("silero_vad") is None:
        raise weft.OptionError(
            "audio.speech needs silero-vad, which is not installed; run: pip install weft-audio[vad]"
        )


class Speech(weft.Filter[Waveform]):
    """Keeps speech, or everything else.

    Args:
        wanted: Whether it is speech that is kept.
        least: Share of a clip that has to be speech for it to count as such.

    Raises:
        weft.OptionError: silero-vad is not installed.
    """

    name = "speech"
    source = "Silero VAD, https://github.com/snakers4/silero-vad"

    def __init__(self, wanted: bool, least: float) -> None:
        check_installed()
        self._wanted = wanted
        self._least = least

    def measure(self, sample: weft.Sample[Waveform]) -> Mapping[str, float]:
        return {"speech": speech_share(sample.payload)}

    def check(self, sample: weft.Sample[Waveform]) -> weft.Reason | None:
        share = sample.figures["speech"]
        if (share >= self._least) == self._wanted:
            return None
        limit = f"audio.min_speech = {self._least:g}"
        if self._wanted:
            return weft.Reason("no-speech", f"{share:.0%} of it is speech, less than {limit}")
        return weft.Reason("speech", f"{share:.0%} of it is speech, at least {limit}")


def speech_share(sound: Waveform) -> float:
    """Share of a clip in which somebody speaks, from 0 to 1."""
    samples = torch.from_numpy(resample(sound, _RATE).samples)
    if not len(samples):
        return 0.0
    model, find_spans = _detector()
    model.reset_states()
    spans = find_spans(samples, model, sampling_rate=_RATE, min_speech_duration_ms=100)
    return float(min(1.0, sum(span["end"] - span["start"] for span in spans) / len(samples)))


@cache
def _detector() -> tuple[Any, Any]:
    """The network, and the function that finds where it hears speech."""
    threads = torch.get_num_threads()
    try:
        from silero_vad import get_speech_timestamps, load_silero_vad

        return load_silero_vad(), get_speech_timestamps
    finally:
        torch.set_num_threads(threads)  # Importing it sets one thread for everybody.
