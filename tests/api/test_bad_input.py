"""A wrong input to ``train`` or ``generate``: one sentence, exit status 2, nothing left behind."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import weft
from weft.cli.main import run as weft_command

TRAIN = [
    ("--steps 5 --minutes 1", "steps and minutes exclude each other"),
    ("--steps 0", "steps must be above 0"),
    ("--minutes nan", "minutes must be"),
    ("--minutes inf", "minutes must be finite, got inf"),
    ("--minutes 0.00001", "minutes are too short on this machine"),
    ("--steps 5 --seed -1", "seed must be at least 0, got -1"),
    ("--steps 5 --size giant", "size 'giant' is unknown; choose one of nano"),
    ("--steps 5 --batch-size 0", "batch_size must be above 0"),
    ("--steps 5 --context 0", "context must be above 0"),
    ("--steps 5 --learning-rate nan", "learning_rate must be"),
    ("--steps 5 --dropout 1", "dropout must be below 1, got 1.0"),
    ("--steps 5 --threads 0", "threads must be above 0"),
    ("--steps 5 --device toaster", "device 'toaster' is not available here"),
    ("--steps 5 --learning-rate 1e30", "is not finite; the weights stay those before it. It was made of "),
    ("--steps five", "'five' is not a valid integer"),
]

GENERATE = [
    ("--to image", "this run cannot make 'image'; it was trained on text"),
    ("-n 0", "-n must be at least 1, got 0"),
    ("--temperature 1 --creativity precise", "--creativity sets the temperature"),
    ("--creativity wild", "creativity 'wild' is unknown; choose one of precise, balanced, creative"),
    ("--seed -1", "seed must be between 0"),
    ("--top-p 0", "top_p must be between"),
    ("--seconds 3", "text has no duration"),
    ("--checkpoint first", "checkpoint must be 'best', 'last' or the number of a step"),
    ("--precision half", "precision must be 'float32' or 'float64'"),
    ("--device toaster", "device 'toaster' is not available here"),
    ("--threads 0", "threads must be at least 1, got 0"),
]


def sentence(capsys: pytest.CaptureFixture[str]) -> str:
    """The one error that was shown."""
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    errors = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    return errors[0]


@pytest.mark.parametrize(("options", "expected"), TRAIN)
def test_train(
    options: str, expected: str, text_corpus: weft.Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", str(text_corpus.path), "--out", str(tmp_path / "run"), *options.split()]
    assert weft_command([*command, "--quiet"]) == 2
    assert expected in sentence(capsys)
    left = [path.name for path in tmp_path.iterdir()]
    assert left == (["run"] if "not finite" in expected else [])


@pytest.mark.parametrize(
    ("corpora", "expected"),
    [("absent", "absent does not exist"), (".", "it has no corpus.json"), ("prose.txt", "is no folder")],
)
def test_train_on_what_is_no_corpus(
    corpora: str, expected: str, workshop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert weft_command(["train", str(workshop / corpora), "--out", str(tmp_path / "run"), "--steps", "1"]) == 2
    assert expected in sentence(capsys)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("flags", [["--out", "run"], ["--dry-run"]])
def test_the_same_corpus_twice(
    flags: list[str], text_corpus: weft.Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    again = shutil.copytree(text_corpus.path, tmp_path / "again")
    for second in (text_corpus.path, again):
        assert weft_command(["train", str(text_corpus.path), str(second), *flags]) == 2
        assert f"{second} is the same corpus as {text_corpus.path}; give each corpus once" in sentence(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


@pytest.mark.parametrize(("options", "expected"), GENERATE)
def test_generate(
    options: str, expected: str, text_run: weft.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["generate", str(text_run.path), "The cat", "--out", str(tmp_path / "out"), *options.split()]
    assert weft_command(command) == 2
    assert expected in sentence(capsys)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["absent", "runs", "prose.txt"])
def test_generate_from_what_is_no_run(name: str, workshop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert weft_command(["generate", str(workshop / name)]) == 2
    assert "does not exist" in (shown := sentence(capsys)) or "neither a corpus nor a run" in shown


def test_generate_from_a_corpus(text_corpus: weft.Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    assert weft_command(["generate", str(text_corpus.path), "x"]) == 2
    assert "is a corpus, not a run; train on it first" in sentence(capsys)


def test_generate_before_the_first_checkpoint(
    text_run: weft.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(shutil.copytree(text_run.path, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints")))
    assert weft_command(["generate", out, "x"]) == 2
    assert "has no checkpoint yet; train it, or go on with --resume" in sentence(capsys)
    assert weft_command(["inspect", out]) == 0
