"""A dry run says what training would take, and leaves everything as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import weft
from weft.cli.main import run
from weft.storage.hashing import hash_folder


def test_a_plan_is_what_training_does(text_corpus: weft.Corpus, tmp_path: Path) -> None:
    before = hash_folder(text_corpus.path)
    plan = weft.plan(text_corpus, size="100k", steps=24, threads=1, seed=3)
    assert hash_folder(text_corpus.path) == before
    trained = weft.train(text_corpus, out=tmp_path / "run", size="100k", steps=24, threads=1, seed=3)
    summary = trained.summary()
    assert plan.parameters == summary["parameters"]
    assert plan.decided.settings.to_json() == summary["settings"]
    assert plan.decided.model.to_json() == trained.folder.manifest.model
    values = plan.to_json()
    assert values["time"]["source"] == "measured"
    assert values["memory"]["weights"] == 4 * plan.parameters
    memory = values["memory"]
    assert memory["gradients"] == memory["weights"]
    assert memory["weights"] <= memory["optimizer"] < 2 * memory["weights"]  # Muon keeps one number for each, AdamW two
    assert memory["average"] == memory["gathered"] == 0
    assert min(memory[kind] for kind in ("activations", "logits", "update", "program")) > 0
    lasting = sum(memory[kind] for kind in ("weights", "gradients", "optimizer", "program"))
    # Activations are gone when the optimizer moves.
    assert memory["total"] == lasting + max(memory["activations"] + memory["logits"], memory["update"])
    assert values["tokens"]["recommended"] == 2_000_000


def test_the_command_prints_it(text_corpus: weft.Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", str(text_corpus.path), "--dry-run", "--size", "100k", "--epochs", "2", "--threads", "1"]
    assert run(command) == 0
    shown, told = capsys.readouterr()
    assert [line.partition(":")[0] for line in told.splitlines()] == ["measuring memory", "timing"]
    for words in ("dry run", "parameters", "tokens", "steps", "time", "activations", "optimizer", "--shard full"):
        assert words in shown
    assert run([*command, "--json", "--out", str(tmp_path / "never")]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["epochs"] == pytest.approx(2, rel=0.1)
    assert not (tmp_path / "never").exists()


def test_what_does_not_fit_is_estimated_instead_of_tried(
    text_corpus: weft.Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weft.training.outlook.free_memory", lambda device: 1000)
    plan = weft.plan(text_corpus, size="100k", steps=24, threads=1)
    assert plan.to_json()["time"]["source"] == "estimated"
    assert plan.to_json()["time"]["total"] > 0


@pytest.mark.parametrize(
    ("options", "problem"), [(["--resume"], "leave out --resume or --dry-run"), (["--size", "1T"], "unknown")]
)
def test_what_is_refused(
    text_corpus: weft.Corpus, options: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", str(text_corpus.path), "--dry-run", *options]) == 2
    assert problem in capsys.readouterr().err


def test_a_folder_is_needed_to_train(text_corpus: weft.Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", str(text_corpus.path)]) == 2
    assert "name the folder to write by --out" in capsys.readouterr().err
