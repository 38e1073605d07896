"""Killed twenty times at random moments and resumed each time, a run is the run that was never stopped.

With real processes and a real SIGKILL. They are forked from one that has imported everything, so that the moments lie
in the training and not in the imports; a clock of milliseconds makes checkpoints lie anywhere between evaluations.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image, ImageDraw

import weft

STEPS = 400
KILLS = 20
FEW_STEPS, FEW_KILLS = 120, 6

FLAGS = [
    *("--batch-size", "2", "--dropout", "0.1", "--ema", "0.99"),
    *("--threads", "1", "--device", "cpu", "--checkpoint-minutes", "0.001", "--keep-every", "97"),
]

REAPER = """
import json, os, random, signal, sys, time, traceback

import torch

from weft.cli.main import run
from weft.models import sizes

kills, straight, killed, *train = sys.argv[1:]
sizes.SIZES["tiny"] = sizes.Size(
    layers=2, width=32, heads=2, kv_heads=1, head_size=16, hidden=96, learning_rate=0.02, tokens_per_step=256,
    text_context=32, training_tokens=10_000,
)

def begun(out):
    process = os.fork()
    if process == 0:
        status = 70
        try:
            status = run([*train, "--out", out, "--resume", "--quiet"])
        except BaseException:
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(status)
    return process

def last(out):
    names = [name for name in os.listdir(f"{out}/checkpoints") if name.startswith("step-")] if os.path.isdir(
        f"{out}/checkpoints") else []
    return int(max(names, default="step-0").removeprefix("step-"))

def lasted(work):
    began = time.monotonic()
    assert work() == 0
    return time.monotonic() - began

# In this process, so that whatever is imported late is there for the forked ones.
whole = lasted(lambda: run([*train, "--out", straight, "--resume", "--quiet"]))
start = lasted(lambda: os.waitpid(begun(straight), 0)[1])
random.seed(0)
reached = []
share = int(train[train.index("--steps") + 1]) / int(kills)
for number in range(int(kills)):
    before, process, ended = last(killed), begun(killed), (0, 0)
    # However slow the machine has become, every other life saves at least once.
    while number % 2 and last(killed) == before and ended[0] == 0:
        time.sleep(0.005)
        ended = os.waitpid(process, os.WNOHANG)
    # However fast it has become, no life gets so far that few are left.
    moment = time.monotonic() + random.uniform(0 if number % 2 else start / 2, start + whole / 10)
    far = before + random.uniform(0, 1.7 * share)
    while time.monotonic() < moment and last(killed) <= far and ended[0] == 0:
        time.sleep(random.uniform(0, 0.01))
        ended = os.waitpid(process, os.WNOHANG)
    if ended[0] == 0:
        os.kill(process, signal.SIGKILL)
        ended = os.waitpid(process, 0)
    ended = ended[1]
    reached.append([last(killed), os.WIFSIGNALED(ended)])
assert os.waitpid(begun(killed), 0)[1] == 0
print(f"the whole took {whole:.2f} s, starting {start:.2f} s", file=sys.stderr)
print(json.dumps(reached))
"""


def write_text(folder: Path) -> None:
    words = ("cat", "dog", "bird", "fish", "horse", "mouse", "sees", "likes", "hears")
    random = np.random.default_rng(0)
    lines = [f"The {random.choice(words)} {random.choice(words)} number {i}." for i in range(80)]
    (folder / "prose.txt").write_text("\n".join(lines))


def write_images(folder: Path) -> None:
    random = np.random.default_rng(0)
    for color in ("red", "blue"):
        (folder / f"{color}_disk").mkdir()
        for number in range(30):
            image = Image.new("RGB", (16, 16), tuple(random.integers(0, 256, 3).tolist()))
            left, top = random.integers(1, 6, 2).tolist()
            ImageDraw.Draw(image).ellipse((left, top, left + 9, top + 9), fill=color)
            image.save(folder / f"{color}_disk" / f"{number}.png")


def write_audio(folder: Path) -> None:
    random = np.random.default_rng(0)
    for name, low in (("low", 200.0), ("high", 900.0)):
        (folder / name).mkdir()
        for number in range(16):
            pitch = low * random.uniform(1, 1.3)
            wave = 0.5 * np.sin(2 * np.pi * pitch * np.arange(3200) / 8000) * np.linspace(1, 0.2, 3200)
            soundfile.write(folder / name / f"{number}.wav", wave + random.normal(0, 0.01, 3200), 8000)


CLOCKED = {"seconds", "tokens_per_second", "share_of_peak"}

MAKERS: dict[str, Any] = {
    "text": (write_text, {"text.vocab_size": 300}),
    "image": (write_images, {"image.codec_steps": 3, "image.near": "off", "image.size": 16}),
    "audio": (write_audio, {"audio.codec_steps": 2}),
}


def logged(run: Path) -> list[dict[str, Any]]:
    """Every row of the log, without what was measured by the clock."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name not in CLOCKED} for row in rows]


