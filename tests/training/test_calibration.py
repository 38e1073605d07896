"""A time budget becomes a number of steps."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor, nn

import weft
from weft.training.calibration import (
    EVALUATION_SHARE,
    EVALUATIONS,
    FEWEST_STEPS,
    RESERVE,
    Timing,
    estimate,
    evaluations_of,
    measure,
    steps_within,
)
from weft.training.loop import Loop, LoopSettings
from weft.training.world import World


class Slow(weft.Trainer[Tensor]):
    """A linear model whose batches take a known time, by a clock of its own."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.clock = 0.0
        self.models: list[tuple[nn.Module, nn.Module]] = []
        """As they were made, and as they were trained."""

    def now(self) -> float:
        return self.clock

    def build_model(self) -> nn.Module:
        model = nn.Linear(2, 1)
        self.models.append((copy.deepcopy(model), model))
        return model

    def collate(self, items: Sequence[Tensor]) -> weft.Batch:
        return {"x": torch.stack(list(items))}

    def loss(self, model: nn.Module, batch: weft.Batch) -> weft.LossSum:
        self.clock += self.seconds
        return weft.LossSum((model(batch["x"]) - 1).square().sum(), len(batch["x"]))


class Points(weft.Dataset[Tensor]):
    def __len__(self) -> int:
        return 8

    def draw(self, index: int, epoch: int) -> Tensor:
        return torch.tensor([float(index), 1.0])


def timed(trainer: Slow) -> Timing:
    settings = LoopSettings(steps=1200, batch_size=4)
    loop = Loop(trainer, Points(), settings, torch.device("cpu"), held_out=Points())
    return measure(loop, World(), 1.0, trainer.now)


class TestMeasure:
    def test_what_a_step_and_an_evaluation_take(self) -> None:
        found = timed(Slow(0.02))
        assert found.source == "measured"
        assert found.step == pytest.approx(0.02)
        assert found.evaluation == pytest.approx(0.04)  # two batches

    def test_timed_steps_descend(self) -> None:
        """They are thrown away, but must not run off to infinity before they are timed."""
        trainer = Slow(0.0)
        timed(trainer)
        ((before, after),) = trainer.models
        batch = trainer.collate([Points().draw(i, 0) for i in range(8)])
        assert trainer.loss(after, batch).total < trainer.loss(before, batch).total

    def test_long_steps_are_timed_once(self) -> None:
        trainer = Slow(0.05)
        settings = LoopSettings(steps=1200, batch_size=4)
        loop = Loop(trainer, Points(), settings, torch.device("cpu"))
        found = measure(loop, World(), 0.01, trainer.now)
        assert (found.step, found.evaluation) == (pytest.approx(0.05), 0.0)  # nothing is held out
        assert loop.step == 2  # the first is not timed

    def test_no_step_begins_after_the_time(self) -> None:
        trainer = Slow(0.25)
        loop = Loop(trainer, Points(), LoopSettings(steps=1200, batch_size=4), torch.device("cpu"))
        assert measure(loop, World(), 1.0, trainer.now).step == 0.25
        assert loop.step == 1 + 4


def test_other_models_have_no_estimate() -> None:
    device = torch.device("cpu")
    numbers = {"length": 1.0, "tokens": 1.0, "held_out": 1.0}
    assert estimate(nn.Linear(2, 1), **numbers, processes=1, device=device, autocast=None) is None


seconds = st.floats(0.001, 10)


class TestSteps:
    @given(step=seconds, evaluation=seconds, minutes=st.floats(0.1, 1000), spent=st.floats(0, 60))
    @example(step=1.0, evaluation=0.5, minutes=2.0, spent=1.0)  # the last step brings an evaluation
    def test_a_budget_is_filled_and_kept(self, step: float, evaluation: float, minutes: float, spent: float) -> None:
        timing = Timing(step, evaluation, "measured")
        if spent + timing.of_run(FEWEST_STEPS, EVALUATIONS[0]) > minutes * 60 * (1 - RESERVE):
            with pytest.raises(weft.OptionError, match="minutes are too short on this machine"):
                steps_within(minutes, spent, timing)
            return
        steps = steps_within(minutes, spent, timing)
        count = evaluations_of(steps, evaluation / step)
        left = minutes * 60 * (1 - RESERVE) - spent - timing.of_run(steps, count)
        assert left + 1e-9 >= -1e-6
        # What is left is less than a step, or than the evaluation that one more step would bring.
        assert left <= step + evaluation + 1e-6

    def test_the_sentence_names_minutes_that_are_enough(self) -> None:
        timing = Timing(0.05, 0.02, "measured")
        with pytest.raises(weft.OptionError, match=r"0\.005 minutes are too short .* or give --steps") as caught:
            steps_within(0.005, 0.1, timing)
        enough = float(str(caught.value).split("allow at least ")[1].split()[0])
        assert steps_within(enough, 0.1, timing) >= FEWEST_STEPS

    @given(steps=st.integers(1, 10**6), cost=st.floats(0, 1000))
    def test_evaluations_take_a_small_share(self, steps: int, cost: float) -> None:
        fewest, most = EVALUATIONS
        count = evaluations_of(steps, cost)
        assert min(fewest, steps) <= count <= most
        assert count == min(fewest, steps) or count * cost <= EVALUATION_SHARE * steps
