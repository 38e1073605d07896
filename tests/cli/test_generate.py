"""``weft generate`` over a run that draws nothing: seeds, output and streaming are the command's own."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import weft
from weft.cli.main import run
from weft.interfaces.generator import Artifact, Drawn, SamplingOptions
from weft.interfaces.payload import PayloadFormat


class NoteFormat(PayloadFormat[Any]):
    extension = ".note"

    def to_bytes(self, payload: Any) -> bytes:
        return str(payload).encode()

    def from_bytes(self, data: bytes) -> Any:
        return data.decode()

    def html(self, payload: Any, path: Path, *, title: str) -> str:
        return title


class FakeRun:
    """Stands for a trained run: each artifact tells what it was asked for."""

    def __init__(self, modality: str) -> None:
        self.modality = modality
        self.calls: list[dict[str, Any]] = []
        self.folder = SimpleNamespace(manifest=SimpleNamespace(modalities=[modality], known_directions=[]))

    def generate(self, prompt: str | None = None, **options: Any) -> list[Artifact[Any]]:
        self.calls.append({"prompt": prompt, **options})
        settings = SamplingOptions(temperature=options["temperature"] or 0.7, n=1)
        return [self._artifact(prompt, replace(settings, seed=options["seed"] + i)) for i in range(options["n"])]

    def _artifact(self, prompt: str | None, settings: SamplingOptions) -> Artifact[Any]:
        assert settings.seed is not None
        payload = f"{prompt} {settings.seed}" if self.modality == "text" else settings.seed
        drawn = Drawn([1, 2], [-0.5, -0.25], settings.seed, finished=True)
        return Artifact(payload, self.modality, prompt, drawn, settings, NoteFormat())

    def stream(self, prompt: str | None = None, **options: Any) -> Iterator[str]:
        self.calls.append({"prompt": prompt, **options})
        yield from ("to ", "be")


@pytest.fixture
def fake_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A function that makes ``weft.load`` give a fake run of a modality."""
    monkeypatch.chdir(tmp_path)

    def use(modality: str) -> FakeRun:
        made = FakeRun(modality)
        monkeypatch.setitem(vars(weft), "Run", FakeRun)
        monkeypatch.setitem(vars(weft), "load", lambda path: made)
        return made

    return use


def lines(capsys: pytest.CaptureFixture[str]) -> list[Any]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_seeds_run_on_across_prompts(fake_run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    fake_run("text")
    assert run(["generate", "r", "a", "b", "-n", "3", "--seed", "10", "--json"]) == 0
    rows = lines(capsys)
    assert [(row["prompt"], row["seed"]) for row in rows] == [(p, s) for s, p in enumerate("aaabbb", start=10)]
    assert rows[4]["text"] == "b 14"
    assert rows[4]["settings"]["seed"] == 14
    assert "path" not in rows[4]


def test_without_a_seed_one_is_picked_and_reported(fake_run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    fake_run("text")
    run(["generate", "r", "--json"])
    run(["generate", "r", "--json"])
    first, second = lines(capsys)
    assert first["seed"] != second["seed"]
    assert first["prompt"] is None


def test_what_is_not_text_is_saved_below_out(fake_run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    fake_run("image")
    assert run(["generate", "r", "a red bike", "-n", "2", "--seed", "3"]) == 0
    paths = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert paths == [Path("out/a-red-bike-3.note"), Path("out/a-red-bike-4.note")]
    assert [path.read_text() for path in paths] == ["3", "4"]


def test_out_says_where_and_json_says_the_path(fake_run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    fake_run("text")
    assert run(["generate", "r", "hello", "--seed", "1", "--out", "here", "--json"]) == 0
    (row,) = lines(capsys)
    assert row["path"] == "here/hello-1.note"
    assert Path(row["path"]).read_text() == row["text"] == "hello 1"


@pytest.mark.parametrize("several", [["a", "-n", "100"], ["a", "b"]])
def test_several_artifacts_do_not_go_into_one_file(
    several: list[str], fake_run: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """That is said before any is drawn."""
    made = fake_run("text")
    assert run(["generate", "r", *several, "--out", "one.TXT"]) == 2
    assert "one.TXT is one file, and there are several artifacts" in capsys.readouterr().err
    assert made.calls == []
    assert run(["generate", "r", *several, "--out", "folder.v2"]) == 0
    assert len(list(Path("folder.v2").iterdir())) == sum(call["n"] for call in made.calls) > 1


def test_one_artifact_goes_into_one_file(fake_run: Any) -> None:
    fake_run("image")
    assert run(["generate", "r", "--seed", "7", "--out", "one.note"]) == 0
    assert Path("one.note").read_text() == "7"


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        (["--top-p", "0"], "top_p must be between"),
        (["--seed", "-1"], "seed must be between"),
        (["--stop", ""], "a stop text must not be empty"),
        (["--creativity", "wild"], "creativity 'wild' is unknown"),
    ],
)
def test_a_bad_value_is_said_before_the_run_is_opened(
    option: list[str], expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[Path] = []
    monkeypatch.setitem(vars(weft), "load", opened.append)
    assert run(["generate", "r", *option]) == 2
    assert expected in capsys.readouterr().err
    assert opened == []


def test_text_is_printed_and_told_apart(fake_run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    fake_run("text")
    run(["generate", "r", "hi", "--seed", "5"])
    assert capsys.readouterr().out == "hi 5\n"
    run(["generate", "r", "hi", "-n", "2", "--seed", "5"])
    assert capsys.readouterr().out == "--- seed 5, prompt 'hi'\nhi 5\n--- seed 6, prompt 'hi'\nhi 6\n"


def test_text_on_a_terminal_is_streamed(
    fake_run: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = fake_run("text")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert run(["generate", "r", "Or not", "--seed", "9", "--creativity", "precise"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "to be\n"
    assert "seed 9" in captured.err
    (call,) = made.calls
    assert (call["seed"], call["creativity"], "to" in call, "n" in call) == (9, "precise", False, False)


def test_a_prompt_from_standard_input(fake_run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = fake_run("text")
    monkeypatch.setattr(sys, "stdin", io.StringIO("first\nsecond\n"))
    assert run(["generate", "r", "-"]) == 0
    assert made.calls[0]["prompt"] == "first\nsecond"


def test_every_option_reaches_the_run(fake_run: Any) -> None:
    made = fake_run("audio")
    given = {
        "to": "audio", "temperature": 0.5, "top_k": 5, "top_p": 0.9, "min_p": 0.1, "repetition_penalty": 1.1,
        "guidance": 1.5, "max_tokens": 7, "seconds": 1.5, "seed": 4, "n": 1, "checkpoint": "last",
        "precision": "float64", "device": "cpu", "threads": 3,
    }  # fmt: skip
    flags = [
        part for name, value in given.items() if name != "n" for part in (f"--{name.replace('_', '-')}", str(value))
    ]
    assert run(["generate", "r", "x", *flags, "--stop", "a", "--stop", "b"]) == 0
    (call,) = made.calls
    assert {name: call[name] for name in given} == given
    assert call["stop"] == ("a", "b")
    assert call["creativity"] is None


def test_a_corpus_cannot_generate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(vars(weft), "Run", FakeRun)
    monkeypatch.setitem(vars(weft), "load", lambda path: object())
    assert run(["generate", "c"]) == 2
    assert "c is a corpus, not a run; train on it first: weft train c --out RUN" in capsys.readouterr().err
