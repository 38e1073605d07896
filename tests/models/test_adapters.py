"""Adapters: nothing at first, learned alone, and the same model once they are folded in."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from weft.errors import FolderError
from weft.models.adapters import add_adapters, fold_adapters, is_adapter
from weft.models.config import ModelConfig
from weft.models.transformer import Transformer, parameter_count

PLAIN = ModelConfig(vocab_size=97, context_length=32, layers=3, width=48, heads=4, kv_heads=2, head_size=16, hidden=96)
IDS = torch.randint(97, (3, 20), generator=torch.Generator().manual_seed(0))


def randomized(model: nn.Module, spread: float = 0.15) -> nn.Module:
    """No weight is zero, so that no part can be missing unnoticed."""
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * spread + (1.0 if parameter.ndim == 1 else 0.0))
    return model.eval()


def with_adapters(rank: int = 4) -> Transformer:
    return Transformer(replace(PLAIN, adapter_rank=rank))


def names(model: nn.Module) -> set[str]:
    return {name for name, _ in model.named_parameters()}


@torch.no_grad()
def logits(model: nn.Module) -> Tensor:
    out: Tensor = model(IDS)
    return out


def test_the_weights_keep_their_names() -> None:
    added = names(with_adapters()) - names(Transformer(PLAIN))
    assert names(Transformer(PLAIN)) < names(with_adapters())
    assert all(is_adapter(name) for name in added)
    assert not any(is_adapter(name) for name in names(Transformer(PLAIN)))
    assert len(added) == (3 * 4 + 1) * 2  # three blocks of four matrices and the table, two factors each


def test_fresh_adapters_change_nothing() -> None:
    plain, adapted = randomized(Transformer(PLAIN)), with_adapters().eval()
    adapted.load_state_dict(plain.state_dict(), strict=False)
    assert torch.equal(logits(adapted), logits(plain))


def test_every_adapter_learns_and_nothing_else_does() -> None:
    model = with_adapters().train()
    randomized(model)
    F.cross_entropy(model(IDS).flatten(0, 1), IDS.flatten()).backward()  # type: ignore[no-untyped-call]
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == is_adapter(name)
        if is_adapter(name):
            assert parameter.grad is not None
            assert parameter.grad.abs().min() > 0, name
        else:
            assert parameter.grad is None


@given(rank=st.integers(1, 48), spread=st.floats(0.01, 0.2))
@settings(max_examples=15, deadline=None)
def test_folded_in_they_give_the_same_logits(rank: int, spread: float) -> None:
    adapted = randomized(with_adapters(rank), spread).double()
    folded = Transformer(PLAIN).double().eval()
    folded.load_state_dict(fold_adapters(adapted.state_dict()))
    torch.testing.assert_close(logits(folded), logits(adapted), rtol=1e-9, atol=1e-9)


def test_the_table_is_read_and_predicted_by_with_one_adapter() -> None:
    model = randomized(with_adapters())
    folded = fold_adapters(model.state_dict())["embedding.weight"]
    assert isinstance(model, Transformer)
    torch.testing.assert_close(model.table, folded)
    torch.testing.assert_close(model.embedding(IDS), folded[IDS])
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(model.table, folded)
    plain = Transformer(PLAIN)
    assert plain.table is plain.embedding.weight


def test_folding_leaves_the_given_weights_and_the_type_as_they_are() -> None:
    state = randomized(with_adapters()).state_dict()
    before = {name: tensor.clone() for name, tensor in state.items()}
    folded = fold_adapters(state)
    assert all(torch.equal(state[name], before[name]) for name in before)
    assert {tensor.dtype for tensor in folded.values()} == {torch.float32}
    changed = {name for name, tensor in folded.items() if not torch.equal(tensor, before[name])}
    assert len(changed) == 3 * 4 + 1


def test_weights_without_adapters_are_folded_into_themselves() -> None:
    state = Transformer(PLAIN).state_dict()
    assert fold_adapters(state) == dict(state)


def test_the_rank_does_not_change_how_far_a_step_moves() -> None:
    """Of one update in which every entry of ``up`` moves equally, whatever the rank."""
    norms = []
    for rank in (1, 4, 16):
        torch.manual_seed(0)
        layer = nn.Sequential(nn.Linear(4096, 8, bias=False))
        add_adapters(layer, rank)
        with torch.no_grad():
            adapter = layer[0].get_submodule("adapter")
            adapter.down.copy_(adapter.down[:1].expand(rank, -1))  # type: ignore[union-attr, operator, index]
            adapter.up.fill_(0.01)  # type: ignore[union-attr, operator]
        change = fold_adapters(layer.state_dict())["0.weight"] - layer[0].weight
        norms.append(float(change.norm()))
    assert norms == pytest.approx([norms[0]] * 3, rel=0.1)


def test_few_numbers_are_learned() -> None:
    model = Transformer(replace(PLAIN, adapter_rank=1))
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    assert trained < 0.05 * parameter_count(model)


def test_older_configurations_have_no_adapters() -> None:
    values = PLAIN.to_json()
    del values["adapter_rank"]
    assert ModelConfig.from_json(values) == PLAIN
    with pytest.raises(FolderError, match="adapter_rank is -1"):
        ModelConfig.from_json({**values, "adapter_rank": -1})
