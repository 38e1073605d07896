"""Parts of a block with their gradients written out, for the CPU in full precision.

There a step is bound by memory traffic and by the number of operations as soon as matrix products are out of the way:
automatic differentiation keeps and passes over several times what one function needs once. Elsewhere a compiler or a
vendor's kernel does better, see :func:`apply_to`. None of these can be differentiated twice.

Shapes are told by suffix letters: N tokens of all documents end to end, W width, H query heads, K key/value heads,
D head size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

BLOCK = 128
"""Queries that attention looks at together: keys beyond the last of them are left out."""
LONGEST_KEPT = 512
"""Attention weights of documents up to this length are kept for the gradient; of longer ones they are made again."""


def apply_to(x: Tensor) -> bool:
    """Whether these functions are the ones to use on ``x``."""
    on_cpu = x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)
    return on_cpu and not torch.is_autocast_enabled("cpu") and not torch.compiler.is_compiling()


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """``x @ weight.T`` of ``(N, W)``, through oneDNN where torch has it: on processors that are not Intel's its
    products are faster than those of MKL, which torch takes otherwise."""
    if not _has_onednn(x.dtype):
        return torch.nn.functional.linear(x, weight)
    out: Tensor = _Linear.apply(x, weight)  # type: ignore[no-untyped-call]
    return out


def product(x: Tensor, weight: Tensor) -> Tensor:
    """What :func:`linear` gives, for a caller that knows the gradient."""
    if x.device.type != "cpu" or not _has_onednn(x.dtype):
        return x @ weight.T
    out: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")
    return out


def rms_norm(x: Tensor, gain: Tensor, epsilon: float) -> Tensor:
    """Each row of the last dimension divided by its root mean square, times the gain (arXiv:1910.07467)."""
    out: Tensor = _RMSNorm.apply(x, gain, epsilon)  # type: ignore[no-untyped-call]
    return out


def swiglu(gate_up: Tensor) -> Tensor:
    """``silu(gate) * up`` of the two halves of the last dimension (arXiv:2002.05202)."""
    out: Tensor = _SwiGLU.apply(gate_up)  # type: ignore[no-untyped-call]
    return out


def gated_linear(gate_up: Tensor, weight: Tensor) -> Tensor:
    """``swiglu(gate_up) @ weight.T``; what is between is not kept, but made again for the gradient."""
    out: Tensor = _GatedLinear.apply(gate_up, weight)  # type: ignore[no-untyped-call]
    return out


def attention(
    qkv: Tensor,
    query_gain: Tensor,
    key_gain: Tensor,
    turns: tuple[Tensor, Tensor],
    lengths: Sequence[int],
    kv_heads: int,
    epsilon: float,
) -> Tensor:
    """Causal attention within each document, with normalized and turned queries and keys.

    Args:
        qkv: Queries, keys and values, ``(N, (H + 2 K) D)``.
        query_gain: Of the RMSNorm of queries, ``(D,)``.
        key_gain: Of keys.
        turns: Cosines and sines of each token's position, ``(N, 1, D)``.
        lengths: Of the documents; they add up to N.
        kv_heads: K, a divisor of H.
        epsilon: Of the RMSNorms.

    Returns:
        ``(N, H D)``.
    """
    gains = query_gain, key_gain
    out: Tensor = _Attention.apply(qkv, *gains, *turns, lengths, kv_heads, epsilon)  # type: ignore[no-untyped-call]
    return out


def compiler_attends(x: Tensor, mask: Tensor | None, context_length: int) -> bool:
    """Whether :func:`attention_to_compile` is the one to use on rows ``(B, H, T, D)``.

    That is where they are compiled for the CPU in full precision, causal, and short enough to keep attention weights.
    Rows that do not fill the context are left out, since every number of blocks would have to be compiled by itself.
    """
    full = x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    whole = x.shape[2] == context_length <= LONGEST_KEPT
    return torch.compiler.is_compiling() and full and whole and mask is None


def attention_to_compile(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Causal attention in products and a softmax, which a compiler makes faster than torch's kernel for CPUs.

    Args:
        query: ``(B, H, T, D)``.
        key: ``(B, K, T, D)``, K a divisor of H.
        value: As the keys.

    Returns:
        ``(B, H, T, D)``.
    """
    length, groups = query.shape[2], query.shape[1] // key.shape[1]
    query = query * query.shape[-1] ** -0.5
    key, value = (x.repeat_interleave(groups, 1) if groups > 1 else x for x in (key, value))
    mixed = []
    for start in range(0, length, BLOCK):
        end = min(start + BLOCK, length)
        scores = query[:, :, start:end] @ key[:, :, :end].mT
        places = torch.arange(end, device=query.device)
        scores = scores.masked_fill(places[start:, None] < places, -torch.inf)
        mixed.append(scores.softmax(-1) @ value[:, :, :end])
    return torch.cat(mixed, 2)


