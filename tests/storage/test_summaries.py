"""What ``weft inspect --json`` says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from weft.cli.show import render
from weft.errors import FolderError
from weft.storage.checkpoints import TrainingState
from weft.storage.corpus import CorpusFolder
from weft.storage.hashing import hash_file
from weft.storage.run import CorpusEntry, RunFolder, RunManifest
from weft.storage.summaries import corpus_summary, run_summary
from weft.storage.tables import PARTS, VERDICTS, PartRow, VerdictRow, write_rows


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    manifest = RunManifest(
        settings={"steps": 3}, model={"width": 2}, vocabulary={}, modalities=["text"], lengths={"text": [1, 2]},
        corpora=[CorpusEntry("c", "text", "ab")], conditional=[], codecs={"text": "cd"}, weft="0.1",
    )  # fmt: skip
    return RunFolder.create(tmp_path / "run", manifest, {}, force=False)


def save(run: RunFolder, step: int, *, best: bool, figures: dict[str, float] | None) -> None:
    weights = {"a": torch.full((2, 3), float(step)), "b": torch.zeros(4)}
    run.checkpoints.save(TrainingState(step, weights, {"m": torch.zeros(9)}, {"best": figures}), best=best)


def test_a_run_that_has_not_begun(run: RunFolder) -> None:
    summary = run_summary(run)
    assert (summary["kind"], summary["step"], summary["weights_sha256"], summary["validation"]) == ("run", 0, None, {})


def test_a_run(run: RunFolder) -> None:
    figures = {"step": 1, "loss": 2.0, "text/nats_per_token": 3.0, "text/bits_per_byte": 1.5}
    save(run, 1, best=True, figures=figures)
    save(run, 2, best=False, figures=figures)
    summary = run_summary(run)
    json.dumps(summary)
    assert summary["parameters"] == 10
    assert summary["step"] == 2
    assert summary["validation"] == {"text": {"nats_per_token": 3.0, "bits_per_byte": 1.5}}
    last, best = (run.path / "checkpoints" / f"step-0000000{i}" / "model.safetensors" for i in (2, 1))
    assert summary["weights_sha256"] == hash_file(last)
    assert summary["checkpoints"]["best"] == {"step": 1, "weights_sha256": hash_file(best)}


def test_losses_of_a_run(run: RunFolder) -> None:
    best = {"step": 1, "loss": 2.0, "text/nats_per_token": 2.0}
    for step, loss in ((1, 2.0), (2, 2.03), (3, 2.5)):
        notes = {"best": best, "last": {"step": step, "loss": loss, "text/nats_per_token": loss}}
        run.checkpoints.save(TrainingState(step, {"a": torch.zeros(2)}, {}, notes), best=step == 1)
        rows = [{"step": step, "loss": 3.0 - step}, {"step": step, "validation/loss": loss}]
        with run.metrics_path.open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
        summary = run_summary(run)
        assert summary["validation"] == {"text": {"nats_per_token": 2.0}}
        assert summary["validation_last"] == {"text": {"nats_per_token": loss}}
        assert summary["training_loss"] == {"step": step, "loss": 3.0 - step, "steps": 1}
        assert (summary["memorizing"] is None) == (step < 3)
    assert "best at step 1 (2.000) and ended at 2.500" in summary["memorizing"]
    shown = "\n".join(render(summary))
    assert "began to memorize" in shown
    assert "validation last" in shown


def test_what_was_learned_is_of_the_steps_that_are_saved(run: RunFolder) -> None:
    """A process was killed after its last checkpoint: the rows beyond it are of steps that will be made again."""
    manifest = replace(run.manifest, settings={"steps": 100}, target_tokens={"text": 1000, "image": 33})
    run = RunFolder(run.path, manifest)
    rows = [{"step": step, "loss": 3.0, "seconds": step / 4} for step in (10, 20, 30, 40)]
    run.metrics_path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    summary = run_summary(run)
    assert (summary["step"], summary["steps_planned"], summary["seconds"]) == (0, 100, None)
    assert summary["target_tokens_learned"] == {"text": 0, "image": 0}
    save(run, 25, best=True, figures=None)
    summary = run_summary(run)
    assert (summary["step"], summary["seconds"]) == (25, 5.0)
    assert (summary["training_loss"]["step"], summary["training_loss"]["steps"]) == (40, 10)
    assert summary["target_tokens"] == {"text": 1000, "image": 33}
    assert summary["target_tokens_learned"] == {"text": 250, "image": 8}


@pytest.mark.parametrize(
    "line",
    ["3", "[]", '{"loss": 2.0}', '{"step": null}', '{"step": "1"}', '{"step": 2, "loss": "low"}', "\udcff"],
)
def test_metrics_that_are_none(run: RunFolder, line: str) -> None:
    """Neither looked at nor gone on with."""
    data = b'{"step": 1, "loss": 2.0}\n' + line.encode(errors="surrogateescape") + b"\n"
    run.metrics_path.write_bytes(data)
    for use in (run_summary, lambda run: run.forget_metrics_after(1)):
        with pytest.raises(FolderError, match=r"metrics.jsonl is damaged \(.*\); restore the file, or remove it"):
            use(run)
    assert run.metrics_path.read_bytes() == data


def test_a_run_with_nothing_held_out(run: RunFolder) -> None:
    save(run, 1, best=True, figures=None)
    summary = run_summary(run)
    assert (summary["validation"], summary["validation_last"], summary["memorizing"]) == ({}, {}, None)


@pytest.mark.parametrize("name", ["model.safetensors", "state.json"])
def test_a_run_that_is_damaged(run: RunFolder, name: str) -> None:
    save(run, 1, best=True, figures=None)
    (run.path / "checkpoints" / "step-00000001" / name).write_text("{")
    with pytest.raises(FolderError, match="damaged"):
        run_summary(run)


def test_a_corpus(tmp_path: Path) -> None:
    rejected = [
        VerdictRow(f"{i}.x", sample, "rejected", "read", reason, f"no {i}")
        for i, (sample, reason) in enumerate([(0, "blank"), (0, "blank"), (0, "blank"), (None, "unreadable")])
    ]
    write_rows(tmp_path / "verdicts.parquet", rejected, VERDICTS)
    write_rows(tmp_path / "samples.parquet", [PartRow("a.x", 0, 0, "train", "typed", "ef")], PARTS)
    counts = {
        "items": 5, "items_read": 4, "items_rejected": {"unreadable": 1}, "samples": 4, "kept": 1,
        "rejected": {"blank": 3}, "train": 1, "validation": 0, "table_rows": {},
    }  # fmt: skip
    manifest = {
        "modality": "image", "sources": [{"location": "x"}], "options": {}, "seed": 0, "counts": counts,
        "held_out": "nothing", "codecs": {}, "tokens": 7, "text_bytes": 0, "sha256": "ab",
    }  # fmt: skip
    summary = corpus_summary(CorpusFolder(tmp_path, manifest))
    assert json.loads(json.dumps(summary)) == summary
    names = ("items", "items_rejected", "samples", "kept", "rejected")
    assert {name: summary[name] for name in names} == {name: counts[name] for name in names}
    assert (summary["kind"], summary["modalities"], summary["tokens"], summary["sha256"]) == (
        "corpus", ["image"], 7, "ab",
    )  # fmt: skip
    assert summary["prompts"] is True
    assert [example["item"] for example in summary["examples"]] == ["3.x", "0.x", "1.x"]
    assert summary["examples"][0] == {"reason": "unreadable", "item": "3.x", "detail": "no 3"}