def prepared(modality: str, folder: Path) -> weft.Corpus:
    write, options = MAKERS[modality]
    source = folder / f"{modality}-source"
    source.mkdir()
    write(source)
    return weft.prepare(source, out=folder / modality, options=options, device="cpu")


@pytest.mark.slow
@pytest.mark.parametrize("modality", MAKERS)
def test_twenty_times(modality: str, tmp_path: Path) -> None:
    corpus = prepared(modality, tmp_path)
    check_killed(tmp_path, [str(corpus.path), "--size", "tiny"], STEPS, KILLS)


@pytest.mark.slow
def test_a_mixture_in_both_directions(tmp_path: Path) -> None:
    """Which corpus a sample is of, and which way round it is learned, follows from its place as well."""
    corpora = [str(prepared(modality, tmp_path).path) for modality in ("text", "image")]
    flags = ["--size", "tiny", "--mix", "text=1,image=2", "--reverse", "0.5"]
    check_killed(tmp_path, [*corpora, *flags], FEW_STEPS, FEW_KILLS)
    assert "image-to-text" in weft.load(tmp_path / "killed").summary()["target_tokens"]


@pytest.mark.slow
def test_adapters(tmp_path: Path, tiny_train: Callable[..., weft.Run]) -> None:
    """Beside weights that never change, and are in no checkpoint."""
    corpus = prepared("text", tmp_path)
    base = tiny_train(corpus, tmp_path / "base", steps=20)
    check_killed(tmp_path, [str(corpus.path), "--init-from", str(base.path), "--lora", "4"], FEW_STEPS, FEW_KILLS)
    summary = weft.load(tmp_path / "killed").summary()
    assert summary["parameters_trained"] < summary["parameters"]


def check_killed(folder: Path, train: list[str], steps: int, kills: int) -> None:
    """The run that is killed is the run that is not, to the last bit of its weights and its log."""
    straight, killed = folder / "straight", folder / "killed"
    flags = [*train, *FLAGS, "--steps", str(steps)]
    command = [sys.executable, "-c", REAPER, str(kills), str(straight), str(killed), "train", *flags]
    done = subprocess.run(
        command,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    reached = json.loads(done.stdout.splitlines()[-1])
    print(done.stderr, reached)
    died = [step for step, by_signal in reached if by_signal]
    assert len(died) >= 0.75 * kills, f"lives ended by themselves: {reached}"
    assert len(set(died)) >= kills / 4, f"it was killed at the same place again and again: {reached}"

    states = [weft.load(each).folder.checkpoints.load("last") for each in (straight, killed)]  # type: ignore[union-attr]
    for part in ("model", "average", "optimizer"):
        before, after = (getattr(state, part) for state in states)
        assert before.keys() == after.keys() != set()
        assert all(torch.equal(before[name], after[name]) for name in before), part
    assert states[0].step == states[1].step == steps
    assert states[0].notes == states[1].notes
    assert logged(killed) == logged(straight)
    assert [row["step"] for row in logged(straight) if "loss" in row] == list(range(10, steps + 1, 10))
    for each in (straight, killed):
        store = weft.load(each).folder.checkpoints  # type: ignore[union-attr]
        assert set(range(97, steps, 97)) <= set(store.steps())
        assert not list(store.folder.glob(".*"))
