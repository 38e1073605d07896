"""What is decided before step 0, and what is refused."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import Unpack

import weft
from weft.codecs.sequence import Sequences
from weft.codecs.vocabulary import Vocabulary
from weft.interfaces.progress import Silent
from weft.models.sizes import SIZES, Size
from weft.training.calibration import EVALUATIONS, FEWEST_STEPS, Timing, steps_within
from weft.training.data import TokenSource, longest_document, rows_of
from weft.training.decisions import (
    Decisions,
    context_for,
    decide,
    default_batch,
    default_dropout,
    describe,
)
from weft.training.material import Material
from weft.training.mixture import Drawing, drawing_of
from weft.training.next_token import NextTokenTrainer
from weft.training.options import TrainOptions, check_options
from weft.training.settings import RunSettings
from weft.training.throughput import Peak
from weft.training.world import World

NANO = SIZES["nano"]
SMALL = Size(
    layers=1,
    width=8,
    heads=1,
    kv_heads=1,
    head_size=8,
    hidden=32,
    learning_rate=0.02,
    tokens_per_step=64,
    text_context=16,
    training_tokens=10_000,
)


def source(modality: str, lengths: Sequence[int], prompts: Sequence[int | None] | None = None) -> TokenSource:
    payloads = [np.zeros(length, dtype=np.uint16) for length in lengths]
    typed = [None if n is None else np.zeros(n, dtype=np.uint16) for n in prompts or [None] * len(lengths)]
    held_out = np.arange(len(lengths)) % 10 == 9
    return TokenSource(modality, payloads, typed, held_out)


def material(*sources: TokenSource) -> Material:
    sizes = dict.fromkeys(["text", *(each.modality for each in sources)], 20)
    return Material(sources, {}, {}, sizes, [1] * 20, [], NextTokenTrainer)


def settle(data: Material, **options: Unpack[TrainOptions]) -> Decisions:
    return decide(data, options, 1, World())


class TestContext:
    @given(lengths=st.lists(st.integers(1, 3000), min_size=1, max_size=5), prompt=st.none() | st.integers(0, 100))
    @settings(max_examples=60, deadline=None)
    def test_the_smallest_power_of_two_that_holds_the_longest_document(
        self, lengths: list[int], prompt: int | None
    ) -> None:
        corpus = source("image", lengths, [prompt] * len(lengths))
        context = context_for([corpus], NANO, None)
        read = longest_document(corpus) - 1  # the end is predicted, never read
        assert context & (context - 1) == 0
        assert context >= read
        assert context == 16 or context // 2 < read

    def test_long_text_is_windowed(self) -> None:
        assert context_for([source("text", [10**6])], NANO, None) == NANO.text_context

    def test_answers_are_held_whole_up_to_a_limit(self) -> None:
        assert context_for([source("text", [150], [40])], NANO, None) == 256
        assert context_for([source("text", [10**6], [40])], NANO, None) == 4 * NANO.text_context

    def test_a_mixture_takes_the_longest_need(self) -> None:
        assert context_for([source("text", [10**6]), source("image", [300], [9])], NANO, None) == 512

    def test_what_was_asked_for_is_taken_unless_it_would_cut_an_image(self) -> None:
        assert context_for([source("text", [10**6])], NANO, 48) == 48
        images = source("image", [64], [5])
        assert context_for([images], NANO, 71) == 71
        with pytest.raises(weft.OptionError, match="context 70 is shorter than the longest document, 71 tokens"):
            context_for([images], NANO, 70)

    def test_no_context_is_longer_than_all_that_there_is(self) -> None:
        text = source("text", [100] * 10)  # one in ten is held out
        assert context_for([text], NANO, 9 * 102) == 9 * 102
        with pytest.raises(weft.OptionError, match=r"context 919 is longer than all of the text .* 918 tokens; 128 is"):
            context_for([text], NANO, 919)
        assert context_for([text, source("image", [2000])], NANO, 2001) == 2001


class TestBatch:
    @pytest.mark.parametrize(("length", "expected"), [(29, 2), (13, 4), (6, 8)])
    def test_about_the_tokens_of_the_size(self, length: int, expected: int) -> None:
        rows = self.rows(source("image", [length] * 40))
        assert default_batch(SMALL, rows) == expected

    def test_never_more_than_there_are(self) -> None:
        assert default_batch(NANO, self.rows(source("image", [5] * 3))) == 3

    def test_never_none(self) -> None:
        assert default_batch(SMALL, self.rows(source("image", [500] * 3))) == 1

    def test_rows_that_are_learned_backward_come_on_top(self) -> None:
        captioned = source("image", [20] * 300, [4] * 300)
        sequences = Sequences(Vocabulary.build({"image": 20, "text": 20}))
        plain, reversed_too = (
            default_batch(NANO, drawing_of([captioned], sequences, 64, seed=0, reverse=share)) for share in (0.0, 0.5)
        )
        assert reversed_too == pytest.approx(2 * plain, rel=0.02)

    def test_a_mixture_is_judged_by_what_comes_how_often(self) -> None:
        sources = [source("image", [9] * 300), source("text", [1000] * 3)]
        sequences = Sequences(Vocabulary.build({"image": 20, "text": 1000}))
        batches = [
            default_batch(NANO, drawing_of(sources, sequences, 64, seed=0, mix={"image": share, "text": 1}))
            for share in (0.01, 1, 100)
        ]
        assert batches == sorted(batches)
        assert batches[0] < 20
        assert batches[2] > 80

    def rows(self, corpus: TokenSource) -> Drawing:
        return drawing_of([corpus], Sequences(Vocabulary.build({"image": 20, "text": 20})), 1024, seed=0)


class Said(Silent):
    """Keeps what is noted, and how far tasks came."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, message: str) -> None:
        self.lines.append(message)

    def warn(self, message: str) -> None:
        self.lines.append(message)

    def task(self, description: str, total: int | None, unit: str, done: int = 0) -> Any:
        return Counted(self.lines, description)


