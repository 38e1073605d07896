"""Watching a training changes nothing of it: previews, events and callbacks of plugins."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import weft
from weft.pages.previews import read_previews
from weft.plugins.registry import reset_registry

TIMED = {"seconds", "tokens_per_second", "share_of_peak"}

CALLBACKS = """
import weft

@weft.hookimpl
def register_callbacks(register):
    register("weft_watch.parts:Watch")
"""

NOISY = """
import random
import numpy as np
import torch
import weft

class Watch(weft.Callback):
    def begin(self, training):
        self.calls = ["begin"]

    def after_step(self, training, figures):
        self.disturb(training)
        self.calls.append("step")

    def after_evaluation(self, training, figures):
        self.disturb(training)
        self.calls.append("evaluation")

    def after_checkpoint(self, training, folder):
        self.calls.append("checkpoint")
        assert (folder / "state.json").is_file()

    def end(self, training):
        (training.folder / "calls.txt").write_text(" ".join([*self.calls, "end"]))

    def disturb(self, training):
        for module in list(training.model.modules())[1:]:
            module.eval()
        torch.set_grad_enabled(False)
        torch.manual_seed(1), np.random.seed(1), random.seed(1)
"""

WRITING = """
import weft

class Watch(weft.Callback):
    def begin(self, training):
        place = training.folder / "plugins" / "weft-watch"
        place.mkdir(parents=True, exist_ok=True)
        (place / "notes.txt").write_text("here")
"""

FAILING = """
import weft

class Watch(weft.Callback):
    def METHOD(self, training, *rest):
        if training.step >= STEP:
            raise RuntimeError("no more ink")
