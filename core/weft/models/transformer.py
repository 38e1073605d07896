"""The backbone: a decoder-only Transformer with the Qwen3 layout.

Pre-RMSNorm, rotary positions, SwiGLU, grouped-query attention, QK-norm, no biases, tied embeddings. Query, key and
value projections are one matrix here, gate and up another: fewer and larger operations. :func:`qwen3_state` names the
weights as transformers, vLLM and llama.cpp know them.

Whole documents are computed in one of two ways with equal results: end to end without padding through
:mod:`weft.models.kernels`, where those apply, else as padded rows by torch's own operations, which may be compiled.

Shapes are told by suffix letters: B rows, T positions, N tokens of all rows end to end, W width, H query heads, K
key/value heads, D head size, V ids.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from weft.models import kernels
from weft.models.adapters import adapted_weight, add_adapters
from weft.models.config import ModelConfig


class Linear(nn.Linear):
    """A projection without bias."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        # Rows that are decoded step by step have three dimensions, and are too small for this to pay.
        if x.dim() == 2 and kernels.apply_to(x):
            return kernels.linear(x, self.weight)
        return super().forward(x)


class FusedLinear(Linear):
    """Several bias-free projections of one input as one matrix.

    Attributes:
        row_splits: Output sizes of the projections; the optimizer treats each as a matrix of its own.
    """

    def __init__(self, inputs: int, outputs: Sequence[int]) -> None:
        super().__init__(inputs, sum(outputs))
        self.row_splits = list(outputs)

    def split(self, x: Tensor) -> tuple[Tensor, ...]:
        return torch.split(self(x), self.row_splits, dim=-1)


class RMSNorm(nn.RMSNorm):
    """Over the last dimension."""

    def forward(self, x: Tensor) -> Tensor:
        if kernels.apply_to(x):
            assert self.eps is not None
            return kernels.rms_norm(x, self.weight, self.eps)
        return super().forward(x)


class Rotary(nn.Module):
    """Rotary position embedding, halves rotated against each other."""

    def __init__(self, head_size: int, context_length: int, base: float) -> None:
        super().__init__()
        frequencies_D = base ** -(torch.arange(0, head_size, 2, dtype=torch.float64) / head_size)
        angles_TD = torch.arange(context_length, dtype=torch.float64)[:, None] * frequencies_D
        angles_TD = torch.cat([angles_TD, angles_TD], dim=-1)
        self.register_buffer("cos", angles_TD.cos().float(), persistent=False)
        self.register_buffer("sin", angles_TD.sin().float(), persistent=False)

    cos: Tensor
    sin: Tensor

    def at(self, positions: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Cosines and sines, each ``(..., T, 1, D)``, at positions ``(..., T)``."""
        return self.cos[positions].to(dtype).unsqueeze(-2), self.sin[positions].to(dtype).unsqueeze(-2)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the pairs of ``x`` (``(B, T, H, D)``) by their position's angles."""
    left, right = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-right, left], dim=-1) * sin


