"""Shape of the backbone, and the dial that sets it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from weft.errors import FolderError, OptionError
from weft.storage.schema import read_fields


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """A decoder-only Transformer with the Qwen3 layout.

    Attributes:
        vocab_size: Ids of the run.
        context_length: Longest sequence that is attended to.
        layers: Blocks.
        width: Size of the residual stream.
        heads: Query heads of a block.
        kv_heads: Key and value heads (grouped-query attention, arXiv:2305.13245); divides ``heads``.
        head_size: Size of each head.
        hidden: Size inside the feed-forward part.
        rope_base: Base of the rotary position frequencies (arXiv:2104.09864).
        norm_epsilon: Of every RMSNorm.
        dropout: Share of activations zeroed in training after attention and feed-forward.
        adapter_rank: Of the adapters that are trained while the rest stays as it is; 0 has none.
    """

    vocab_size: int
    context_length: int
    layers: int
    width: int
    heads: int
    kv_heads: int
    head_size: int
    hidden: int
    rope_base: float = 10_000.0
    norm_epsilon: float = 1e-6
    dropout: float = 0.0
    adapter_rank: int = 0

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Raises :class:`weft.FolderError` for values that describe no model."""
        config = read_fields(cls, values, "the model's configuration")
        for name, value in config.to_json().items():
            may_be_zero = name in ("dropout", "adapter_rank")
            if value < 0 or (value == 0 and not may_be_zero) or (name == "dropout" and value >= 1):
                raise FolderError(f"the model's configuration is damaged: {name} is {value}; restore the file")
        return config


@dataclass(frozen=True, slots=True)
class Size:
    """One position of the dial.

    Attributes:
        learning_rate: Of Muon; AdamW's follows from it.
        tokens_per_step: Size of a batch.
        text_context: Window of long text, where nothing else asks for a longer one.
    """

    layers: int
    width: int
    heads: int
    kv_heads: int
    head_size: int
    learning_rate: float
    tokens_per_step: int
    text_context: int

    @property
    def hidden(self) -> int:
        """About 8/3 of the width, as SwiGLU (arXiv:2002.05202) wants, in multiples of 32."""
        return round(self.width * 8 / 3 / 32) * 32


SIZES = {
    "nano": Size(4, 128, 4, 4, 32, 0.02, 1_024, 128),
    "micro": Size(8, 320, 5, 5, 64, 0.02, 8_192, 256),
    "mini": Size(10, 512, 8, 8, 64, 0.02, 32_768, 512),
    "small": Size(12, 832, 13, 13, 64, 0.015, 131_072, 1_024),
    "base": Size(22, 1152, 18, 6, 64, 0.01, 262_144, 1_024),
    "large": Size(28, 2048, 16, 8, 128, 0.008, 524_288, 2_048),
}
"""Named sizes: about 0.8, 10, 32, 99, 312 million and 1.3 billion parameters besides the vocabulary's."""


def pick_size(name: str) -> Size:
    """The dial at a named position.

    Raises:
        OptionError: No such name.
    """
    try:
        return SIZES[name]
    except KeyError:
        raise OptionError(f"size {name!r} is unknown; choose one of {', '.join(SIZES)}") from None