"""


def weights(run: weft.Run) -> str:
    return str(run.summary()["weights_sha256"])


def rows(run: weft.Run) -> list[dict[str, Any]]:
    """What is logged, but for what a clock says."""
    lines = map(json.loads, (run.path / "metrics.jsonl").read_text().splitlines())
    return [{name: value for name, value in row.items() if name not in TIMED} for row in lines]


@pytest.fixture(scope="module")
def plain(text_corpus: weft.Corpus, tiny_train: Callable[..., weft.Run], tmp_path_factory: Any) -> weft.Run:
    """A run that nobody watches."""
    return tiny_train(text_corpus, tmp_path_factory.mktemp("plain") / "run", steps=24, dropout=0.1, ema=0.9, previews=0)


@pytest.fixture(scope="module")
def watched(text_corpus: weft.Corpus, tiny_train: Callable[..., weft.Run], tmp_path_factory: Any) -> weft.Run:
    """The same, with previews and events."""
    out = tmp_path_factory.mktemp("watched") / "run"
    return tiny_train(text_corpus, out, steps=24, dropout=0.1, ema=0.9, previews=3, tensorboard=True)


def test_a_watched_run_is_replaced_by_force(
    fake_plugins: Any, text_corpus: weft.Corpus, tmp_path: Path, tiny_train: Callable[..., weft.Run]
) -> None:
    """Everything that lies in its folder is known to be Weft's, or a plugin's."""
    fake_plugins.install("weft_watch", CALLBACKS, parts=WRITING)
    for seed in (1, 2):
        run = tiny_train(
            text_corpus, tmp_path / "run", steps=2, previews=1, tensorboard=True, seed=seed, force=seed == 2
        )
    assert run.summary()["settings"]["seed"] == 2
    assert {path.name for path in run.path.iterdir()} >= {"previews", "tensorboard", "plugins"}
    (run.path / "notes.txt").write_text("mine")
    with pytest.raises(weft.FolderError, match="holds files that Weft did not write"):
        tiny_train(text_corpus, run.path, steps=2, force=True)


def test_a_run_is_the_same_watched_or_not(plain: weft.Run, watched: weft.Run) -> None:
    assert weights(watched) == weights(plain)
    assert rows(watched) == rows(plain)
    assert not (plain.path / "previews").exists()


def test_previews_are_what_generate_makes(watched: weft.Run) -> None:
    last = read_previews(watched.path / "previews")[-1]
    assert last["step"] == 24
    assert len(last["previews"]) == 3
    for each in last["previews"]:
        (made,) = watched.generate(each["prompt"], seed=each["seed"], max_tokens=64, checkpoint="last", device="cpu")
        assert (watched.path / "previews" / "step-000024" / each["file"]).read_text() == made.payload
        assert made.payload.startswith(each["prompt"])
    page = (watched.path / "previews" / "index.html").read_text()
    assert "step 24" in page


def test_prompts_are_of_held_out_text(watched: weft.Run, text_corpus: weft.Corpus) -> None:
    from weft_text.payload import TextFormat

    held_out = " ".join(s.payload for s in text_corpus.folder.samples(TextFormat(), "validation"))
    for each in read_previews(watched.path / "previews")[-1]["previews"]:
        assert each["prompt"] in held_out


def test_events_have_the_figures_of_the_log_and_the_previews(watched: weft.Run) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(watched.path / "tensorboard"), size_guidance={"scalars": 0, "tensors": 0})
    found.Reload()
    tags = found.Tags()
    assert {
        "training/loss", "training/learning_rate", "training/gradient_norm", "training/tokens_per_second",
        "training/text/nats_per_token", "held-out/loss", "held-out/text/bits_per_byte",
    } <= set(tags["scalars"])  # fmt: skip
    logged = [(row["step"], row["loss"]) for row in rows(watched) if "loss" in row]
    assert [(each.step, pytest.approx(each.value)) for each in found.Scalars("training/loss")] == logged
    assert [each.step for each in found.Tensors("previews/text-1/text_summary")] == [
        index["step"] for index in read_previews(watched.path / "previews")
    ]


def test_every_modality_of_a_run_is_shown(
    notes_plugin: None, notes_folders: dict[str, Path], text_corpus: weft.Corpus, tmp_path: Path,
    tiny_train: Callable[..., weft.Run],
) -> None:  # fmt: skip
    run = tiny_train([text_corpus, notes_folders["captioned corpus"]], tmp_path / "run", steps=12, previews=2)
    shown = read_previews(run.path / "previews")[-1]["previews"]
    assert [each["modality"] for each in shown] == ["text", "text", "notes", "notes"]
    assert {each["prompt"] for each in shown[2:]} == {"high tune", "low tune"}
    assert all((run.path / "previews" / "step-000012" / each["file"]).is_file() for each in shown)


def test_a_callback_of_a_plugin_cannot_change_the_run(
    fake_plugins: Any, plain: weft.Run, text_corpus: weft.Corpus, tmp_path: Path, tiny_train: Callable[..., weft.Run]
) -> None:
    fake_plugins.install("weft_watch", CALLBACKS, parts=NOISY)
    run = tiny_train(text_corpus, tmp_path / "run", steps=24, dropout=0.1, ema=0.9, previews=0)
    calls = (run.path / "calls.txt").read_text().split()
    assert (calls[0], calls[-1], calls.count("step")) == ("begin", "end", 24)
    assert calls.count("evaluation") == calls.count("checkpoint") > 1
    assert weights(run) == weights(plain)
    assert rows(run) == rows(plain)


@pytest.mark.parametrize(("method", "step"), [("after_step", 10), ("after_evaluation", 12), ("after_checkpoint", 12)])
def test_a_callback_that_raises_ends_the_run_after_it_was_saved(
    fake_plugins: Any, plain: weft.Run, text_corpus: weft.Corpus, tmp_path: Path, tiny_train: Callable[..., weft.Run],
    monkeypatch: pytest.MonkeyPatch, method: str, step: int,
) -> None:  # fmt: skip
    fake_plugins.install("weft_watch", CALLBACKS, parts=FAILING.replace("METHOD", method).replace("STEP", "10"))
    out = tmp_path / "run"
    expected = (
        r"^the callback weft_watch.parts:Watch of weft-watch raised RuntimeError: no more ink \(weft_watch/parts.py:7"
        rf"\) at step {step}; everything up to step {step + 1} is saved: mend the plugin or turn it off "
        r"\(WEFT_DISABLE_PLUGINS=weft-watch\), then go on with --resume$"
    )
    with pytest.raises(weft.TrainingError, match=expected):
        tiny_train(text_corpus, out, steps=24, dropout=0.1, ema=0.9, previews=0)
    monkeypatch.setenv("WEFT_DISABLE_PLUGINS", "weft-watch")
    reset_registry()
    run = weft.train(text_corpus, out=out, resume=True)
    assert weights(run) == weights(plain)
    assert rows(run) == rows(plain)


def test_a_callback_that_cannot_begin_stops_the_run_at_once(
    fake_plugins: Any, text_corpus: weft.Corpus, tmp_path: Path, tiny_train: Callable[..., weft.Run]
) -> None:
    fake_plugins.install("weft_watch", CALLBACKS, parts=FAILING.replace("METHOD", "begin").replace("STEP", "0"))
    with pytest.raises(weft.TrainingError, match=r"no more ink .* at step 0: mend the plugin"):
        tiny_train(text_corpus, tmp_path / "run", steps=24)
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_how_a_run_is_watched_may_change_when_it_is_resumed(
    fake_plugins: Any, watched: weft.Run, text_corpus: weft.Corpus, tmp_path: Path, tiny_train: Callable[..., weft.Run],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    fake_plugins.install("weft_watch", CALLBACKS, parts=FAILING.replace("METHOD", "after_step").replace("STEP", "13"))
    options = {"steps": 24, "dropout": 0.1, "ema": 0.9}
    with pytest.raises(weft.TrainingError, match="no more ink"):
        tiny_train(text_corpus, tmp_path / "run", **options, previews=3, tensorboard=True)
    monkeypatch.setenv("WEFT_DISABLE_PLUGINS", "weft-watch")
    reset_registry()
    run = weft.train(text_corpus, out=tmp_path / "run", resume=True, tensorboard=True, previews=3)
    assert weights(run) == weights(watched)
    steps = [index["step"] for index in read_previews(run.path / "previews")]
    assert steps == sorted(set(steps))
    assert steps[-1] == 24
    ours, theirs = (each.path / "previews" / "step-000024" / "1.txt" for each in (run, watched))
    assert ours.read_text() == theirs.read_text()
