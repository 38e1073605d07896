"""Sound to log-magnitude spectra and back.

Shapes are told by suffix letters: N samples, T frames, F frequencies, M mel bands.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torchaudio.functional as audio  # type: ignore[import-untyped]
from torch import Tensor

FRAMES_PER_SECOND = 125
"""About: a frame is a whole number of samples."""

FLOOR = 1e-4
"""Magnitude, full scale being 1, below which differences do not count: -80 dB."""

_ITERATIONS = 32
_MARGIN = 4
_SEED = 0


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Short-time Fourier analysis, frame t being centered at sample ``t * hop``.

    Attributes:
        rate: Samples a second.
        hop: Samples from a frame to the next.
    """

    rate: int
    hop: int

    @classmethod
    def for_rate(cls, rate: int) -> Spectrum:
        return cls(rate, 8 * round(rate / FRAMES_PER_SECOND / 8))

    @property
    def window(self) -> int:
        """Samples of a frame: about 32 ms."""
        return 4 * self.hop

    @property
    def bins(self) -> int:
        """Number of frequencies."""
        return self.window // 2 + 1

    def analyze(self, samples_N: Tensor) -> Tensor:
        """Logarithms of magnitudes, float32 ``(T, F)``, of N = T * hop samples; a sine of full scale is about 0."""
        taper = torch.hann_window(self.window)
        spectra_FT = torch.stft(
            samples_N, self.window, self.hop, window=taper, pad_mode="constant", return_complex=True
        )
        # The frame after the last sample is left out, so that T * hop samples have T frames.
        return to_log(spectra_FT[:, :-1].abs().mT * (2 / taper.sum()))

    def synthesize(self, logs_TF: Tensor) -> Tensor:
        """N = T * hop samples that have about these spectra.

        Phases are found by the fast Griffin-Lim algorithm (Perraudin et al. 2013,
        https://doi.org/10.1109/WASPAA.2013.6701851) from random ones that are always the same.
        """
        taper = torch.hann_window(self.window)
        magnitudes_TF = from_log(logs_TF.cpu()) * (taper.sum() / 2)
        # The sound is made to go on beyond its ends, which keeps what is done about the ends of a signal out of it.
        first, last = magnitudes_TF[:1].expand(_MARGIN, -1), magnitudes_TF[-1:].expand(_MARGIN + 1, -1)
        magnitudes_FT = torch.cat([first, magnitudes_TF, last]).mT
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_SEED)
            samples_N: Tensor = audio.griffinlim(
                magnitudes_FT,
                taper,
                self.window,
                self.hop,
                self.window,
                power=1.0,
                n_iter=_ITERATIONS,
                momentum=0.99,
                length=(len(logs_TF) + 2 * _MARGIN) * self.hop,
                rand_init=True,
            )
        return samples_N[_MARGIN * self.hop : -_MARGIN * self.hop]

    def mel_filters(self, bands: int) -> Tensor:
        """Weights ``(F, M)`` of the mel bands, each adding up to 1."""
        filters = audio.melscale_fbanks(self.bins, 0.0, self.rate / 2, bands, self.rate)
        normal: Tensor = filters / filters.sum(0).clamp(min=1e-6)
        return normal


def to_log(magnitudes: Tensor) -> Tensor:
    """Logarithms that begin at about -9.2, for silence."""
    return (magnitudes + FLOOR).log()


def from_log(logs: Tensor) -> Tensor:
    """What :func:`to_log` undid."""
    return (logs.exp() - FLOOR).clamp(min=0)
