"""How long steps take, and how many of them a time budget is: settled before step 0, so that a resumed run is exact."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from weft.errors import OptionError
from weft.pages.numbers import duration, rounded
from weft.training.loop import Loop
from weft.training.throughput import peak_of, training_flops_per_token
from weft.training.world import World

TIMED_STEPS = 12
FEWEST_STEPS = 12
"""Less is no training."""
EVALUATIONS = (4, 12)
"""Fewest and most times that a run is judged on held-out data, the end included."""
EVALUATION_SHARE = 0.05
"""Of the training time that evaluations may take, down to the fewest."""
BACKWARD = 2.0
"""What a backward pass costs, in forward passes."""
USUAL_SHARE_OF_PEAK = 0.4
"""That training reaches, where nothing was timed."""
RESERVE = 0.03
"""Of a time budget, for checkpoints and for steps that take longer than those that were timed."""


@dataclass(frozen=True, slots=True)
class Timing:
    """What things take, in seconds.

    Attributes:
        step: An optimizer step.
        evaluation: Judging the model on all held-out rows.
        source: ``measured`` here, or ``estimated`` from the arithmetic of the model and the peak of the device.
    """

    step: float
    evaluation: float
    source: Literal["measured", "estimated"]

    def of_run(self, steps: int, evaluations: int) -> float:
        """Seconds of a whole run."""
        return steps * self.step + evaluations * self.evaluation


def measure(
    loop: Loop,
    world: World,
    seconds: float,
    now: Callable[[], float] = time.monotonic,
    after_each: Callable[[], object] = lambda: None,
) -> Timing:
    """Time some steps of a loop that is thrown away, for about so long, and one evaluation.

    Args:
        loop: Fresh, early in a schedule of many steps.
        world: The processes that train together; what the first of them measures counts.
        seconds: After so many, no further step is begun.
        now: Seconds.
        after_each: Called after each timed step, and after the evaluation.
    """
    loop.train_step()  # allocates, and may compile
    began = now()
    count = 0
    while count < TIMED_STEPS and (count == 0 or world.first(now() - began) < seconds):
        loop.train_step()
        after_each()
        count += 1
    step = world.first((now() - began) / count)
    began = now()
    if loop.judges:
        loop.evaluate()
    after_each()
    return Timing(step, world.first(now() - began), "measured")


def estimate(
    model: nn.Module,
    *,
    length: float,
    tokens: float,
    held_out: float,
    processes: int,
    device: torch.device,
    autocast: str | None,
) -> Timing | None:
    """What steps would take at the usual share of the device's peak; ``None`` for models of unknown arithmetic.

    Args:
        model: May be on the meta device.
        length: Mean positions of a row.
        tokens: Of a step.
        held_out: Tokens that are judged.
        processes: That train together.
        device: Of this one.
        autocast: Type of mixed precision.
    """
    flops = training_flops_per_token(model, length)
    if flops is None:
        return None
    a_token = flops / (USUAL_SHARE_OF_PEAK * peak_of(device, autocast).flops * processes)
    return Timing(tokens * a_token, held_out * a_token / (1 + BACKWARD), "estimated")


def evaluations_of(steps: int, cost: float) -> int:
    """How often a run of so many steps is judged, where that costs as much as so many steps."""
    fewest, most = EVALUATIONS
    return max(min(fewest, steps), min(most, steps, int(EVALUATION_SHARE * steps / max(cost, 1e-9))))


def steps_within(minutes: float, spent: float, timing: Timing) -> int:
    """Steps that fill a time budget together with their evaluations.

    Args:
        minutes: The budget.
        spent: Seconds of it that are over.
        timing: What things take.

    Raises:
        OptionError: It is over before it begins; the sentence says how many minutes are enough.
    """
    steps = _fitting(minutes * 60 * (1 - RESERVE) - spent, timing)
    if steps < FEWEST_STEPS:
        least = spent + timing.of_run(FEWEST_STEPS, EVALUATIONS[0])
        needed = 1.2 * least / (1 - RESERVE) / 60  # the machine may be busier next time
        raise OptionError(
            f"{minutes:g} minutes are too short on this machine: a step takes {duration(timing.step)}, an evaluation "
            f"{duration(timing.evaluation)}, and {duration(spent)} are over; allow at least "
            f"{rounded(needed, 2)} minutes, choose a shorter context, a smaller batch or size, or give --steps instead"
        )
    return steps


def _fitting(seconds: float, timing: Timing) -> int:
    """The most steps that fit together with the evaluations that so many bring."""

    def taken(steps: int) -> float:
        return timing.of_run(steps, evaluations_of(steps, timing.evaluation / timing.step))

    return bisect_right(range(1, int(seconds / timing.step) + 1), seconds, key=taken)
