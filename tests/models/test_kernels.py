"""Operations with gradients of their own: against finite differences, and against torch's own operations."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from weft.models import kernels
from weft.models.config import ModelConfig
from weft.models.transformer import Rotary, Transformer, rotate

SIZE = 4


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype).requires_grad_()


def turns(lengths: list[int]) -> tuple[Tensor, Tensor]:
    positions = torch.cat([torch.arange(length) for length in lengths])
    return Rotary(SIZE, 64, 100.0).at(positions, torch.float64)


def plain_attention(
    qkv: Tensor, query_gain: Tensor, key_gain: Tensor, lengths: list[int], heads: int, kv_heads: int
) -> Tensor:
    """Each document alone, by torch's own operations."""
    outs = []
    cos, sin = turns(lengths)
    for document, turn in zip(
        qkv.split(lengths), zip(cos.split(lengths), sin.split(lengths), strict=True), strict=True
    ):
        parts = document.unflatten(1, (-1, SIZE)).split([heads, kv_heads, kv_heads], 1)
        query = rotate(F.rms_norm(parts[0], (SIZE,), query_gain, 1e-6), *turn).transpose(0, 1)
        key = rotate(F.rms_norm(parts[1], (SIZE,), key_gain, 1e-6), *turn).transpose(0, 1)
        value = parts[2].transpose(0, 1)
        mixed = F.scaled_dot_product_attention(query[None], key[None], value[None], is_causal=True, enable_gqa=True)
        outs.append(mixed[0].transpose(0, 1).flatten(1))
    return torch.cat(outs)


def agree(ours: Callable[..., Tensor], theirs: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> None:
    """Equal values, and equal gradients for the same incoming one."""
    found, expected = ours(*inputs), theirs(*inputs)
    torch.testing.assert_close(found, expected)
    incoming = random(*expected.shape, seed=9, dtype=expected.dtype).detach()
    for one, two in zip(
        torch.autograd.grad(found, inputs, incoming), torch.autograd.grad(expected, inputs, incoming), strict=True
    ):
        torch.testing.assert_close(one, two)


@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    kv_heads=st.integers(1, 2),
    groups=st.integers(1, 2),
    block=st.integers(1, 10),
    kept=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_attention_is_that_of_each_document_alone(
    lengths: list[int], kv_heads: int, groups: int, block: int, kept: bool
) -> None:
    heads = kv_heads * groups
    inputs = random(sum(lengths), (heads + 2 * kv_heads) * SIZE), random(SIZE, seed=1), random(SIZE, seed=2)

    def ours(qkv: Tensor, query_gain: Tensor, key_gain: Tensor) -> Tensor:
        return kernels.attention(qkv, query_gain, key_gain, turns(lengths), lengths, kv_heads, 1e-6)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "BLOCK", block)
        patch.setattr(kernels, "LONGEST_KEPT", 64 if kept else 0)
        agree(ours, lambda *given: plain_attention(*given, lengths, heads, kv_heads), inputs)


@pytest.mark.parametrize("lengths", [[5, 4], [4, 4]])
@pytest.mark.parametrize("kept", [0, 64])
def test_gradients_of_attention(monkeypatch: pytest.MonkeyPatch, lengths: list[int], kept: int) -> None:
    monkeypatch.setattr(kernels, "BLOCK", 12)
    monkeypatch.setattr(kernels, "LONGEST_KEPT", kept)

    def attend(qkv: Tensor, query_gain: Tensor, key_gain: Tensor) -> Tensor:
        return kernels.attention(qkv, query_gain, key_gain, turns(lengths), lengths, 1, 1e-6)

    inputs = random(sum(lengths), 4 * SIZE), random(SIZE, seed=1), random(SIZE, seed=2)
    assert torch.autograd.gradcheck(attend, inputs, fast_mode=True)


def test_norm_and_swiglu() -> None:
    norm = random(3, 5, 6), random(6, seed=1)
    assert torch.autograd.gradcheck(lambda x, gain: kernels.rms_norm(x, gain, 1e-6), norm)
    agree(lambda x, gain: kernels.rms_norm(x, gain, 1e-6), lambda x, gain: F.rms_norm(x, (6,), gain, 1e-6), norm)
    assert torch.autograd.gradcheck(kernels.swiglu, (random(4, 6),))
    agree(kernels.swiglu, lambda x: F.silu(x[:, :3]) * x[:, 3:], (random(4, 6),))


def test_swiglu_and_the_projection_after_it() -> None:
    given_ = random(4, 6), random(5, 3, seed=1)
    assert torch.autograd.gradcheck(kernels.gated_linear, given_)
    agree(kernels.gated_linear, lambda x, weight: F.linear(F.silu(x[:, :3]) * x[:, 3:], weight), given_)