class Counted:
    """Counts steps."""

    def __init__(self, lines: list[str], description: str) -> None:
        self.lines, self.description, self.done = lines, description, 0

    def advance(self, amount: int = 1, **figures: float | str) -> None:
        self.done += amount

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.lines.append(f"{self.description}: {self.done}")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIZES, "small", SMALL)


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> Timing:
    """Steps take a hundredth of a second, and decisions no time at all, however busy the machine is."""
    timing = Timing(0.01, 0.02, "measured")
    monkeypatch.setattr("weft.training.outlook.time_of", lambda *_: timing)
    monkeypatch.setattr("weft.training.decisions.time", SimpleNamespace(monotonic=lambda: 0.0))
    return timing


@pytest.mark.usefixtures("small")
class TestDecide:
    data = material(source("text", [400] * 30))

    def test_everything_is_settled(self) -> None:
        decided = settle(self.data, size="small", steps=50, seed=3)
        chosen = decided.settings
        assert (chosen.steps, chosen.seed, chosen.threads, chosen.minutes) == (50, 3, 1, None)
        assert (chosen.learning_rate, decided.model.width, decided.model.context_length) == (0.02, 8, 16)
        assert chosen.batch_size == round(64 / 17)
        low, high = EVALUATIONS
        assert low <= -(-50 // chosen.evaluate_every) <= high
        rows = rows_of(self.data.sources, Sequences(decided.vocabulary), 16, held_out=False, seed=3)
        assert decided.epochs == pytest.approx(50 * chosen.batch_size / len(rows))
        assert "50 steps" in describe(decided, self.data)
        assert RunSettings.from_json(chosen.to_json()) == chosen

    def test_dropout_where_examples_are_seen_many_times(self) -> None:
        few = material(source("text", [40]))
        assert default_dropout(2) == 0
        assert settle(few, size="small", steps=2).settings.dropout == 0
        many = settle(few, size="small", steps=200)
        assert many.settings.dropout == many.model.dropout == default_dropout(100) > 0
        assert settle(few, size="small", steps=200, dropout=0.0).settings.dropout == 0

    def test_dropout_where_one_corpus_of_several_is_seen_many_times(self) -> None:
        both = material(source("text", [16] * 400), source("image", [16] * 20))
        even = settle(both, size="small", steps=100, batch_size=4)
        assert even.epochs < 2
        assert even.settings.dropout == 0
        shares = settle(both, size="small", steps=100, batch_size=4, mix="text=1,image=1")
        assert shares.epochs < 2
        assert shares.settings.dropout > 0

    def test_what_was_asked_for_is_kept(self) -> None:
        decided = settle(
            self.data,
            size="small",
            steps=7,
            batch_size=3,
            micro_batch_size=2,
            context=24,
            learning_rate=0.5,
            dropout=0.25,
        )
        chosen = decided.settings
        assert (chosen.batch_size, chosen.micro_batch_size, chosen.learning_rate) == (3, 2, 0.5)
        assert (decided.model.context_length, decided.model.dropout, chosen.dropout) == (24, 0.25, 0.25)

    def test_minutes_become_steps(self, steady: Timing) -> None:
        decided = settle(self.data, size="small", minutes=0.2)
        assert decided.settings.steps == steps_within(0.2, 0.0, steady) > FEWEST_STEPS
        assert decided.settings.minutes == 0.2
        assert decided.timing is steady

    @pytest.mark.usefixtures("steady")
    def test_epochs_and_minutes_are_what_is_less(self) -> None:
        one = settle(self.data, size="small", epochs=1)
        assert one.epochs == pytest.approx(1, abs=0.05)
        assert one.settings.minutes is None
        both = settle(self.data, size="small", epochs=1, minutes=5)
        assert both.settings.steps == one.settings.steps
        hurried = settle(self.data, size="small", epochs=1e6, minutes=0.2)
        assert hurried.epochs < 1e4

    def test_rows_at_once_are_written_down(self) -> None:
        assert settle(self.data, size="small", steps=7, batch_size=6).settings.micro_batch_size == 6

    def test_rows_at_once_follow_from_free_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = settle(self.data, size="small", steps=7, batch_size=32).memory
        room = 2 * (whole.at(9).total - whole.program)  # half of which may be taken
        monkeypatch.setattr("weft.training.outlook.free_memory", lambda device: room)
        # Nine fit: four parts of eight.
        assert settle(self.data, size="small", steps=7, batch_size=32).settings.micro_batch_size == 8

    def test_a_batch_that_is_larger_than_the_data(self) -> None:
        with pytest.raises(weft.OptionError, match=r"batch_size is 5,000, but there are only 6\d\d rows to learn from"):
            settle(self.data, size="small", steps=7, batch_size=5000)

    def test_nothing_to_train_on(self) -> None:
        nothing = TokenSource("text", [np.zeros(9, dtype=np.uint16)], [None], np.array([True]))
        with pytest.raises(weft.TrainingError, match="nothing to train on"):
            settle(material(nothing), size="small", steps=7)

    def test_steps_that_cannot_fit_a_budget_are_not_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("weft.training.calibration.peak_of", lambda *_: Peak(1e3, "measured"))
        monkeypatch.setattr("weft.training.outlook.time_of", lambda *_: pytest.fail("a step was timed"))
        with pytest.raises(weft.OptionError, match=r"5 minutes are too short on this machine: .*a shorter context"):
            settle(self.data, size="small", minutes=5)
        said = Said()
        decide(self.data, {"size": "small", "steps": 3}, 1, World(), reporter=said)
        assert [line for line in said.lines if "a step will take at least" in line]

    def test_memory_of_the_program_is_that_of_the_beginning(
        self, steady: Timing, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        held = itertools.count(1000)
        monkeypatch.setattr("weft.training.decisions.program_bytes", lambda: next(held))
        twice = settle(material(source("text", [40])), size="small", minutes=5)  # once more, with dropout
        assert twice.settings.dropout > 0
        assert twice.memory.program == 1000

    def test_what_is_measured_is_told(self) -> None:
        said = Said()
        decide(self.data, {"size": "small", "epochs": 1}, 1, World(), reporter=said, outlook=True)
        assert said.lines == ["measuring memory: 3", "timing: 13"]

    def test_a_vocabulary_that_makes_a_model_larger_is_told(self) -> None:
        said, corpus = Said(), source("text", [400] * 30)
        for size in (20, 4000):
            data = dataclasses.replace(material(corpus), vocab_sizes={"text": size}, bytes_per_token=[1] * size)
            decide(data, {"size": "300k", "steps": 1}, 1, World(), reporter=said)
        assert [line for line in said.lines if line.startswith("size")] == [
            "size 300k is 662k parameters here: the vocabulary has 4,002 ids, and sizes are counted with 256"
        ]

    def test_an_unknown_size(self) -> None:
        with pytest.raises(weft.OptionError, match="size 'huge' is unknown; choose one of nano, micro"):
            settle(self.data, size="huge", steps=7)

    def test_an_unknown_device(self) -> None:
        with pytest.raises(weft.OptionError, match="device 'toaster' is not available"):
            settle(self.data, size="small", steps=7, device="toaster")


class TestOptions:
    @pytest.mark.parametrize("name", ["steps", "minutes", "batch_size", "micro_batch_size", "context", "learning_rate"])
    @pytest.mark.parametrize("value", [0, -1])
    def test_what_must_be_above_zero(self, name: str, value: int) -> None:
        with pytest.raises(weft.OptionError, match=f"{name} must be above 0, got {value}"):
            check_options({name: value})  # type: ignore[misc]

    @pytest.mark.parametrize("name", ["minutes", "learning_rate", "dropout"])
    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_what_must_be_finite(self, name: str, value: float) -> None:
        with pytest.raises(weft.OptionError, match=f"{name} must be .*got {value}"):
            check_options({name: value})  # type: ignore[misc]

    @pytest.mark.parametrize(("value", "problem"), [(-0.1, "at least 0"), (1.0, "below 1"), (2, "below 1")])
    def test_dropout_is_a_share(self, value: float, problem: str) -> None:
        with pytest.raises(weft.OptionError, match=f"dropout must be {problem}"):
            check_options({"dropout": value})

    def test_a_negative_seed(self) -> None:
        with pytest.raises(weft.OptionError, match="seed must be at least 0, got -1"):
            check_options({"seed": -1})

    def test_choices(self) -> None:
        with pytest.raises(weft.OptionError, match="schedule must be 'trapezoid', 'cosine' or 'constant', got 'step'"):
            check_options({"schedule": "step"})  # type: ignore[typeddict-item]

    def test_an_unknown_option(self) -> None:
        with pytest.raises(weft.OptionError, match="train has no option 'step'"):
            check_options({"step": 3})  # type: ignore[typeddict-unknown-key]

    def test_steps_or_minutes(self) -> None:
        with pytest.raises(weft.OptionError, match="steps and minutes exclude each other"):
            check_options({"steps": 5, "minutes": 1})
        with pytest.raises(weft.OptionError, match="steps and epochs exclude each other"):
            check_options({"steps": 5, "epochs": 1})
        assert check_options({"minutes": 5, "epochs": 1}) == {"minutes": 5, "epochs": 1}


def test_a_negative_seed_of_preparation(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a text")
    with pytest.raises(weft.OptionError, match="seed must be at least 0, got -1"):
        weft.prepare(tmp_path / "a.txt", out=tmp_path / "corpus", seed=-1)
    assert not (tmp_path / "corpus").exists()


@pytest.mark.parametrize("values", [{}, {"steps": 3}, {"surplus": 1}, None, []])
def test_damaged_settings(values: Any) -> None:
    with pytest.raises(weft.FolderError, match="the run's table of settings is damaged"):
        RunSettings.from_json(values)