class Cache:
    """Keys and values of the positions seen so far, for incremental decoding.

    Args:
        config: Of the model.
        rows: Sequences decoded together.
        dtype: Of the model's weights.
        device: Of the model.
    """

    def __init__(self, config: ModelConfig, rows: int, dtype: torch.dtype, device: torch.device) -> None:
        shape = (config.layers, 2, rows, config.kv_heads, config.context_length, config.head_size)
        self._store = torch.zeros(shape, dtype=dtype, device=device)
        self.length = 0

    def extend(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Append keys and values ``(B, K, T, D)`` of the current positions and return all of the layer's so far."""
        end = self.length + key.shape[2]
        store = self._store[layer]
        store[0, :, :, self.length : end] = key
        store[1, :, :, self.length : end] = value
        return store[0, :, :, :end], store[1, :, :, :end]


class Attention(nn.Module):
    """Causal grouped-query attention with normalized queries and keys (arXiv:2302.05442)."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.head_size = config.head_size
        self.kv_heads = config.kv_heads
        self.epsilon = config.norm_epsilon
        self.context_length = config.context_length
        self.grouped = config.kv_heads != config.heads
        sizes = [config.heads * config.head_size, *[config.kv_heads * config.head_size] * 2]
        self.qkv = FusedLinear(config.width, sizes)
        self.output = Linear(sizes[0], config.width)
        self.query_norm = RMSNorm(config.head_size, eps=config.norm_epsilon)
        self.key_norm = RMSNorm(config.head_size, eps=config.norm_epsilon)

    def forward(
        self,
        x: Tensor,
        turns: tuple[Tensor, Tensor],
        cache: Cache | None = None,
        mask: Tensor | None = None,
        lengths: Sequence[int] | None = None,
    ) -> Tensor:
        mixed = self._rows(x, turns, cache, mask) if lengths is None else self._packed(x, turns, lengths)
        out: Tensor = self.output(mixed)
        return out

    def _rows(self, x_BTW: Tensor, turns: tuple[Tensor, Tensor], cache: Cache | None, mask: Tensor | None) -> Tensor:
        rows, length, _ = x_BTW.shape
        query, key, value = (part.view(rows, length, -1, self.head_size) for part in self.qkv.split(x_BTW))
        query_BHTD = rotate(self.query_norm(query), *turns).transpose(1, 2)
        key_BKTD = rotate(self.key_norm(key), *turns).transpose(1, 2)
        value_BKTD = value.transpose(1, 2)
        if cache is not None:
            key_BKTD, value_BKTD = cache.extend(self.layer, key_BKTD, value_BKTD)
        if kernels.compiler_attends(query_BHTD, mask, self.context_length):
            mixed = kernels.attention_to_compile(query_BHTD, key_BKTD, value_BKTD)
        else:
            mixed = F.scaled_dot_product_attention(
                query_BHTD, key_BKTD, value_BKTD, attn_mask=mask, is_causal=mask is None, enable_gqa=self.grouped
            )
        return mixed.transpose(1, 2).reshape(rows, length, -1)

    def _packed(self, x_NW: Tensor, turns: tuple[Tensor, Tensor], lengths: Sequence[int]) -> Tensor:
        gains = self.query_norm.weight, self.key_norm.weight
        return kernels.attention(self.qkv(x_NW), *gains, turns, lengths, self.kv_heads, self.epsilon)


class FeedForward(nn.Module):
    """SwiGLU (arXiv:2002.05202)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_up = FusedLinear(config.width, [config.hidden, config.hidden])
        self.down = Linear(config.hidden, config.width)

    def forward(self, x: Tensor) -> Tensor:
        gate_up = self.gate_up(x)
        if kernels.apply_to(gate_up):
            # A frozen projection has an adapter, which needs what enters it.
            if gate_up.dim() == 2 and self.down.weight.requires_grad:
                return kernels.gated_linear(gate_up, self.down.weight)
            product = kernels.swiglu(gate_up)
        else:
            gate, up = gate_up.chunk(2, dim=-1)
            product = F.silu(gate) * up
        out: Tensor = self.down(product)
        return out


class Block(nn.Module):
    """Attention, then feed-forward, each added to the residual stream."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(config.width, eps=config.norm_epsilon)
        self.attention = Attention(config, layer)
        self.feed_forward_norm = RMSNorm(config.width, eps=config.norm_epsilon)
        self.feed_forward = FeedForward(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        x: Tensor,
        turns: tuple[Tensor, Tensor],
        cache: Cache | None = None,
        mask: Tensor | None = None,
        lengths: Sequence[int] | None = None,
    ) -> Tensor:
        """Rows ``(B, T, W)``; or, with their lengths, documents end to end, ``(N, W)``."""
        x = x + self.dropout(self.attention(self.attention_norm(x), turns, cache, mask, lengths))
        out: Tensor = x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))
        return out


class Transformer(nn.Module):
    """The one model of every modality.

    Attributes:
        checkpoint_activations: Keep only what enters each block, and compute the rest again for the gradient
            (arXiv:1604.06174): less memory, a third more work.
        compiled: Whether the blocks are.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
        self.norm = RMSNorm(config.width, eps=config.norm_epsilon)
        self.rotary = Rotary(config.head_size, config.context_length, config.rope_base)
        self.checkpoint_activations = False
        self.compiled = False
        self._initialize()
        if config.adapter_rank:
            add_adapters(self, config.adapter_rank)

    def _initialize(self) -> None:
        """Output projections begin at zero, so that every block begins as the identity."""
        nn.init.normal_(self.embedding.weight, std=0.02)
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear):
                if name.endswith((".output", ".down")):
                    nn.init.zeros_(module.weight)
                else:
                    nn.init.normal_(module.weight, std=self.config.width**-0.5)

    def compile_blocks(self) -> None:
        """Compile the blocks, which are all alike, once; the first steps then take a minute or so longer."""
        self.compiled = True
        for block in self.blocks:
            block.compile()

    def hidden(self, ids_BT: Tensor) -> Tensor:
        """Final hidden states ``(B, T, W)`` of whole sequences of at most ``context_length`` ids."""
        rows, length = ids_BT.shape
        if self._takes_packed():
            return self._run_packed(ids_BT.flatten(), [length] * rows).view(rows, length, -1)
        positions = torch.arange(length, device=ids_BT.device)
        return self._run(ids_BT, positions)

    def hidden_of(self, ids_BT: Tensor, lengths_B: Tensor) -> Tensor:
        """Final hidden states ``(N, W)`` of documents, end to end without their padding.

        Args:
            ids_BT: Documents, padded at the end.
            lengths_B: int64, ids of each; they add up to N.
        """
        kept_BT = torch.arange(ids_BT.shape[1], device=ids_BT.device) < lengths_B[:, None]
        if self._takes_packed():
            return self._run_packed(ids_BT[kept_BT], [length for length in lengths_B.tolist() if length])
        return self.hidden(ids_BT)[kept_BT]

    @property
    def table(self) -> Tensor:
        """A row for every id, ``(V, W)``, by which it is read and predicted."""
        return adapted_weight(self.embedding)

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of every id, ``(..., V)``, from hidden states ``(..., W)``."""
        return F.linear(hidden, self.table)

    def forward(self, ids_BT: Tensor) -> Tensor:
        """Logits ``(B, T, V)`` of the id after each position."""
        return self.logits(self.hidden(ids_BT))

    def step(self, ids_BT: Tensor, positions_BT: Tensor, mask_B1TS: Tensor, cache: Cache) -> Tensor:
        """Logits ``(B, V)`` after the last of some further ids.

        Args:
            ids_BT: The next ids of each row.
            positions_BT: Their positions, for the rotary embedding.
            mask_B1TS: Boolean: which of the cached and the new positions each new one attends to.
            cache: Extended in place.
        """
        x_BTW = self._run(ids_BT, positions_BT, cache, mask_B1TS)
        cache.length += ids_BT.shape[1]
        return self.logits(x_BTW[:, -1])

    def _takes_packed(self) -> bool:
        return not self.compiled and kernels.apply_to(self.embedding.weight)

    def _run_packed(self, ids_N: Tensor, lengths: Sequence[int]) -> Tensor:
        positions = torch.cat([torch.arange(length) for length in lengths])
        return self._run(ids_N, positions, lengths=lengths)

    def _run(
        self,
        ids: Tensor,
        positions: Tensor,
        cache: Cache | None = None,
        mask: Tensor | None = None,
        lengths: Sequence[int] | None = None,
    ) -> Tensor:
        x = self.dropout(self.embedding(ids))
        turns = self.rotary.at(positions, x.dtype)
        again = self.checkpoint_activations and self.training and torch.is_grad_enabled()
        for block in self.blocks:
            if again:
                x = checkpoint(block, x, turns, cache, mask, lengths, use_reentrant=False)
            else:
                x = block(x, turns, cache, mask, lengths)
        out: Tensor = self.norm(x)
        return out


def parameter_count(model: nn.Module) -> int:
    """Learned numbers, tied ones once."""
    return sum(parameter.numel() for parameter in model.parameters())


def qwen3_state(model: Transformer) -> dict[str, Tensor]:
    """The weights under the names and shapes of ``transformers``' Qwen3."""
    state = {"model.embed_tokens.weight": model.embedding.weight, "model.norm.weight": model.norm.weight}
    for index, block in enumerate(model.blocks):
        assert isinstance(block, Block)
        attention, feed_forward, prefix = block.attention, block.feed_forward, f"model.layers.{index}."
        query, key, value = torch.split(attention.qkv.weight, attention.qkv.row_splits)
        gate, up = torch.split(feed_forward.gate_up.weight, feed_forward.gate_up.row_splits)
        parts = {
            "self_attn.q_proj": query,
            "self_attn.k_proj": key,
            "self_attn.v_proj": value,
            "self_attn.o_proj": attention.output.weight,
            "self_attn.q_norm": attention.query_norm.weight,
            "self_attn.k_norm": attention.key_norm.weight,
            "mlp.gate_proj": gate,
            "mlp.up_proj": up,
            "mlp.down_proj": feed_forward.down.weight,
            "input_layernorm": block.attention_norm.weight,
            "post_attention_layernorm": block.feed_forward_norm.weight,
        }
        state |= {f"{prefix}{name}.weight": tensor for name, tensor in parts.items()}
    return {name: tensor.detach() for name, tensor in state.items()}
