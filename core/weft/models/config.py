"""Shape of the backbone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from weft.errors import FolderError
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
