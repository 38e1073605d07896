"""Which recordings are copies of one another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

import weft
from weft_audio.fingerprint import alike, keys_and_sketch, mel_power
from weft_audio.matching import match
from weft_audio.waveform import Waveform

ORIGINAL_RATE = "rate"
"""The figure that tells the rate of the file."""


class AudioNearDuplicates(weft.NearDuplicates[Waveform]):
    """Finds copies that were encoded anew, resampled, made louder or softer, shifted, or have a little noise.

    Another take of the same word or note is no copy: what decides are the waveforms themselves.
    """

    def sign(self, payloads: Sequence[Waveform]) -> list[weft.Signature]:
        return [weft.Signature(*keys_and_sketch(mel_power(payload))) for payload in payloads]

    def close(self, sketch: npt.NDArray[np.uint64], others: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Those that have enough keys in common and whose bands are about as loud for about as long."""
        return alike(sketch, others)

    def same(self, a: Waveform, b: Waveform) -> bool:
        """Whether laid over each other they correlate, and neither has a large part that the other has not."""
        return match(a, b).same

    def rank(self, sample: weft.Sample[Waveform]) -> float:
        """The file of the highest rate, then the longest sound."""
        seconds = sample.payload.seconds
        return sample.figures.get(ORIGINAL_RATE, sample.payload.rate) + seconds / (1 + seconds)
