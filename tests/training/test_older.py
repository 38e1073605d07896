"""Runs whose checkpoints name the optimizer's state by number, or know no adapter of the table, go on nevertheless."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from weft.models.config import ModelConfig
from weft.models.transformer import Transformer
from weft.storage.checkpoints import TrainingState
from weft.training.older import named_by_parameter, with_table_adapters
from weft.training.optimizers import build_optimizers

ADAPTER = "embedding.adapter."


@pytest.fixture
def model() -> Transformer:
    torch.manual_seed(0)
    return Transformer(ModelConfig(20, 8, layers=2, width=16, heads=2, kv_heads=1, head_size=8, hidden=32))


def trained(model: Transformer) -> TrainingState:
    """As the first format had it: by the numbers that the optimizers' own ``state_dict`` gives."""
    optimizers = build_optimizers(model, 0.02, 0.05)
    for _ in range(2):
        model(torch.randint(20, (3, 8))).square().mean().backward()
        for optimizer in optimizers:
            optimizer.step()
    numbered = {
        f"{number}.{index}.{key}": tensor
        for number, optimizer in enumerate(optimizers)
        for index, state in optimizer.state_dict()["state"].items()
        for key, tensor in state.items()
    }
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    named = {
        f"{names[id(parameter)]}/{key}": tensor
        for optimizer in optimizers
        for parameter, state in optimizer.state.items()
        for key, tensor in state.items()
    }
    return TrainingState(2, {}, numbered, {"expected": named})


def test_each_tensor_finds_its_parameter(model: Transformer) -> None:
    state = trained(model)
    found, expected = named_by_parameter(state, model).optimizer, state.notes["expected"]
    assert found.keys() == expected.keys()
    assert len(found) > 20
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_the_present_format_is_left_alone(model: Transformer) -> None:
    state = TrainingState(2, {}, {"norm.weight/exp_avg": torch.zeros(1)})
    assert named_by_parameter(state, model) is state


def test_a_parameter_that_is_not_there(model: Transformer) -> None:
    state = trained(model)
    with pytest.raises(KeyError, match="parameter 99 of optimizer 0"):
        named_by_parameter(replace(state, optimizer={"0.99.momentum": torch.zeros(1)}), model)


class TestTableAdapters:
    @pytest.fixture
    def adapted(self) -> Transformer:
        torch.manual_seed(0)
        shape = ModelConfig(20, 8, layers=2, width=16, heads=2, kv_heads=1, head_size=8, hidden=32, adapter_rank=2)
        return Transformer(shape)

    @pytest.fixture
    def before(self, adapted: Transformer) -> TrainingState:
        """As it was when the table had none, and every other adapter had learned something."""
        learned = {name: tensor + 1 for name, tensor in adapted.state_dict().items() if ADAPTER not in name}
        return TrainingState(2, learned, {"norm.weight/exp_avg": torch.zeros(1)}, {}, dict(learned))

    def test_new_ones_change_nothing(self, adapted: Transformer, before: TrainingState) -> None:
        state = with_table_adapters(before, adapted)
        ids = torch.randint(20, (3, 8))
        for tensors in (state.model, state.average):
            assert tensors.keys() == adapted.state_dict().keys()
            assert all(torch.equal(tensors[name], before.model[name]) for name in before.model)
            adapted.load_state_dict(dict(tensors))
            found = adapted(ids)
            with torch.no_grad():
                adapted.get_parameter(f"{ADAPTER}down").zero_()
            assert torch.equal(adapted(ids), found)
        assert state.optimizer is before.optimizer

    def test_without_averages_none_are_made_up(self, adapted: Transformer, before: TrainingState) -> None:
        assert with_table_adapters(replace(before, average={}), adapted).average == {}

    def test_all_others_are_left_alone(self, adapted: Transformer, before: TrainingState, model: Transformer) -> None:
        complete = replace(before, model=adapted.state_dict())
        half = replace(before, model={**before.model, f"{ADAPTER}up": torch.zeros(20, 2)})
        for state, of in ((complete, adapted), (half, adapted), (before, model)):
            assert with_table_adapters(state, of) is state
