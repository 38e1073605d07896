"""What happens beside the loop: the log."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from weft.interfaces.progress import Silent
from weft.storage.run import RunFolder, RunManifest
from weft.training.callbacks import LOG_EVERY, LogMetrics, ShowEvaluation


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    manifest = RunManifest({}, {}, {}, ["text"], {"text": (1, 2)}, [], [], {}, "0")
    return RunFolder.create(tmp_path / "run", manifest, {}, force=False)


class Steps:
    """What callbacks look at, without anything that learns."""

    def __init__(self, step: int, steps: int) -> None:
        self.step = step
        self.steps = steps


def at(step: int, steps: int) -> Any:
    return Steps(step, steps)


def train(folder: RunFolder, held_out: Sequence[float], every: int) -> LogMetrics:
    """One step after another, with these held-out losses."""
    training = at(0, every * len(held_out))
    log = LogMetrics(folder)
    log.begin(training)
    for _ in range(training.steps):
        training.step += 1
        log.after_step(training, {"loss": float(training.step)})
        if training.step % every == 0:
            log.after_evaluation(training, {"loss": held_out[training.step // every - 1]})
    return log


def test_rows_are_means_of_the_steps_since_the_last(folder: RunFolder) -> None:
    log = train(folder, [1.0] * 5, every=5)
    rows = [row for row in folder.metrics() if "loss" in row]
    assert [row["step"] for row in rows] == [LOG_EVERY, 2 * LOG_EVERY, 25]
    assert [row["loss"] for row in rows] == [5.5, 15.5, 23.0]
    validation = [row for row in folder.metrics() if "validation/loss" in row]
    assert [row["step"] for row in validation] == [5, 10, 15, 20, 25]
    assert log.unlogged == []


def test_going_back_forgets_what_came_after(folder: RunFolder) -> None:
    train(folder, [1.0] * 5, every=5)
    with folder.metrics_path.open("a") as file:
        file.write('{"step": 26, "lo')
    LogMetrics(folder).begin(at(15, 25))
    rows = [json.loads(line) for line in folder.metrics_path.read_text().splitlines()]
    assert [row["step"] for row in rows] == [5, 10, 10, 15]


def test_time_goes_on(folder: RunFolder) -> None:
    folder.metrics_path.write_text('{"step": 10, "loss": 1.0, "seconds": 100.0}\n')
    log = LogMetrics(folder, unlogged=[3.0])
    log.begin(at(11, 12))
    log.after_step(at(12, 12), {"loss": 5.0})
    first, second = folder.metrics()
    assert first["seconds"] == 100.0
    assert 100.0 < second["seconds"] < 160.0
    assert second["loss"] == 4.0


def test_tokens_are_counted_over_the_whole_run(folder: RunFolder) -> None:
    training, log = at(0, 25), LogMetrics(folder, peak_rate=0.5)
    log.begin(training)
    for _ in range(15):
        training.step += 1
        log.after_step(training, {"loss": 1.0, "tokens": 100.0, "learning_rate_share": 0.5, "text/x": training.step})
    again = LogMetrics(folder, log.unlogged)  # killed at step 15, where a checkpoint was
    again.begin(training)
    for _ in range(10):
        training.step += 1
        again.after_step(training, {"loss": 1.0, "tokens": 10.0, "text/x": training.step})
    rows = list(folder.metrics())
    assert [row["step"] for row in rows] == [10, 20, 25]
    assert [row["tokens"] for row in rows] == [1000, 1550, 1600]
    assert [row["text/x"] for row in rows] == [5.5, 15.5, 23]
    assert rows[0]["learning_rate"] == 0.25


def test_a_run_that_did_not_count_its_tokens_does_not_begin_to(folder: RunFolder) -> None:
    folder.metrics_path.write_text('{"step": 10, "loss": 1.0, "seconds": 100.0}\n')
    log = LogMetrics(folder)
    log.begin(at(10, 12))
    log.after_step(at(12, 12), {"loss": 5.0, "tokens": 100.0})
    assert "tokens" not in list(folder.metrics())[-1]


def strict(text: str) -> Any:
    """JSON as other programs read it."""
    return json.loads(text, parse_constant=pytest.fail)


def test_what_is_not_finite_is_in_no_mean_and_in_no_file(folder: RunFolder) -> None:
    """As of steps that were left out."""
    training, log = at(0, 30), LogMetrics(folder)
    log.begin(training)
    for step in range(1, 31):
        training.step = step
        bad = math.nan if step in (4, 10) or step > 20 else 1.0
        log.after_step(training, {"loss": step * bad, "gradient_norm": bad, "tokens": 10.0, "skipped": 1.0})
        if step == 17:
            assert [each["loss"] for each in log.unlogged] == list(range(11, 18))
    log.after_evaluation(training, {"loss": math.inf, "text/nats_per_token": 2.0})
    first, second, third, judged = map(strict, folder.metrics_path.read_text().splitlines())
    assert first["loss"] == (55 - 4 - 10) / 8
    assert "gradient_norm" not in first
    assert (second["loss"], second["gradient_norm"]) == (15.5, 1.0)
    assert "loss" not in third
    assert (third["tokens"], third["skipped"]) == (300.0, 1.0)
    assert judged == {"step": 30, "validation/text/nats_per_token": 2.0}
    again = LogMetrics(folder)
    again.begin(training)
    training.step = training.steps = 31
    again.after_step(training, {"loss": 1.0, "tokens": 10.0})
    assert list(folder.metrics())[-1]["tokens"] == 310.0


def test_every_row_is_told(folder: RunFolder) -> None:
    told: list[Any] = []
    log = LogMetrics(folder, tell=[told.append])
    log.begin(at(0, 1))
    log.after_step(at(1, 1), {"loss": 5.0})
    log.after_evaluation(at(1, 1), {"loss": 4.0})
    assert told == list(folder.metrics())
    assert told[1] == {"step": 1, "validation/loss": 4.0}


class Notes(Silent):
    """Keeps what is noted."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)


def test_evaluations_are_told_in_words() -> None:
    said = Notes()
    show = ShowEvaluation(said)
    text = {"text/nats_per_token": 1.5, "text/bits_per_byte": 2.25}
    show.after_evaluation(at(1200, 3000), {"loss": 1.5, **text})
    several = {"loss": 2.0, **text, "image/nats_per_token": 2.5, "image-to-text/nats_per_token": 0.125}
    show.after_evaluation(at(2400, 3000), several)
    show.after_evaluation(at(3000, 3000), {"loss": 1.25})
    assert said.notes == [
        "step 1,200: held-out text 2.250 bits per byte (1.500 nats per token); the best so far",
        "step 2,400: held-out average 2.000 nats per token: text 2.250 bits per byte (1.500 nats per token), "
        "image 2.500 nats per token, image-to-text 0.125 nats per token",
        "step 3,000: held-out loss 1.250; the best so far",
    ]
