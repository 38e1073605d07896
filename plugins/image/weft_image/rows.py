"""The tokens of an image: those of its rows, each the mark of that row and then its codes from left to right.

The backbone knows only how far apart two tokens are; the marks tell it where in the picture it is. Shapes are told by
suffix letters: B images, G codes a side.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

import weft


def facts_of(codes: int, grid: int) -> weft.CodecFacts:
    """Of a codec with so many codes, whose ids come first, and the marks of so many rows after them."""
    pattern = [span for row in range(grid) for span in [(codes + row, codes + row + 1), *[(0, codes)] * grid]]
    return weft.CodecFacts(pattern=tuple(pattern), length=len(pattern), grid=(grid, grid))


def with_marks(codes_BGG: Tensor, codes: int) -> list[weft.Tokens]:
    """Tokens of each image, int32 ``(grid * (grid + 1),)``."""
    count, grid = codes_BGG.shape[:2]
    marks = torch.arange(grid)[:, None] + codes
    rows = torch.cat([marks.expand(count, -1, -1), codes_BGG], dim=2)
    return list(rows.flatten(1).numpy().astype(np.int32))


def without_marks(tokens: weft.Tokens, grid: int) -> Tensor:
    """Codes of one image, int64 ``(1, G, G)``."""
    rows = torch.from_numpy(np.asarray(tokens, dtype=np.int64)).view(1, grid, grid + 1)
    return rows[:, :, 1:]
