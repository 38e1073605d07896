"""What one sample of audio is in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

_STEPS = 32_768


@dataclass(frozen=True, slots=True, eq=False)
class Waveform:
    """Sound of one channel.

    Attributes:
        samples: float32, shape ``(length,)``; full scale is [-1, 1], which a cleaned waveform keeps to.
        rate: Samples a second.

    Raises:
        ValueError: ``samples`` is no float32 array of one dimension, or ``rate`` is not above 0.
    """

    samples: npt.NDArray[np.float32]
    rate: int

    def __post_init__(self) -> None:
        if self.samples.ndim != 1 or self.samples.dtype != np.float32:
            raise ValueError(f"samples must be float32 (length,), got {self.samples.dtype} {self.samples.shape}")
        if self.rate < 1:
            raise ValueError(f"the rate must be above 0, got {self.rate}")

    @classmethod
    def from_pcm(cls, levels: npt.NDArray[np.int16], rate: int) -> Self:
        """From 16-bit levels ``(length,)``."""
        return cls(levels * np.float32(1 / _STEPS), rate)

    def pcm(self) -> npt.NDArray[np.int16]:
        """16-bit levels, rounded, and clipped at full scale."""
        return self._levels().astype(np.int16)

    def quantized(self) -> Self:
        """What :meth:`from_pcm` makes of :meth:`pcm`: the nearest waveform that 16 bits hold."""
        levels = self._levels()
        levels *= np.float32(1 / _STEPS)
        return type(self)(levels, self.rate)

    def _levels(self) -> npt.NDArray[np.float32]:
        levels: npt.NDArray[np.float32] = self.samples * np.float32(_STEPS)
        np.rint(levels, out=levels)
        np.minimum(levels, np.float32(_STEPS - 1), out=levels)
        np.maximum(levels, np.float32(-_STEPS), out=levels)
        return levels

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate

    @property
    def peak(self) -> float:
        """Greatest absolute sample; 0 of none."""
        return max(float(self.samples.max()), -float(self.samples.min())) if len(self.samples) else 0.0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Waveform):
            return NotImplemented
        return self.rate == other.rate and np.array_equal(self.samples, other.samples)

    def __hash__(self) -> int:
        return hash((self.rate, self.samples.tobytes()))
