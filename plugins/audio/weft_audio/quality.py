"""What makes a recording from the web a poor one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch

import weft
from weft_audio.cleaning import frame_powers
from weft_audio.loudness import decibels
from weft_audio.waveform import Waveform

_FRAME_SECONDS = 0.02
_SILENCE = 1e-4
"""Power, the loudest frame being 1, below which a frame is silent: -40 dB."""
_SHORTEST_RUN = 3
_NEAR_PEAK = 0.999
_WINDOW_SECONDS = 0.032
_LEAST_SNR, _GREATEST_SNR = -20.0, 100.0


class MostlySilent(weft.Filter[Waveform]):
    """Rejects clips in which little happens: most frames of 20 ms are 40 dB below the loudest.

    Args:
        most: Largest share of such frames.
    """

    name = "silence-share"

    def __init__(self, most: float) -> None:
        self._most = most

    def measure(self, sample: weft.Sample[Waveform]) -> Mapping[str, float]:
        sound = sample.payload
        powers = frame_powers(sound, max(1, round(_FRAME_SECONDS * sound.rate)))
        return {"silence": float(np.mean(powers <= _SILENCE * powers.max(initial=0.0))) if len(powers) else 1.0}

    def check(self, sample: weft.Sample[Waveform]) -> weft.Reason | None:
        share = sample.figures["silence"]
        if share <= self._most:
            return None
        return weft.Reason(
            "mostly-silent", f"{share:.0%} of it is silence, more than audio.max_silence = {self._most:g}"
        )


class Clipped(weft.Filter[Waveform]):
    """Rejects recordings whose peaks are cut off flat: samples in runs of three and more at the greatest level.

    Args:
        most: Largest share of such samples.
    """

    name = "clipping"
    on: Literal["raw", "clean"] = "raw"
    source = "runs at the extreme level: Eaton and Naylor 2013, Detection of clipping in coded speech signals"

    def __init__(self, most: float) -> None:
        self._most = most

    def measure(self, sample: weft.Sample[Waveform]) -> Mapping[str, float]:
        samples = sample.payload.samples
        peak = sample.payload.peak
        if not peak:
            return {"clipped": 0.0}
        at_peak = (samples >= _NEAR_PEAK * peak).astype(np.int8) - (samples <= -_NEAR_PEAK * peak).astype(np.int8)
        edges = np.flatnonzero(np.diff(at_peak, prepend=np.int8(2), append=np.int8(2)))
        lengths, levels = np.diff(edges), at_peak[edges[:-1]]
        return {"clipped": float(lengths[(levels != 0) & (lengths >= _SHORTEST_RUN)].sum() / len(samples))}

    def check(self, sample: weft.Sample[Waveform]) -> weft.Reason | None:
        share = sample.figures["clipped"]
        if share <= self._most:
            return None
        return weft.Reason("clipped", f"{share:.1%} of it is clipped, more than audio.max_clipped = {self._most:g}")


class Noisy(weft.Filter[Waveform]):
    """Rejects clips in which noise drowns the rest.

    Noise is what lies under most of a spectrogram: half of its cells have less power than the median, which of noise is
    ln 2 times the mean. A sound that fills more than half of them is taken for noise too, so the limit is low.

    Args:
        least: Decibels of signal above noise.
    """

    name = "noise"
    source = (
        "quantile-based noise estimation: Stahl, Fischer and Bippus 2000, https://doi.org/10.1109/ICASSP.2000.862122"
    )

    def __init__(self, least: float) -> None:
        self._least = least

    def measure(self, sample: weft.Sample[Waveform]) -> Mapping[str, float]:
        return {"snr_db": signal_to_noise(sample.payload)}

    def check(self, sample: weft.Sample[Waveform]) -> weft.Reason | None:
        ratio = sample.figures["snr_db"]
        if ratio >= self._least:
            return None
        return weft.Reason(
            "noisy", f"its signal-to-noise ratio of {ratio:.1f} dB is below audio.min_snr = {self._least:g}"
        )


def signal_to_noise(sound: Waveform) -> float:
    """Estimated ratio in decibels, from -20 to 100."""
    window = 1 << max(4, round(_WINDOW_SECONDS * sound.rate).bit_length())
    samples = torch.from_numpy(sound.samples)
    if len(samples) < window:
        samples = torch.nn.functional.pad(samples, (0, window - len(samples)))
    taper = torch.hann_window(window)
    cells = torch.stft(samples, window, window // 2, window=taper, center=False, return_complex=True).abs().square()
    # The first and the last frequency have no phase, and so another distribution.
    cells = cells[1:-1].double()
    noise, total = float(cells.median()) / np.log(2), float(cells.mean())
    signal = max(total - noise, 0.0)
    if not noise or not signal:
        return _GREATEST_SNR if signal else _LEAST_SNR
    return float(np.clip(decibels(signal / noise) / 2, _LEAST_SNR, _GREATEST_SNR))
