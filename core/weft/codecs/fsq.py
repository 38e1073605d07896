"""Finite scalar quantization (Mentzer et al. 2023, arXiv:2309.15505): a codebook without a codebook.

Each of a code's dimensions is bounded and rounded to a few levels; the product of the levels is the number of codes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class FSQ(nn.Module):
    """Quantize the last dimension of a tensor to a grid of levels.

    The bound is a sigmoid with slope 1.6 rather than the paper's tanh (``docs/decisions/quantization.md``).

    Args:
        levels: Levels a dimension, each at least 2; ``[8, 5, 5, 5]`` makes 1000 codes.
    """

    SLOPE = 1.6

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        if not levels or min(levels) < 2:
            raise ValueError(f"every dimension needs at least 2 levels, got {list(levels)}")
        self.levels = tuple(levels)
        self.register_buffer("_top", torch.tensor([level - 1 for level in levels], dtype=torch.float32), False)
        strides = [math.prod(levels[:i]) for i in range(len(levels))]
        self.register_buffer("_strides", torch.tensor(strides, dtype=torch.int64), False)

    _top: Tensor
    _strides: Tensor

    @property
    def dimensions(self) -> int:
        """Size of the last dimension of what :meth:`forward` takes."""
        return len(self.levels)

    @property
    def codes(self) -> int:
        """Number of different codes."""
        return math.prod(self.levels)

    def forward(self, z: Tensor) -> Tensor:
        """Quantized values in [-1, 1], same shape as ``z`` (``(..., dimensions)``); gradients pass straight through."""
        scaled = torch.sigmoid(self.SLOPE * z) * self._top
        rounded = scaled + (scaled.round() - scaled).detach()
        return rounded * (2 / self._top) - 1

    def encode(self, z: Tensor) -> Tensor:
        """Code ids, int64 of shape ``(...)``, of values ``(..., dimensions)`` before quantization."""
        steps = (torch.sigmoid(self.SLOPE * z) * self._top).round().to(torch.int64)
        return (steps * self._strides).sum(-1)

    def decode(self, ids: Tensor) -> Tensor:
        """Quantized values in [-1, 1], ``(..., dimensions)``, of code ids ``(...)``."""
        levels = self._top.to(torch.int64) + 1
        steps = (ids.unsqueeze(-1) // self._strides) % levels
        return steps.to(self._top.dtype) * (2 / self._top) - 1