def _has_onednn(kind: torch.dtype) -> bool:
    return kind == torch.float32 and torch._C._has_mkldnn and hasattr(torch.ops.mkldnn, "_linear_pointwise")


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return product(x, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        wanted_x, wanted_weight = ctx.needs_input_grad
        # With respect to the weight MKL is the faster one.
        return product(grad, weight.T) if wanted_x else None, grad.T @ x if wanted_weight else None


def _inverse_rms(x: Tensor, epsilon: float) -> Tensor:
    """Of the last dimension, which stays as one of size 1."""
    norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    inverse: Tensor = norm.square_().mul_(1 / x.shape[-1]).add_(epsilon).rsqrt_()
    return inverse


def _norm_backward(grad: Tensor, x: Tensor, inverse: Tensor, gain: Tensor, out: Tensor) -> Tensor:
    """Writes the gradient of the input of an RMSNorm to ``out``, and returns that of the gain."""
    direction = x * inverse
    share = grad * direction
    mean = (share @ gain).unsqueeze(-1).mul_(1 / x.shape[-1])
    torch.mul(grad, gain, out=out)
    out.addcmul_(direction, mean, value=-1).mul_(inverse)
    return share.flatten(0, -2).sum(0)


class _RMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor, epsilon: float) -> Tensor:
        inverse = _inverse_rms(x, epsilon)
        ctx.save_for_backward(x, inverse, gain)
        return (x * inverse).mul_(gain)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        x, inverse, gain = ctx.saved_tensors
        out = torch.empty_like(x)
        return out, _norm_backward(grad, x, inverse, gain, out), None


def _gated(gate_up: Tensor) -> Tensor:
    gate, up = gate_up.chunk(2, dim=-1)
    return torch.nn.functional.silu(gate).mul_(up)


def _gated_backward(grad: Tensor, gate_up: Tensor, opened: Tensor) -> Tensor:
    """The gradient of what is gated, from that of the product and ``silu(gate)``."""
    gate, up = gate_up.chunk(2, dim=-1)
    out = torch.empty_like(gate_up)
    grad_gate, grad_up = out.chunk(2, dim=-1)
    torch.mul(grad, opened, out=grad_up)
    torch.ops.aten.silu_backward.grad_input(grad * up, gate, grad_input=grad_gate)
    return out


class _SwiGLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate_up: Tensor) -> Tensor:
        ctx.save_for_backward(gate_up)
        return _gated(gate_up)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (gate_up,) = ctx.saved_tensors
        return _gated_backward(grad, gate_up, torch.nn.functional.silu(gate_up.chunk(2, dim=-1)[0]))


