"""What a run that is about to begin will take: memory, from short steps of fewer blocks, and time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from weft.codecs.vocabulary import Vocabulary
from weft.interfaces.progress import Reporter
from weft.interfaces.trainer import Dataset, Trainer
from weft.models.allocation import freed_memory_kept
from weft.models.config import ModelConfig
from weft.models.memory import free_memory
from weft.pages.numbers import count
from weft.training import calibration
from weft.training.calibration import Timing
from weft.training.data import Row, Rows
from weft.training.estimate import SHARE, Estimator, find_rows
from weft.training.footprint import Footprint, measure
from weft.training.loop import Loop
from weft.training.material import Material
from weft.training.mixture import Drawing
from weft.training.settings import RunSettings
from weft.training.world import World, processes_here

PROBE_POSITIONS = 128
"""Length of the rows that memory is measured with, at most: what a position takes does not depend on it."""
PROBES = 64
"""Rows among which a longest one is looked for."""
TIMED_SHARE = 0.05
"""Of a time budget that steps are timed for."""
TIMED_SECONDS = (0.5, 20.0)
"""Least and most of that; the most without a budget."""
LONGEST_STEP = 60.0
"""Seconds above which a step is not timed for an outlook alone."""


class _Longest(Dataset[Row]):
    """The longest of some rows again and again, cut to its last ids: those hold the target."""

    def __init__(self, rows: Rows) -> None:
        probes = np.unique(np.linspace(0, len(rows) - 1, min(PROBES, len(rows))).round().astype(int))
        row = max((rows.draw(int(index), 0) for index in probes), key=lambda each: len(each.ids))
        self.length = len(row.ids) - 1
        self.row = replace(row, ids=row.ids[-PROBE_POSITIONS - 1 :], learned=row.learned[-PROBE_POSITIONS - 1 :])

    def __len__(self) -> int:
        return 1

    def draw(self, index: int, epoch: int) -> Row:
        return self.row


def memory_of(
    material: Material,
    settings: RunSettings,
    model: ModelConfig,
    vocabulary: Vocabulary,
    train: Drawing,
    world: World,
    program: int,
    reporter: Reporter,
) -> Estimator:
    """Measure what a step of such a model takes, on the device of this process.

    Three steps of models of one and two blocks are computed, on rows of at most 128 positions.

    Args:
        material: What is learned.
        settings: All but the micro-batch and the steps.
        model: Its shape.
        vocabulary: The id table.
        train: Rows to learn from.
        world: The processes that train together.
        program: Bytes that the process held before anything was measured.
        reporter: Where progress goes.
    """
    device = _device(settings, world)
    longest = _Longest(train.rows)

    def loop_of(layers: int, rows: int) -> tuple[Loop, int]:
        shape = replace(model, layers=layers)
        plain = replace(
            settings, batch_size=rows, micro_batch_size=rows, compile=False, ema=None, shard="none", steps=2
        )
        trainer = material.trainer(shape, vocabulary, plain)
        task.advance()
        return Loop(trainer, longest, plain, device), rows * (len(longest.row.ids) - 1)

    with reporter.task("measuring memory", 3, "trial") as task:
        footprint: Footprint = measure(loop_of)
    return Estimator(
        footprint, model.layers, longest.length, settings.ema is not None, program if device.type == "cpu" else 0
    )


def rows_at_once(estimator: Estimator, settings: RunSettings, world: World) -> int:
    """Rows that a process computes at once: all of its own, or as many as free memory holds."""
    device = _device(settings, world)
    free = free_memory(device) * SHARE.get(device.type, 0.8)
    if device.type == "cpu":
        free /= processes_here()
    own = -(-settings.batch_size // world.size)
    return int(world.first(find_rows(estimator, free, own, shards_of(settings, world))))


def shards_of(settings: RunSettings, world: World) -> int:
    """Processes that the model is spread over."""
    return world.size if settings.shard == "full" else 1


def time_of(
    trainer: Trainer[Any],
    settings: RunSettings,
    train: Drawing,
    held_out: Dataset[Any],
    world: World,
    reporter: Reporter,
) -> Timing:
    """Time steps of a run that are thrown away."""
    low, high = TIMED_SECONDS
    seconds = high if settings.minutes is None else max(low, settings.minutes * 60 * TIMED_SHARE)
    # As if early in a long run: the schedule must not end, and turn negative, while steps are timed.
    early = replace(settings, steps=100 * calibration.TIMED_STEPS)
    device = _device(settings, world)
    loop = Loop(trainer, train.rows, early, device, held_out=held_out, order=train.order, world=world)
    with freed_memory_kept(), reporter.task("timing", calibration.TIMED_STEPS + 1, "trial") as task:
        return calibration.measure(loop, world, seconds, after_each=task.advance)


def arithmetic_time(
    trainer: Trainer[Any], settings: RunSettings, train: Drawing, held_out: Rows, world: World
) -> Timing | None:
    """What things take by arithmetic alone; ``None`` for models of unknown arithmetic."""
    with torch.device("meta"):
        model = trainer.build_model()
    return calibration.estimate(
        model,
        length=train.ids_per_row,
        tokens=settings.batch_size * (train.ids_per_row - 1),
        held_out=sum(len(held_out.draw(index, 0).ids) - 1 for index in range(len(held_out))),
        processes=world.size,
        device=_device(settings, world),
        autocast=settings.autocast,
    )


def expected_time(
    trainer: Trainer[Any],
    settings: RunSettings,
    estimator: Estimator,
    train: Drawing,
    held_out: Rows,
    world: World,
    reporter: Reporter,
) -> Timing:
    """That of timed steps; of those that would take too long, or more memory than there is, from arithmetic alone."""
    device = _device(settings, world)
    guess = arithmetic_time(trainer, settings, train, held_out, world)
    needed = estimator.at(settings.micro_batch_size or settings.batch_size, shards_of(settings, world))
    too_large = needed.total - estimator.program > free_memory(device) / processes_here()
    # Memory that is free differs between processes, and timing takes all of them.
    if guess is not None and world.first(float(too_large or guess.step > LONGEST_STEP)):
        return guess
    return time_of(trainer, settings, train, held_out, world, reporter)


def budgeted_time(
    trainer: Trainer[Any], settings: RunSettings, train: Drawing, held_out: Rows, world: World, reporter: Reporter
) -> Timing | None:
    """What a time budget asks for. Steps that cannot fit into it are not waited for: their estimate tells that."""
    guess = arithmetic_time(trainer, settings, train, held_out, world)
    least = _least_step(guess, world)
    if settings.minutes is None:
        if least > LONGEST_STEP:
            reporter.warn(
                f"a step will take at least {least:,.0f} s here, of {count(settings.batch_size, 'row')} of "
                f"{train.ids_per_row:,.0f} tokens; a shorter context, a smaller batch or a smaller size is faster"
            )
        return None
    if guess is not None and least * calibration.FEWEST_STEPS > 60 * settings.minutes:
        return replace(guess, step=world.first(guess.step), evaluation=world.first(guess.evaluation))
    return time_of(trainer, settings, train, held_out, world, reporter)


def _least_step(guess: Timing | None, world: World) -> float:
    """Seconds that no step can fall below: those at the whole peak of the device, or 0 where nothing is known."""
    return world.first(0.0 if guess is None else guess.step * calibration.USUAL_SHARE_OF_PEAK)


def _device(settings: RunSettings, world: World) -> torch.device:
    return world.device(settings.device)
