"""The one loop, under a third objective written only here: the loop is general, or these tests fail."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import weft
from weft.storage.checkpoints import CheckpointStore
from weft.training.loop import Loop, LoopSettings
from weft.training.muon import orthogonalize
from weft.training.optimizers import split_parameters
from weft.training.order import SampleOrder
from weft.training.schedule import share_of_peak


class Ragged(weft.Dataset[Tensor]):
    """Examples of unequal length, so that a mean of means is not the mean."""

    def __init__(self, count: int = 23, bad: int | None = None) -> None:
        self._rows = [torch.randn(1 + i % 5, 4, generator=torch.Generator().manual_seed(i)) for i in range(count)]
        if bad is not None:
            self._rows[bad] = torch.full((1, 4), torch.nan)

    def __len__(self) -> int:
        return len(self._rows)

    def draw(self, index: int, epoch: int) -> Tensor:
        return self._rows[index]


class Regression(weft.Trainer[Tensor]):
    """Learn to predict the sum of each vector."""

    def __init__(self, dropout: float = 0.0, dtype: torch.dtype = torch.float32) -> None:
        self._dropout = dropout
        self._dtype = dtype

    def build_model(self) -> nn.Module:
        layers = [nn.Linear(4, 8), nn.Tanh(), nn.Dropout(self._dropout), nn.Linear(8, 1)]
        return nn.Sequential(*layers).to(self._dtype)

    def collate(self, items: Sequence[Tensor]) -> weft.Batch:
        return {"x": torch.cat(list(items)).to(self._dtype)}

    def loss(self, model: nn.Module, batch: weft.Batch) -> weft.LossSum:
        x = batch["x"]
        return weft.LossSum((model(x)[:, 0] - x.sum(1)).square().sum(), len(x))


def loop(**changes: object) -> Loop:
    options = {"steps": 12, "batch_size": 6, "learning_rate": 0.02, "seed": 5, **changes}
    dropout = float(options.pop("dropout", 0.0))  # type: ignore[arg-type]
    dtype = options.pop("dtype", torch.float32)
    data = options.pop("data", Ragged())
    trainer = Regression(dropout, dtype)  # type: ignore[arg-type]
    return Loop(trainer, data, LoopSettings(**options), torch.device("cpu"))  # type: ignore[arg-type]


class Scarce(Regression):
    """Runs out of memory where more examples than it has room for are computed at once."""

    room = 2

    def collate(self, items: Sequence[Tensor]) -> weft.Batch:
        return {**super().collate(items), "count": torch.tensor(len(items))}

    def loss(self, model: nn.Module, batch: weft.Batch) -> weft.LossSum:
        if batch["count"] > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().loss(model, batch)


def test_a_step_that_runs_out_of_memory_is_computed_in_smaller_parts() -> None:
    whole = loop(dtype=torch.float64)
    notes: list[str] = []
    scarce = Loop(Scarce(dtype=torch.float64), Ragged(), whole.settings, torch.device("cpu"))
    scarce.back_off.note = notes.append
    whole.run()
    scarce.run()
    torch.testing.assert_close(weights(scarce), weights(whole), rtol=1e-10, atol=0)
    assert len(notes) == 2  # from 6 to 3 to 2, in the first step alone
    assert scarce.state({}).notes["loop"]["micro_batch_size"] == Scarce.room


def weights(trained: Loop) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in trained.model.parameters()])


def test_it_learns() -> None:
    run = loop(steps=150)
    first = run.train_step()["loss"]
    run.run()
    assert run.train_step()["loss"] < 0.1 * first


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_micro_batches_change_nothing(parts: int) -> None:
    whole, split = loop(dtype=torch.float64), loop(dtype=torch.float64, micro_batch_size=parts)
    whole.run()
    split.run()
    torch.testing.assert_close(weights(split), weights(whole), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("stop", [1, 5, 11])
def test_resumed_is_the_run_that_never_stopped(stop: int, tmp_path) -> None:  # type: ignore[no-untyped-def]
    straight = loop(dropout=0.3)
    straight.run()
    first = loop(dropout=0.3)
    for _ in range(stop):
        first.train_step()
    store = CheckpointStore(tmp_path / "checkpoints")
    store.save(first.state({"figure": 1.5}), best=True)
    state = store.load("last")
    assert state.notes["figure"] == 1.5
    second = loop(dropout=0.3)
    second.restore(state)
    second.run()
    assert torch.equal(weights(second), weights(straight))


def test_the_random_state_of_the_caller_is_left_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    loop(dropout=0.5).run()
    assert torch.equal(torch.rand(3), expected)


def test_a_loss_that_is_not_finite_stops_before_the_weights_move() -> None:
    run = loop(data=Ragged(bad=7), steps=4)
    spoiled = next(place for place in range(23) if SampleOrder(23, 5).at(place)[0] == 7) // run.settings.batch_size
    for _ in range(spoiled):
        run.train_step()
    before = weights(run)
    with pytest.raises(weft.TrainingError, match=f"step {spoiled + 1} is not finite"):
        run.train_step()
    assert torch.equal(weights(run), before)
    assert torch.isfinite(before).all()


def test_such_a_step_may_be_left_out_and_is_counted() -> None:
    run = loop(data=Ragged(bad=7), steps=8, skip_nonfinite=True, ema=0.9)
    figures = [run.train_step() for _ in range(8)]
    assert [each.get("skipped", 0.0) for each in figures][-1] == run.skipped >= 1
    assert torch.isfinite(weights(run)).all()
    resumed = loop(data=Ragged(bad=7), steps=8, skip_nonfinite=True, ema=0.9)
    resumed.restore(run.state({}))
    assert (resumed.step, resumed.skipped) == (8, run.skipped)


def test_the_message_names_the_examples() -> None:
    class Named(Ragged):
        def name(self, index: int, epoch: int) -> str:
            return f"photo-{index}.png"

    run = loop(data=Named(bad=7), steps=8, batch_size=23)
    with pytest.raises(weft.TrainingError, match=r"made of (photo-\d+\.png, ){7}photo-\d+\.png and 15 more: look"):
        run.train_step()


class Steep(Regression):
    """A finite loss whose gradient is not: the slope of a root at zero."""

    def loss(self, model: nn.Module, batch: weft.Batch) -> weft.LossSum:
        return weft.LossSum((model(batch["x"]) * 0).abs().sum().sqrt(), len(batch["x"]))


def test_a_gradient_that_is_not_finite_stops_before_the_weights_move() -> None:
    run = Loop(Steep(), Ragged(), LoopSettings(steps=2, batch_size=4), torch.device("cpu"))
    before = weights(run)
    with pytest.raises(weft.TrainingError, match="gradient of step 1 is not finite"):
        run.train_step()
    assert torch.equal(weights(run), before)


def test_nothing_to_train_on() -> None:
    with pytest.raises(weft.TrainingError, match="empty"):
        loop(data=Ragged(0))


@given(count=st.integers(1, 200), seed=st.integers(0, 2**32), epochs=st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_every_epoch_visits_every_example_once(count: int, seed: int, epochs: int) -> None:
    order = SampleOrder(count, seed)
    for epoch in range(epochs):
        seen = [order.at(epoch * count + place) for place in range(count)]
        assert sorted(example for example, _ in seen) == list(range(count))
        assert {each for _, each in seen} == {epoch}


@given(count=st.integers(2, 50), seed=st.integers(0, 2**32), position=st.integers(0, 500))
@settings(max_examples=30, deadline=None)
def test_the_order_depends_on_the_position_alone(count: int, seed: int, position: int) -> None:
    wandering = SampleOrder(count, seed)
    wandering.at(position * 3 + 1)
    assert wandering.at(position) == SampleOrder(count, seed).at(position)


@given(steps=st.integers(1, 2000))
@settings(max_examples=50, deadline=None)
def test_the_schedule_rises_stays_and_falls(steps: int) -> None:
    shares = [share_of_peak("trapezoid", step, steps) for step in range(steps)]
    assert all(0 < share <= 1 for share in shares)
    top = int(np.argmax(shares))
    assert shares[:top] == sorted(shares[:top])
    assert shares[-1] == min(shares[top:])


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 16, 4), (2, 4, 16)])
def test_orthogonalized_matrices_have_singular_values_near_one(shape: tuple[int, int, int]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalize(matrices))
    assert values.min() > 0.3
    assert values.max() < 1.4


def test_each_parameter_has_exactly_one_optimizer() -> None:
    model = nn.Sequential(
        nn.Embedding(5, 4), nn.Conv1d(4, 4, 3), nn.Conv1d(4, 4, 3, groups=4), nn.Linear(4, 2), nn.LayerNorm(2)
    )
    matrices, rest = split_parameters(model)
    both = [id(parameter) for parameter, _ in matrices] + [id(parameter) for parameter in rest]
    assert sorted(both) == sorted(id(parameter) for parameter in model.parameters())
    assert {tuple(parameter.shape) for parameter, _ in matrices} == {(4, 4, 3), (2, 4)}