class _GatedLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate_up: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(gate_up, weight)
        return product(_gated(gate_up), weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        gate_up, weight = ctx.saved_tensors
        gate, up = gate_up.chunk(2, dim=-1)
        opened = torch.nn.functional.silu(gate)
        grad_weight = grad.T @ (opened * up)
        return _gated_backward(product(grad, weight.T), gate_up, opened), grad_weight


def _turn(x: Tensor, inverse: Tensor, gain: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Normalized ``x`` (``(N, H, D)``), its halves rotated against each other, as ``(H, N, D)``."""
    half = x.shape[-1] // 2
    turned = x.new_empty(x.shape[1], x.shape[0], x.shape[2])
    out = turned.transpose(0, 1)
    by_sin = sin[..., :half]
    torch.mul(x, cos * gain, out=out)
    out[..., :half].addcmul_(x[..., half:], by_sin * gain[half:], value=-1)
    out[..., half:].addcmul_(x[..., :half], by_sin * gain[:half])
    out.mul_(inverse)
    return turned


def _turn_back(grad: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """The gradient before the rotation, ``(N, H, D)``, from that after it, ``(H, N, D)``."""
    half = grad.shape[-1] // 2
    by_sin = sin[..., :half]
    grad = grad.transpose(0, 1)
    back = torch.mul(grad, cos, out=grad.new_empty(grad.shape))
    back[..., :half].addcmul_(grad[..., half:], by_sin)
    back[..., half:].addcmul_(grad[..., :half], by_sin, value=-1)
    return back


def _blocks(lengths: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """``(first token of the document, first query, end of the queries)`` of every block of queries."""
    first = 0
    for length in lengths:
        for start in range(first, first + length, BLOCK):
            yield first, start, min(start + BLOCK, first + length)
        first += length


def _by_head(x: Tensor, heads: int, lengths: Sequence[int]) -> Tensor:
    """``(N, K, D)`` with each head as often as it is used, ``(H, N, D)``; of documents that are all as long as the one
    length that is given ``(H B, T, D)``."""
    return _by_document(x.transpose(0, 1), heads, lengths)


def _by_document(x: Tensor, heads: int, lengths: Sequence[int]) -> Tensor:
    if len(x) != heads:
        x = x.repeat_interleave(heads // len(x), 0)
    return x.reshape(-1, lengths[0], x.shape[2]) if len(lengths) == 1 else x


def _queries_and_keys(
    parts: Tensor,
    inverse: Tensor,
    query_gain: Tensor,
    key_gain: Tensor,
    cos: Tensor,
    sin: Tensor,
    lengths: Sequence[int],
) -> list[Tensor]:
    """Both as :func:`_by_head` gives them; what divides the scores is a part of the queries."""
    kv_heads = parts.shape[1] - inverse.shape[1]
    heads = inverse.shape[1] - kv_heads
    queries = _turn(parts[:, :heads], inverse[:, :heads], query_gain * len(query_gain) ** -0.5, cos, sin)
    keys = _turn(parts[:, heads:-kv_heads], inverse[:, heads:], key_gain, cos, sin)
    return [_by_document(x, heads, lengths) for x in (queries, keys)]


def _attend(queries: Tensor, keys: Tensor, future: Tensor) -> Tensor:
    """Attention weights ``(H, T, S)`` of the last T of S positions."""
    scores = torch.bmm(queries, keys.mT)
    length = queries.shape[1]
    scores[..., -length:].add_(future[:length, :length])
    torch.softmax(scores, -1, out=scores)
    return scores


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        qkv: Tensor,
        query_gain: Tensor,
        key_gain: Tensor,
        cos: Tensor,
        sin: Tensor,
        lengths: Sequence[int],
        kv_heads: int,
        epsilon: float,
    ) -> Tensor:
        size = len(query_gain)
        heads = qkv.shape[1] // size - 2 * kv_heads
        parts = qkv.view(len(qkv), -1, size)
        inverse = _inverse_rms(parts[:, : heads + kv_heads], epsilon)
        if min(lengths) == max(lengths):
            lengths = lengths[:1]
        queries, keys = _queries_and_keys(parts, inverse, query_gain, key_gain, cos, sin, lengths)
        values = _by_head(parts[:, -kv_heads:], heads, lengths)
        future = torch.full((BLOCK, BLOCK), -torch.inf, dtype=qkv.dtype).triu_(1)
        mixed = torch.empty_like(queries)
        kept = [queries, keys]
        keep = max(lengths) <= LONGEST_KEPT and any(ctx.needs_input_grad)
        for first, start, end in _blocks(lengths):
            weights = _attend(queries[:, start:end], keys[:, first:end], future)
            mixed[:, start:end] = torch.bmm(weights, values[:, first:end])
            if keep:
                kept.append(weights)
        ctx.save_for_backward(qkv, inverse, query_gain, key_gain, cos, sin, future, *(kept if keep else ()))
        ctx.lengths, ctx.kv_heads = lengths, kv_heads
        return mixed.view(heads, len(qkv), size).transpose(0, 1).reshape(len(qkv), -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        qkv, inverse, query_gain, key_gain, cos, sin, future, *kept = ctx.saved_tensors
        kv_heads, lengths, size = ctx.kv_heads, ctx.lengths, len(query_gain)
        parts = qkv.view(len(qkv), -1, size)
        heads = parts.shape[1] - 2 * kv_heads
        queries, keys, *weights_of = kept or _queries_and_keys(parts, inverse, query_gain, key_gain, cos, sin, lengths)
        values = _by_head(parts[:, -kv_heads:], heads, lengths)
        grad = _by_head(grad.reshape(len(qkv), heads, size), heads, lengths)
        grad_queries, grad_keys, grad_values = torch.empty_like(queries), torch.zeros_like(keys), torch.zeros_like(keys)
        for index, (first, start, end) in enumerate(_blocks(lengths)):
            mine, theirs, incoming = queries[:, start:end], keys[:, first:end], grad[:, start:end]
            weights = weights_of[index] if kept else _attend(mine, theirs, future)
            scores = torch.bmm(incoming, values[:, first:end].mT)
            scores = torch._softmax_backward_data(scores, weights, -1, weights.dtype)
            grad_values[:, first:end] += torch.bmm(weights.mT, incoming)
            grad_keys[:, first:end] += torch.bmm(scores.mT, mine)
            grad_queries[:, start:end] = torch.bmm(scores, theirs)
        grad_queries, grad_keys, grad_values = (
            x.view(heads, len(qkv), size) for x in (grad_queries, grad_keys, grad_values)
        )
        if kv_heads != heads:
            shape = (kv_heads, -1, len(qkv), size)
            grad_keys, grad_values = (x.view(shape).sum(1) for x in (grad_keys, grad_values))
        out = torch.empty_like(parts)
        out[:, -kv_heads:] = grad_values.transpose(0, 1)
        before = _turn_back(grad_queries.mul_(size**-0.5), cos, sin)
        query_grad = _norm_backward(before, parts[:, :heads], inverse[:, :heads], query_gain, out[:, :heads])
        before = _turn_back(grad_keys, cos, sin)
        rest = slice(heads, heads + kv_heads)
        key_grad = _norm_backward(before, parts[:, rest], inverse[:, heads:], key_gain, out[:, rest])
        return out.view_as(qkv), query_grad, key_grad, None, None, None, None, None
