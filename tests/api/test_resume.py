"""A run is exact: killed anywhere and resumed, it is the run that was never stopped. With real processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import weft
from weft.cli.main import run as weft_command
from weft.storage.checkpoints import CheckpointStore
from weft.storage.hashing import hash_folder
from weft.training.loop import Loop

STEPS = 36
"""A checkpoint every three steps."""

MORTAL = """
import functools, itertools, os, signal, sys, types
from pathlib import Path

from weft.cli.main import main
from weft.training import calibration, decisions
from weft.training.loop import Loop

moment, step, *arguments = sys.argv[1:]

def dying(function, due):
    def wrapped(*args):
        if due(*args):
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args)
    return wrapped

if moment == "after-steps":
    Loop.train_step = dying(Loop.train_step, lambda loop: loop.step == int(step) and loop.callbacks)
elif moment == "before-naming":
    Path.rename = dying(Path.rename, lambda path, target: target.name == f"step-{int(step):08d}")
else:
    raise SystemExit(f"no such moment: {moment}")
# A clock that ticks whenever somebody looks: a budget of minutes becomes a few steps.
clock = itertools.count().__next__
decisions.time = types.SimpleNamespace(monotonic=clock)
calibration.measure = functools.partial(calibration.measure, now=clock)
sys.argv = ["weft", *arguments]
main()
"""
"""The command line, in a process that is killed at a moment: no handler runs, nothing is flushed."""


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def mortal(moment: str, step: int, *arguments: str) -> None:
    command = [sys.executable, "-c", MORTAL, moment, str(step), *arguments]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def killed_from_outside(when: Callable[[], bool], *arguments: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "weft", *arguments], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    until = time.monotonic() + 120
    while not when() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.002)
    process.kill()
    _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors.decode()


CLOCKED = {"seconds", "tokens_per_second", "share_of_peak"}


def losses(run: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name not in CLOCKED} for row in rows]


def untimed(summary: dict[str, Any]) -> dict[str, Any]:
    """A summary without what differs between two trainings that are the same."""
    return {name: value for name, value in summary.items() if name != "seconds"}


def seconds(run: Path) -> list[float]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [row["seconds"] for row in rows if "seconds" in row]


def inspect(run: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert weft_command(["inspect", str(run), "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out))


OPTIONS = {"size": "nano", "seed": 3, "context": 16, "batch_size": 2, "dropout": 0.1, "threads": 1, "device": "cpu"}
FLAGS = [part for name, value in OPTIONS.items() for part in (f"--{name.replace('_', '-')}", str(value))]


@pytest.mark.slow
def test_killed_at_three_moments_and_resumed(
    text_corpus: weft.Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    straight = weft.train(text_corpus, out=tmp_path / "straight", steps=STEPS, **OPTIONS)  # type: ignore[arg-type]
    run = tmp_path / "killed"
    train = ["train", str(text_corpus.path), "--out", str(run), "--steps", str(STEPS), *FLAGS, "--resume"]
    checkpoints = run / "checkpoints"

    mortal("after-steps", 2, *train)
    assert (run / "run.json").is_file()
    assert not checkpoints.exists()
    killed_from_outside((checkpoints / "step-00000009").exists, *train)
    assert CheckpointStore(checkpoints).step("last") < 27
    mortal("before-naming", 27, *train)
    assert (checkpoints / ".step-00000027.partial").is_dir()
    assert CheckpointStore(checkpoints).step("last") == 18
    resumed = weft.train(text_corpus, out=run, resume=True)

    summary = inspect(run, capsys)
    assert summary["step"] == STEPS
    assert summary == resumed.summary()
    assert untimed(summary) == untimed(inspect(straight.path, capsys))
    assert losses(run) == losses(straight.path)
    assert seconds(run) == sorted(seconds(run))
    names = ({path.name for path in (each / "checkpoints").iterdir()} for each in (run, straight.path))
    assert next(names) == next(names)


@pytest.mark.slow
def test_minutes_become_steps_once(
    text_corpus: weft.Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "killed"
    train = ["train", str(text_corpus.path), "--out", str(run), "--minutes", "1", *FLAGS]
    mortal("after-steps", 5, *train)
    settings = json.loads((run / "run.json").read_text())["settings"]
    assert settings["minutes"] == 1
    assert 12 <= settings["steps"] <= 40
    before = (run / "run.json").read_bytes()
    resumed = weft.train(text_corpus, out=run, minutes=1, resume=True)
    assert (run / "run.json").read_bytes() == before
    straight = weft.train(
        text_corpus,
        out=tmp_path / "straight",
        steps=settings["steps"],
        **OPTIONS,  # type: ignore[arg-type]
    )
    summary = inspect(run, capsys)
    assert summary["step"] == settings["steps"]
    assert summary["weights_sha256"] == resumed.summary()["weights_sha256"]
    assert summary["weights_sha256"] == straight.summary()["weights_sha256"]


def test_a_finished_run_is_left_as_it_is(text_corpus: weft.Corpus, text_run: weft.Run) -> None:
    before = hash_folder(text_run.path)
    again = weft.train(text_corpus, out=text_run.path, resume=True)
    assert hash_folder(text_run.path) == before
    assert again.summary() == text_run.summary()


def test_resume_begins_where_there_is_nothing_yet(
    tiny_train: Any, text_corpus: weft.Corpus, text_run: weft.Run, tmp_path: Path
) -> None:
    run = tiny_train(text_corpus, tmp_path / "run", resume=True)
    assert run.summary()["weights_sha256"] == text_run.summary()["weights_sha256"]


def test_equal_seeds_are_equal_runs_and_others_are_not(
    tiny_train: Any, text_corpus: weft.Corpus, text_run: weft.Run, tmp_path: Path
) -> None:
    other = tiny_train(text_corpus, tmp_path / "other", seed=1)
    assert other.summary()["weights_sha256"] != text_run.summary()["weights_sha256"]


def test_what_differs_is_listed(text_corpus: weft.Corpus, text_run: weft.Run, tmp_path: Path) -> None:
    before = hash_folder(text_run.path)
    with pytest.raises(weft.OptionError) as caught:
        weft.train(
            text_corpus, out=text_run.path, resume=True, size="tiny", steps=50, batch_size=4, context=64, seed=7,
            learning_rate=0.1, dropout=0.5,
        )  # fmt: skip
    message = str(caught.value)
    for part in ("steps was 40, now 50", "context was 32, now 64", "seed was 0, now 7", "learning_rate was 0.02"):
        assert part in message
    for same in ("size", "batch_size"):
        assert f"{same} was" not in message
    assert hash_folder(text_run.path) == before


def test_the_same_options_are_no_difference(tiny_train: Any, text_corpus: weft.Corpus, tmp_path: Path) -> None:
    options = {
        "steps": 3,
        "context": 32,
        "learning_rate": 0.01,
        "dropout": 0.2,
        "device": "cpu:0",
        "micro_batch_size": 2,
    }
    run = tiny_train(text_corpus, tmp_path / "run", **options)
    again = tiny_train(text_corpus, tmp_path / "run", resume=True, **options)
    assert again.summary() == run.summary()


def test_the_command_says_so_and_exits_with_2(
    text_corpus: weft.Corpus, text_run: weft.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", str(text_corpus.path), "--out", str(text_run.path), "--steps", "50", "--resume"]
    assert weft_command(command) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "cannot be resumed with other options (steps was 40, now 50); leave them out" in said
    assert f"or begin a new run from it (--init-from {text_run.path})" in said


def test_a_new_run_is_no_way_to_another_seed(text_corpus: weft.Corpus, text_run: weft.Run) -> None:
    """Even where the number of steps is said as well, and is as before."""
    with pytest.raises(weft.OptionError, match=r"\(seed was 0, now 7\); leave them out$"):
        weft.train(text_corpus, out=text_run.path, resume=True, steps=40, seed=7)


def test_other_corpora_are_refused(
    text_corpus: weft.Corpus, answer_corpus: weft.Corpus, text_run: weft.Run, workshop: Path, tmp_path: Path
) -> None:
    changed = weft.prepare(workshop / "more.txt", out=tmp_path / "changed")
    for corpora, named in (
        ([changed], r"changed \("),
        ([text_corpus, answer_corpus], rf"prose \({text_corpus.sha256[:12]}\), answers \("),
        ([answer_corpus], r"answers \("),
    ):
        with pytest.raises(weft.FolderError, match=rf"begun with prose \(.*\), and cannot go on with {named}"):
            weft.train(corpora, out=text_run.path, resume=True)


def test_a_corpus_that_changed_is_named(
    text_corpus: weft.Corpus, text_run: weft.Run, workshop: Path, tmp_path: Path
) -> None:
    """One of the same name, with other content."""
    changed = weft.prepare(workshop / "more.txt", out=tmp_path / text_corpus.path.name)
    before, now = (corpus.sha256[:12] for corpus in (text_corpus, changed))
    message = rf"the corpus prose has changed since .* was begun \(its content was {before}, now {now}\)"
    with pytest.raises(weft.FolderError, match=message):
        weft.train(changed, out=text_run.path, resume=True)


def test_an_output_in_the_way(text_corpus: weft.Corpus, text_run: weft.Run, tmp_path: Path) -> None:
    before = hash_folder(text_run.path)
    with pytest.raises(weft.FolderError, match="is a run already; go on with it by --resume"):
        weft.train(text_corpus, out=text_run.path, steps=3)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("do not lose")
    for options in ({"resume": True}, {"force": True}):
        with pytest.raises(weft.FolderError):
            weft.train(text_corpus, out=tmp_path / "mine", steps=3, **options)  # type: ignore[arg-type]
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]
    assert hash_folder(text_run.path) == before


def test_force_replaces_a_run(tiny_train: Any, text_corpus: weft.Corpus, tmp_path: Path) -> None:
    tiny_train(text_corpus, tmp_path / "run", steps=4)
    replaced = tiny_train(text_corpus, tmp_path / "run", steps=2, force=True)
    assert replaced.summary()["step"] == 2


class Interrupted(Exception):
    """Stands for whatever ends a process early, where killing it would add nothing."""


@pytest.mark.parametrize("stop", [1, 13, 26])
def test_interrupted_between_rows_of_the_log(
    tiny_train: Any,
    text_corpus: weft.Corpus,
    text_run: weft.Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stop: int,
) -> None:
    """The mean of the losses since the last row goes on, although checkpoints and rows are not written together."""
    whole = Loop.train_step

    def train_step(loop: Loop) -> dict[str, float]:
        if loop.step == stop and loop.callbacks:
            raise Interrupted
        return whole(loop)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "train_step", train_step)
        with pytest.raises(Interrupted):
            tiny_train(text_corpus, tmp_path / "run")
    resumed = tiny_train(text_corpus, tmp_path / "run", resume=True)
    assert losses(resumed.path) == losses(text_run.path)
    assert seconds(resumed.path) == sorted(seconds(resumed.path))
    assert untimed(resumed.summary()) == {**untimed(text_run.summary()), "corpora": resumed.summary()["corpora"]}


class TestElsewhere:
    """A run that is resumed on another device, which here only its run.json knows of."""

    @pytest.fixture
    def begun_on_cuda(self, text_run: weft.Run, tmp_path: Path) -> Path:
        shutil.copytree(text_run.path, tmp_path / "run")
        manifest = json.loads((tmp_path / "run" / "run.json").read_text())
        manifest["settings"]["device"] = "cuda:7"
        (tmp_path / "run" / "run.json").write_text(json.dumps(manifest))
        return tmp_path / "run"

    def test_a_device_that_is_not_there(self, begun_on_cuda: Path, text_corpus: weft.Corpus) -> None:
        with pytest.raises(weft.OptionError, match="begun on cuda:7, which is not available here; name another"):
            weft.train(text_corpus, out=begun_on_cuda, resume=True)

    def test_another_device_goes_on_with_a_warning(
        self, begun_on_cuda: Path, text_corpus: weft.Corpus, capsys: pytest.CaptureFixture[str]
    ) -> None:
        command = ["train", str(text_corpus.path), "--out", str(begun_on_cuda), "--resume", "--device", "cpu"]
        assert weft_command(command) == 0
        assert "begun on cuda:7: on cpu it goes on, but not bit for bit" in capsys.readouterr().err


def test_weights_that_do_not_fit_are_one_sentence(text_run: weft.Run, text_corpus: weft.Corpus, tmp_path: Path) -> None:
    shutil.copytree(text_run.path, tmp_path / "run")
    manifest = json.loads((tmp_path / "run" / "run.json").read_text())
    manifest["model"]["hidden"] += 32
    (tmp_path / "run" / "run.json").write_text(json.dumps(manifest))
    with pytest.raises(weft.FolderError, match=r"does not fit its run\.json") as caught:
        weft.train(text_corpus, out=tmp_path / "run", resume=True)
    assert "\n" not in str(caught.value)


def test_a_connection_that_is_lost_meanwhile_is_no_fault_of_the_checkpoint(
    text_run: weft.Run, text_corpus: weft.Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process puts its part of the weights where it belongs, together with others."""

    def lose(*_: object) -> None:
        raise RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:29512")

    monkeypatch.setattr(Loop, "restore", lose)
    with pytest.raises(RuntimeError, match="Connection closed by peer"):
        weft.train(text_corpus, out=text_run.path, resume=True)


@pytest.mark.parametrize("option", [{"seed": 0}, {"size": "nano"}, {"micro_batch_size": 2}])
def test_an_option_that_is_given_is_compared_even_if_it_is_the_default(
    option: dict[str, Any], text_corpus: weft.Corpus, tiny_train: Any, tmp_path: Path
) -> None:
    tiny_train(text_corpus, tmp_path / "run", steps=2, seed=7)
    with pytest.raises(weft.OptionError, match=f"{next(iter(option))} was"):
        weft.train(text_corpus, out=tmp_path / "run", resume=True, **option)
