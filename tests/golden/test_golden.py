"""What an earlier version wrote is still opened, used and gone on with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import weft
from weft.cli.main import run as weft_command
from weft.models.sizes import SIZES, Size
from weft.storage import corpus, run
from weft.storage.hashing import hash_folder

FOLDERS = sorted(path.parent for path in Path(__file__).parent.glob("*/expected.json"))


@pytest.fixture(params=FOLDERS, ids=lambda path: path.name)
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy, since some uses write into a folder."""
    return Path(shutil.copytree(request.param, tmp_path / "golden"))


@pytest.fixture
def expected(golden: Path) -> dict[str, Any]:
    return dict(json.loads((golden / "expected.json").read_text()))


def opened(path: Path) -> Any:
    return weft.load(path)


def test_there_is_one_of_the_present_schema() -> None:
    """Raising a schema version means: make one more (``make.py``), and add a migration for the older."""
    assert f"corpus-{corpus.SCHEMA}-run-{run.SCHEMA}" in [path.name for path in FOLDERS]
    assert sum(path.stat().st_size for path in FOLDERS[0].rglob("*") if path.is_file()) < 200_000


def test_the_corpus_is_read(golden: Path, expected: dict[str, Any]) -> None:
    found = opened(golden / "corpus")
    found.folder.verify()
    summary = found.summary()
    said = {name: summary[name] for name in expected["corpus"]}
    if isinstance(expected["corpus"]["sources"][0], str):  # schema 1 knew names alone
        said["sources"] = [source["location"] for source in said["sources"]]
    assert said == expected["corpus"]
    verdicts = found.folder.verdicts()
    assert len(verdicts) == summary["items"] + summary["samples"]


def test_the_corpus_is_trained_on(golden: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        SIZES,
        "golden",
        Size(
            layers=1,
            width=8,
            heads=1,
            kv_heads=1,
            head_size=8,
            hidden=32,
            learning_rate=0.02,
            tokens_per_step=128,
            text_context=32,
            training_tokens=10_000,
        ),
    )
    options: dict[str, Any] = {"size": "golden", "steps": 2, "batch_size": 2, "device": "cpu"}
    assert weft.train(golden / "corpus", out=golden / "new", **options).summary()["step"] == 2


def told(before: Any, now: Any) -> Any:
    """Of what is said now, that which was said before: newer versions say more."""
    if isinstance(before, dict) and isinstance(now, dict):
        return {name: told(value, now[name]) for name, value in before.items()}
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        return [told(*pair) for pair in zip(before, now, strict=True)]
    return now


def test_the_run_is_read(golden: Path, expected: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    summary = json.loads(json.dumps(opened(golden / "run").summary()))
    before = expected["run"]
    before["settings"].pop("micro_batches", None)  # what there is instead is the size of one
    assert told(before, summary) == before
    assert weft_command(["inspect", "--all", str(golden / "run")]) == 0
    assert expected["run"]["weights_sha256"] in capsys.readouterr().out


def test_the_run_generates_what_it_did(golden: Path, expected: dict[str, Any]) -> None:
    options: dict[str, Any] = {"temperature": 0, "seed": 0, "max_tokens": 12, "precision": "float64", "device": "cpu"}
    (artifact,) = opened(golden / "run").generate(expected["prompt"], **options)
    assert list(artifact.drawn.tokens) == expected["tokens"]
    assert artifact.payload == expected["text"]


def test_the_run_is_resumed(golden: Path) -> None:
    before = hash_folder(golden / "run")
    weft.train(golden / "corpus", out=golden / "run", resume=True)
    assert hash_folder(golden / "run") == before
