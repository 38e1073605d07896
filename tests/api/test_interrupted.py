"""Training that cannot go on: signals, full disks, damaged checkpoints, a second process. With real processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import weft
from weft.cli.main import run as weft_command
from weft.storage.checkpoints import CheckpointStore
from weft.storage.lock import locked
from weft.training.stopping import ONE_REQUEST

STEPS = 60
OPTIONS: dict[str, Any] = {
    "size": "nano", "steps": STEPS, "seed": 3, "context": 16, "batch_size": 2, "threads": 1, "device": "cpu", "ema": 0.9
}  # fmt: skip
FLAGS = [part for name, value in OPTIONS.items() for part in (f"--{name.replace('_', '-')}", str(value))]

SLOW = """
import sys, time

from weft.cli.main import main
from weft.training.loop import Loop

whole, seconds, marker = Loop.train_step, float(sys.argv.pop(1)), sys.argv.pop(1)

def train_step(loop):
    if loop.step == 20 and loop.callbacks:
        open(marker, "w").close()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.01)
    return whole(loop)

Loop.train_step = train_step
main()
"""
"""The command line, whose 21st step takes long and says that it began."""


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def straight(text_corpus: weft.Corpus, tmp_path_factory: pytest.TempPathFactory) -> weft.Run:
    """The run that is never stopped."""
    return weft.train(text_corpus, out=tmp_path_factory.mktemp("straight") / "run", **OPTIONS)


@pytest.fixture
def begun(text_corpus: weft.Corpus, tmp_path: Path) -> Iterator[Callable[[float], subprocess.Popen[str]]]:
    """Starts the command, and returns while it is in its 21st step."""
    processes = []

    def begin(seconds: float) -> subprocess.Popen[str]:
        marker = tmp_path / "marker"
        command = [sys.executable, "-c", SLOW, str(seconds), str(marker), "train", str(text_corpus.path)]
        process = subprocess.Popen(
            [*command, "--out", str(tmp_path / "run"), *FLAGS], env=environment(), text=True, stderr=subprocess.PIPE
        )
        processes.append(process)
        until = time.monotonic() + 120
        while not marker.exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        assert process.poll() is None, process.communicate()
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def states(*runs: Path) -> list[Any]:
    return [weft.load(each).folder.checkpoints.load("last") for each in runs]  # type: ignore[union-attr]


def same(before: Any, after: Any) -> bool:
    return all(
        getattr(before, part).keys() == getattr(after, part).keys()
        and all(torch.equal(value, getattr(after, part)[name]) for name, value in getattr(before, part).items())
        for part in ("model", "average", "optimizer")
    )


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_during_a_step(
    begun: Any, text_corpus: weft.Corpus, straight: weft.Run, tmp_path: Path, number: int, status: int
) -> None:
    process = begun(1.0)
    process.send_signal(number)
    time.sleep(0.01)
    process.send_signal(number)  # as where a launcher hands on what the whole group got
    _, errors = process.communicate(timeout=120)
    assert process.returncode == status
    assert "stopping as soon as this step is saved; another signal quits at once" in errors
    assert errors.splitlines()[-1] == f"stopped at step 21 of {STEPS}, saved; go on with --resume"
    assert "Traceback" not in errors
    assert states(tmp_path / "run")[0].step == 21
    resumed = weft.train(text_corpus, out=tmp_path / "run", resume=True)
    assert same(*states(straight.path, resumed.path))


@pytest.mark.slow
def test_a_second_signal_quits_at_once(
    begun: Any, text_corpus: weft.Corpus, straight: weft.Run, tmp_path: Path
) -> None:
    process = begun(600.0)
    process.send_signal(signal.SIGTERM)
    time.sleep(ONE_REQUEST + 0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == -signal.SIGTERM
    assert states(tmp_path / "run")[0].step < 21
    resumed = weft.train(text_corpus, out=tmp_path / "run", resume=True)
    assert same(*states(straight.path, resumed.path))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, with room for a few checkpoints."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(place)], capture_output=True, check=False
    ) if shutil.which("mount") else None  # fmt: skip
    if mounted is None or mounted.returncode != 0:
        pytest.skip("this test may not mount a small file system here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.slow
def test_a_full_disk(small_disk: Path, text_corpus: weft.Corpus, straight: weft.Run, tmp_path: Path) -> None:
    """Milestones stay, until there is no room for another."""
    run = small_disk / "run"
    command = [sys.executable, "-m", "weft", "train", str(text_corpus.path), "--out", str(run), *FLAGS]
    done = subprocess.run(
        [*command, "--keep-every", "2"], env=environment(), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2, done.stderr
    message = done.stderr.splitlines()[-1]
    survivor = states(run)[0].step
    assert 0 < survivor < STEPS
    assert message == (
        f"error: {run} cannot be written (No space left on device); the checkpoint of step {survivor} is whole: make "
        f"room there, then go on with --resume"
    )
    assert not list((run / "checkpoints").glob(".*"))
    assert not list(run.glob(".*"))

    again = subprocess.run([*command, "--keep-every", "2", "--resume"], env=environment(), timeout=120, check=False)
    assert again.returncode == 2
    assert states(run)[0].step == survivor
    shutil.move(run, tmp_path / "moved")
    resumed = weft.train(text_corpus, out=tmp_path / "moved", resume=True)
    assert same(*states(straight.path, resumed.path))


@pytest.mark.slow
def test_a_file_that_may_not_be_so_large(text_corpus: weft.Corpus, tmp_path: Path) -> None:
    """The first checkpoint already is too much."""
    command = [sys.executable, "-m", "weft", "train", str(text_corpus.path), "--out", str(tmp_path / "run"), *FLAGS]
    limited = ["sh", "-c", 'ulimit -f 2000; exec "$@"', "sh", *command]
    done = subprocess.run(limited, env=environment(), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2, done.stderr
    assert "cannot be written (File too large); it had no checkpoint yet: make room there" in done.stderr
    assert not list((tmp_path / "run" / "checkpoints").iterdir())


@pytest.fixture
def damaged(straight: weft.Run, tmp_path: Path) -> Path:
    """A run whose last checkpoint lost its end."""
    run = tmp_path / "damaged"
    shutil.copytree(straight.path, run)
    path = run / "checkpoints" / f"step-{STEPS:08d}" / "average.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    return run


def test_training_goes_on_from_the_checkpoint_before(
    damaged: Path, straight: weft.Run, text_corpus: weft.Corpus, capsys: pytest.CaptureFixture[str]
) -> None:
    before = CheckpointStore(damaged / "checkpoints").steps()[-2]
    assert weft_command(["train", str(text_corpus.path), "--out", str(damaged), "--resume"]) == 0
    said = capsys.readouterr().err
    assert f"step-{STEPS:08d} is damaged (average.safetensors is not what was saved)" in said
    assert f"going on from step-{before:08d}, before it" in said
    assert same(*states(straight.path, damaged))


def test_generation_uses_the_checkpoint_before(damaged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert weft_command(["generate", str(damaged), "--checkpoint", "last", "--max-tokens", "3", "--seed", "0"]) == 0
    said = capsys.readouterr().err
    assert f"warning: checkpoint {damaged / 'checkpoints' / f'step-{STEPS:08d}'} is damaged" in said
    before = CheckpointStore(damaged / "checkpoints").steps()[-2]
    assert f"step-{before:08d} is used instead" in said


def test_no_checkpoint_is_whole(damaged: Path, text_corpus: weft.Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    for path in damaged.glob("checkpoints/*/*.safetensors"):
        path.write_bytes(b"")
    assert weft_command(["train", str(text_corpus.path), "--out", str(damaged), "--resume"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len([line for line in said if "none of its checkpoints is whole" in line]) == 1
    assert weft_command(["generate", str(damaged), "--seed", "0"]) == 2


def test_any_kept_checkpoint_generates(straight: weft.Run, capsys: pytest.CaptureFixture[str]) -> None:
    steps = straight.folder.checkpoints.steps()
    made = {}
    for which in ("last", *steps):
        made[which] = straight.generate("The", checkpoint=which, seed=0, max_tokens=4)[0].drawn.log_probabilities
    assert made["last"] == made[STEPS] != made[steps[0]]
    assert weft_command(["generate", str(straight.path), "--checkpoint", str(steps[0]), "--seed", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["text"]
    assert weft_command(["generate", str(straight.path), "--checkpoint", "7", "--seed", "0"]) == 2
    assert f"kept no checkpoint of step 7; it has {', '.join(map(str, steps))}" in capsys.readouterr().err


def test_averaged_weights_generate(straight: weft.Run) -> None:
    state = straight.folder.checkpoints.load("last")
    used = straight.folder.checkpoints.weights("last", pytest.fail)
    assert all(torch.equal(used[name], state.average[name]) for name in state.average)
    assert any(not torch.equal(used[name], state.model[name]) for name in state.model)


def test_two_processes_do_not_train_one_run(straight: weft.Run, text_corpus: weft.Corpus) -> None:
    with locked(straight.path), pytest.raises(weft.FolderError, match="is being trained by another process"):
        weft.train(text_corpus, out=straight.path, resume=True)
    weft.train(text_corpus, out=straight.path, resume=True)
