"""The autoencoder of the audio codec.

Shapes are told by suffix letters: B clips, T frames, F frequencies, M mel bands, S steps of the codes, C codes a step,
Q dimensions of a code, W features.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from weft.codecs.fsq import FSQ
from weft_audio.spectrum import Spectrum, from_log, to_log


@dataclass(frozen=True, slots=True)
class CodecConfig:
    """What the network is built from.

    Attributes:
        rate: Samples a second.
        hop: Samples a frame.
        stride: Frames a step of the codes.
        books: Codes a step.
        steps: Steps of every clip, where all have the same number; else ``None``.
        center: Mean of the log-magnitudes that it was learned from.
        spread: Their standard deviation.
        levels: Of each dimension of a code.
        bands: Mel bands that the encoder sees.
        width: Features of a step.
        depth: Blocks before the codes, and as many after them.
    """

    rate: int
    hop: int
    stride: int
    books: int
    steps: int | None = None
    center: float = -6.0
    spread: float = 2.0
    levels: tuple[int, ...] = (8, 5, 5, 5)
    bands: int = 64
    width: int = 96
    depth: int = 3

    @property
    def spectrum(self) -> Spectrum:
        return Spectrum(self.rate, self.hop)

    @property
    def step(self) -> int:
        """Samples a step."""
        return self.hop * self.stride

    @property
    def clip_samples(self) -> int | None:
        """Samples of every clip, where all have the same number; else ``None``."""
        return None if self.steps is None else self.steps * self.step


def in_bands(x_BTF: Tensor, filters_FM: Tensor) -> Tensor:
    """Log-magnitudes of mel bands, ``(B, T, M)``, from those of all frequencies."""
    return to_log(from_log(x_BTF) @ filters_FM)


class Block(nn.Module):
    """A residual block: look at both neighbors, then mix."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.around = nn.Linear(3 * width, width)
        self.mix = nn.Linear(width, width)
        nn.init.zeros_(self.mix.weight)

    def forward(self, x_BSW: Tensor) -> Tensor:
        # A convolution over three steps as one matrix product, which takes less time than a small Conv1d.
        padded = F.pad(self.norm(x_BSW), (0, 0, 1, 1))
        neighbors = torch.cat([padded[:, :-2], padded[:, 1:-1], padded[:, 2:]], dim=-1)
        out: Tensor = x_BSW + self.mix(F.silu(self.around(neighbors)))
        return out


class Autoencoder(nn.Module):
    """Log-mel frames to codes of finite scalar quantization, and codes to log-magnitudes of all frequencies.

    The decoder gives every frequency rather than mel bands: it learns where between the bands' edges the partials of a
    sound lie, which no inversion of the bands could tell.
    """

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.config = config
        width, bins = config.width, config.spectrum.bins
        self.quantizer = FSQ(config.levels)
        self.register_buffer("filters", config.spectrum.mel_filters(config.bands), False)
        self.encoder = nn.Sequential(
            nn.Linear(config.stride * config.bands, width),
            *(Block(width) for _ in range(config.depth)),
            nn.LayerNorm(width),
            nn.Linear(width, config.books * self.quantizer.dimensions),
        )
        self.decoder = nn.Sequential(
            nn.Linear(config.books * self.quantizer.dimensions, width),
            *(Block(width) for _ in range(config.depth)),
            nn.LayerNorm(width),
            nn.Linear(width, config.stride * bins),
        )

    filters: Tensor

    def forward(self, x_BTF: Tensor) -> Tensor:
        """Log-magnitudes as they come back; gradients go straight through the rounding."""
        return self._spectra(self.quantizer(self._features(x_BTF)))

    def encode(self, x_BTF: Tensor) -> Tensor:
        """Codes, int64 ``(B, S, C)``, of log-magnitudes with T = S * stride."""
        return self.quantizer.encode(self._features(x_BTF))

    def decode(self, codes_BSC: Tensor) -> Tensor:
        """Log-magnitudes ``(B, T, F)``."""
        return self._spectra(self.quantizer.decode(codes_BSC))

    def _features(self, x_BTF: Tensor) -> Tensor:
        rows, frames, _ = x_BTF.shape
        normal = (in_bands(x_BTF, self.filters) - self.config.center) / self.config.spread
        features: Tensor = self.encoder(normal.reshape(rows, frames // self.config.stride, -1))
        return features.view(rows, -1, self.config.books, self.quantizer.dimensions)

    def _spectra(self, values_BSCQ: Tensor) -> Tensor:
        rows, steps = values_BSCQ.shape[:2]
        normal: Tensor = self.decoder(values_BSCQ.flatten(2))
        frames = normal.reshape(rows, steps * self.config.stride, -1)
        return frames * self.config.spread + self.config.center
