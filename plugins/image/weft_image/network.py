"""The autoencoder of the image codec.

Shapes are told by suffix letters: B images, C channels, S pixels a side, G codes a side, Q dimensions of a code.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from weft.codecs.fsq import FSQ


@dataclass(frozen=True, slots=True)
class CodecConfig:
    """What the network is built from.

    Attributes:
        size: Pixels a side.
        grid: Codes a side.
        channels: 1 for gray, 3 for RGB.
        levels: Of each dimension of a code.
        width: Channels of the features at the resolution of the codes.
        depth: Blocks before the codes, and as many after them.
        detail: Channels of the features at full resolution.
    """

    size: int
    grid: int
    channels: int
    levels: tuple[int, ...]
    width: int = 64
    depth: int = 2
    detail: int = 16


class Block(nn.Module):
    """A residual block: look around, then mix; it begins as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.around = nn.Conv2d(width, width, 3, padding=1)
        self.mix = nn.Conv2d(width, width, 1)
        nn.init.zeros_(self.mix.weight)
        assert self.mix.bias is not None
        nn.init.zeros_(self.mix.bias)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.mix(F.silu(self.around(self.norm(x))))
        return out


class Autoencoder(nn.Module):
    """Pixels to a grid of codes of finite scalar quantization, and back.

    Nearly all the work is done at the resolution of the codes, where a convolution is cheap: each code's pixels go in
    as channels and come out as channels (arXiv:1609.05158). One small convolution at full resolution then smooths the
    seams.
    """

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        patch, width = config.size // config.grid, config.width
        self.quantizer = FSQ(config.levels)
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(patch),
            nn.Conv2d(config.channels * patch**2, width, 1),
            *(Block(width) for _ in range(config.depth)),
            nn.GroupNorm(1, width),
            nn.Conv2d(width, self.quantizer.dimensions, 1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(self.quantizer.dimensions, width, 3, padding=1),
            *(Block(width) for _ in range(config.depth)),
            nn.Conv2d(width, config.detail * patch**2, 1),
            nn.PixelShuffle(patch),
            nn.SiLU(),
            nn.Conv2d(config.detail, config.channels, 3, padding=1),
        )

    def forward(self, x_BCSS: Tensor) -> Tensor:
        """The reconstruction, in about [-1, 1], with gradients straight through the rounding."""
        return self._pixels(self.quantizer(self._features(x_BCSS)))

    def encode(self, x_BCSS: Tensor) -> Tensor:
        """Codes, int64 ``(B, G, G)``, of pixels in [-1, 1]."""
        return self.quantizer.encode(self._features(x_BCSS))

    def decode(self, codes_BGG: Tensor) -> Tensor:
        """Pixels ``(B, C, S, S)``, in about [-1, 1]."""
        return self._pixels(self.quantizer.decode(codes_BGG))

    def _features(self, x_BCSS: Tensor) -> Tensor:
        features: Tensor = self.encoder(x_BCSS)
        return features.movedim(1, -1)

    def _pixels(self, values_BGGQ: Tensor) -> Tensor:
        pixels: Tensor = self.decoder(values_BGGQ.movedim(-1, 1))
        return pixels