@pytest.mark.parametrize("shape", [(1, 8, 3), (64, 32, 16), (7, 5, 130)])
def test_linear(shape: tuple[int, int, int]) -> None:
    tokens, inputs, outputs = shape
    given_ = random(tokens, inputs, dtype=torch.float32), random(outputs, inputs, seed=1, dtype=torch.float32)
    agree(kernels.linear, F.linear, given_)
    frozen = given_[1].detach()
    (grad,) = torch.autograd.grad(kernels.linear(given_[0], frozen).sum(), given_[0])
    torch.testing.assert_close(grad, frozen.sum(0).expand(tokens, -1))


def model_of(**changes: Any) -> Transformer:
    torch.manual_seed(5)
    values = {"layers": 2, "width": 24, "heads": 4, "kv_heads": 2, "head_size": 6, "hidden": 40} | changes
    model = Transformer(ModelConfig(vocab_size=31, context_length=32, **values)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.2 + (1.0 if parameter.ndim == 1 else 0.0))
    return model


IDS = torch.randint(31, (3, 12), generator=torch.Generator().manual_seed(0))
LENGTHS = torch.tensor([12, 1, 7])


def gradients(model: nn.Module, out: Tensor) -> dict[str, Tensor]:
    weight = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)
    names, parameters = zip(*model.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad((out * weight).sum(), parameters), strict=True))


@pytest.mark.parametrize("elsewhere", ["padded", "checkpointed"])
def test_packed_documents_are_computed_as_padded_rows_are(monkeypatch: pytest.MonkeyPatch, elsewhere: str) -> None:
    model = model_of().train()
    packed = model.hidden_of(IDS, LENGTHS)
    found = gradients(model, packed)
    if elsewhere == "padded":
        monkeypatch.setattr(kernels, "apply_to", lambda x: False)
    model.checkpoint_activations = elsewhere == "checkpointed"
    other = model.hidden_of(IDS, LENGTHS)
    torch.testing.assert_close(packed, other)
    torch.testing.assert_close(found, gradients(model, other))


def test_a_document_does_not_see_its_neighbors() -> None:
    model = model_of()
    changed = IDS.clone()
    changed[0] = (changed[0] + 1) % 31
    with torch.no_grad():
        one, two = model.hidden_of(IDS, LENGTHS), model.hidden_of(changed, LENGTHS)
        alone = model.hidden(IDS[2:, :7])[0]
    assert torch.equal(one[12:], two[12:])
    assert not torch.allclose(one[:12], two[:12])
    torch.testing.assert_close(one[13:], alone)


def test_mixed_precision_is_left_to_torch() -> None:
    x = torch.ones(2, 2)
    assert kernels.apply_to(x)
    assert not kernels.apply_to(x.bfloat16())
    with torch.autocast("cpu", torch.bfloat16):
        assert not kernels.apply_to(x)
        hidden = model_of().float().hidden(IDS)
    assert hidden.isfinite().all()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling for the CPU takes a compiler")
def test_compiled_blocks_compute_the_same_under_the_same_names() -> None:
    model = model_of(layers=1).float()
    names = list(model.state_dict())
    plain = model.hidden_of(IDS, LENGTHS)
    expected = gradients(model, plain)
    model.compile_blocks()
    compiled = model.hidden_of(IDS, LENGTHS)
    assert list(model.state_dict()) == names
    torch.testing.assert_close(compiled, plain, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(gradients(model, compiled), expected, atol=1e-3, rtol=1e-3)


@given(blocks=st.integers(1, 3), rest=st.integers(0, 2), kv_heads=st.integers(1, 2), groups=st.integers(1, 2))
@settings(max_examples=20, deadline=None)
def test_attention_that_is_compiled_is_that_of_torch(blocks: int, rest: int, kv_heads: int, groups: int) -> None:
    length = blocks * 3 - rest
    shapes = [(2, heads, length, SIZE) for heads in (kv_heads * groups, kv_heads, kv_heads)]
    inputs = tuple(random(*shape, seed=seed) for seed, shape in enumerate(shapes))

    def plain(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "BLOCK", 3)
        agree(kernels.attention_to_compile, plain, inputs)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling for the CPU takes a compiler")
def test_which_compiled_rows_attend_in_products(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = torch.zeros(2, 3, 16, 4)
    assert not kernels.compiler_attends(rows, None, 16)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert kernels.compiler_attends(rows, None, 16)
    assert not kernels.compiler_attends(rows, None, 32)
    assert not kernels.compiler_attends(rows, torch.ones(16, 16, dtype=torch.bool), 16)
    assert not kernels.compiler_attends(rows.double(), None, 16)
    assert not kernels.compiler_attends(torch.zeros(1, 1, 1024, 4), None, 1024)
    with torch.autocast("cpu", torch.bfloat16):
        assert not kernels.compiler_attends(rows, None, 16)


def test_compiled_rows_that_fill_the_context_attend_in_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "BLOCK", 12)
    model = model_of(layers=1).float()
    length = model.config.context_length
    ids = torch.arange(2 * length).view(2, length) % model.config.vocab_size
    plain = model.hidden(ids)
    expected = gradients(model, plain)
    model.compile_blocks()
    compiled = model.hidden(ids)
    torch.testing.assert_close(compiled, plain, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(gradients(model, compiled), expected, atol=1e-3, rtol=1e-3)
