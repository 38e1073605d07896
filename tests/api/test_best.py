"""Trained too long on too little, a run keeps what did best on held-out data, uses it, and says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import weft
from weft.cli.main import run as weft_command
from weft.interfaces.progress import Silent
from weft.interfaces.trainer import LossSum
from weft.training.next_token import NextTokenTrainer


class Listener(Silent):
    """Remembers warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, message: str) -> None:
        self.warnings.append(message)


@pytest.fixture(scope="session")
def memorized(workshop: Path, tiny_train: Callable[..., weft.Run]) -> tuple[weft.Run, Listener]:
    """A hundred random words, learned by heart: nothing in them helps with the held-out ones."""
    words = torch.randint(97, 123, (150, 5), generator=torch.Generator().manual_seed(0)).tolist()
    (workshop / "words.txt").write_text(" ".join("".join(map(chr, word)) for word in words))
    corpus = weft.prepare(workshop / "words.txt", out=workshop / "corpora" / "words")
    listener = Listener()
    run = tiny_train(corpus, workshop / "runs" / "words", steps=240, dropout=0.0, reporter=listener)
    return run, listener


def validation(run: weft.Run) -> dict[int, float]:
    rows = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    return {row["step"]: row["validation/loss"] for row in rows if "validation/loss" in row}


def test_the_best_is_kept_beside_the_last(memorized: tuple[weft.Run, Listener]) -> None:
    run, _ = memorized
    summary, curve = run.summary(), validation(run)
    best = min(curve, key=lambda step: curve[step])
    assert best < summary["step"] == max(curve) == 240
    assert len(curve) == 12
    assert summary["checkpoints"]["best"]["step"] == best
    assert summary["checkpoints"]["last"]["step"] == 240
    assert summary["checkpoints"]["best"]["weights_sha256"] != summary["weights_sha256"]
    assert summary["validation"]["text"]["nats_per_token"] == pytest.approx(curve[best])


def test_memorizing_is_said(memorized: tuple[weft.Run, Listener]) -> None:
    run, listener = memorized
    (warning,) = listener.warnings
    curve = validation(run)
    best = min(curve, key=lambda step: curve[step])
    assert f"began to memorize: its held-out loss was best at step {best} ({curve[best]:.3f})" in warning
    assert f"ended at {curve[240]:.3f}" in warning
    assert "`generate` uses the best weights" in warning


def test_a_run_that_still_learns_gives_no_warning(
    tiny_train: Callable[..., weft.Run], text_corpus: weft.Corpus, tmp_path: Path
) -> None:
    listener = Listener()
    run = tiny_train(text_corpus, tmp_path / "run", steps=24, reporter=listener)
    assert listener.warnings == []
    assert run.summary()["checkpoints"]["best"]["step"] == 24


def test_generate_uses_the_best_unless_told(memorized: tuple[weft.Run, Listener], tmp_path: Path) -> None:
    run, _ = memorized
    options: dict[str, Any] = {"seed": 0, "n": 4, "max_tokens": 20}
    best, default, last = (
        [a.drawn.log_probabilities for a in run.generate(**choice, **options)]
        for choice in ({"checkpoint": "best"}, {}, {"checkpoint": "last"})
    )
    assert default == best != last


def test_the_last_knows_more_by_heart(memorized: tuple[weft.Run, Listener], workshop: Path) -> None:
    run, _ = memorized
    lesson = set((workshop / "words.txt").read_text().split())

    def known(which: str) -> float:
        artifacts = run.generate(checkpoint=which, temperature=0.5, seed=0, n=16, max_tokens=60)
        words = [word for artifact in artifacts for word in artifact.payload.split()[:-1]]
        return sum(word in lesson for word in words) / len(words)

    assert known("last") > 2 * known("best")


def test_inspect_says_which(memorized: tuple[weft.Run, Listener], capsys: pytest.CaptureFixture[str]) -> None:
    run, _ = memorized
    assert weft_command(["inspect", str(run.path), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["generate_uses"] == "best"
    assert set(summary) >= {"kind", "parameters", "step", "weights_sha256", "validation"}
    assert weft_command(["inspect", str(run.path)]) == 0
    shown = capsys.readouterr().out
    best, last = (summary["held_out_loss"][which] for which in ("best", "last"))
    assert f"  best      step {best['step']}, which generate uses: " in shown
    rise = f"its held-out loss was best at step {best['step']} ({best['loss']:.3f}) and ended at {last['loss']:.3f}"
    assert rise in " ".join(shown.split())
    assert weft_command(["inspect", "--all", str(run.path)]) == 0
    assert summary["checkpoints"]["best"]["weights_sha256"] in capsys.readouterr().out


def test_with_nothing_held_out_nobody_can_tell(tiny_train: Callable[..., weft.Run], tmp_path: Path) -> None:
    (tmp_path / "lines.jsonl").write_text('{"prompt": "one", "response": "only one answer"}\n')
    listener = Listener()
    corpus = weft.prepare(tmp_path / "lines.jsonl", out=tmp_path / "corpus", reporter=listener)
    assert "too little to hold anything out" in listener.warnings.pop()
    run = tiny_train(corpus, tmp_path / "run", steps=3, batch_size=1, reporter=listener)
    assert "nothing was held out" in listener.warnings.pop()
    summary = run.summary()
    assert summary["validation"] == {}
    assert summary["checkpoints"]["best"] == summary["checkpoints"]["last"]


def test_steps_that_were_left_out_are_told(
    tiny_train: Callable[..., weft.Run], text_corpus: weft.Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One batch of twelve has a loss that is no number."""
    whole, listener, steps = NextTokenTrainer.loss, Listener(), iter(range(100))

    def loss(trainer: NextTokenTrainer, model: Any, batch: Any) -> LossSum:
        found = whole(trainer, model, batch)
        return replace(found, total=found.total * torch.nan) if model.training and next(steps) == 5 else found

    monkeypatch.setattr(NextTokenTrainer, "loss", loss)
    tiny_train(text_corpus, tmp_path / "run", steps=12, skip_nonfinite=True, reporter=listener)
    assert "1 step of 12 left out: loss or gradient was not finite" in listener.warnings
