"""``prepare``, ``train`` and ``inspect`` hand on what was typed, and show what came of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import weft
from weft.cli.main import run
from weft.cli.settings import read_assignments, read_config
from weft.cli.show import render
from weft.errors import OptionError

SUMMARY = {
    "kind": "corpus",
    "modalities": ["image"],
    "sources": [{"location": "photos", "weight": 2.0, "license": "MIT", "origin": None, "items": 12_347}],
    "items": 12_347,
    "items_read": 12_345,
    "items_rejected": {"unreadable": 2},
    "samples": 12_345,
    "kept": 12_342,
    "rejected": {"blank": 2, "near-duplicate": 1},
    "examples": [
        {"item": "broken.png", "reason": "unreadable", "detail": "it is cut off"},
        {"item": "a.png", "reason": "blank", "sample": 0, "detail": "it is all white"},
    ],
    "auxiliary": 1,
    "table_rows": {"used": 7, "unmatched": 2, "repeated": 0, "broken": 0},
    "parts": {"train": 11_107, "validation": 1_235},
    "held_out": "items",
    "captioned": 7,
    "options": {"image.min_size": 32, "image.flip": True, "image.codec_steps": None},
    "codecs": {"image": {"name": "image-fsq", "vocab_size": 1000, "steps": 5, "quality": {"psnr_db": 24.04791}}},
    "tokens": 98_765,
    "sha256": "ab12",
}

RUN = {
    "kind": "run",
    "modalities": ["image"],
    "step": 60,
    "weights_sha256": None,
    "settings": {"steps": 711, "batch_size": 64},
    "corpora": [{"name": "photos", "sha256": "ab12"}],
    "fresh": True,
    "validation": {},
}


class Recorder:
    """Stands for a stage: remembers what it was called with."""

    path = Path("c")

    def __init__(self, result: dict[str, Any]) -> None:
        self.result = result
        self.calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def __call__(self, *positional: Any, **named: Any) -> Any:
        self.calls.append((positional, named))
        return self

    def summary(self) -> dict[str, Any]:
        return self.result


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that puts a recorder in the place of a stage of the Python API."""

    def replace(name: str, result: dict[str, Any] = SUMMARY) -> Recorder:
        recorder = Recorder(result)
        monkeypatch.setitem(vars(weft), name, recorder)
        return recorder

    return replace


def test_prepare_hands_on_sources_and_options(stage: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorder = stage("prepare")
    config = tmp_path / "options.toml"
    config.write_text("[image]\nsize = 64\nflip = true\n")
    command = ["prepare", "a", "b", "--out", "c", "--set", "image.size=32", "--config", str(config), "--seed", "3"]
    more = ["--append", "--exclude", "d", "--harm", "off", "--filter", "f", "--codec", "e", "--processes", "3"]
    more += ["--license", "MIT", "--tokens", "64", "--limit", "ratio=50"]
    assert run([*command, *more, "--threads", "2", "--force", "--modality", "image", "--json"]) == 0
    ((sources,), named) = recorder.calls[0]
    assert [(source.location, source.license) for source in sources] == [("a", "MIT"), ("b", "MIT")]
    assert named.pop("reporter") is not None
    assert named.pop("limits") == weft.SourceLimits(ratio=50)
    assert named == {
        "append": True,
        "exclude": (Path("d"),),
        "harm": False,
        "filters": (Path("f"),),
        "codec": Path("e"),
        "processes": 3,
        "engine": "local",
        "item_seconds": 300.0,
        "out": Path("c"),
        "modality": "image",
        "options": {"image.size": "32", "image.flip": True, "image.tokens": "64"},
        "seed": 3,
        "threads": 2,
        "device": None,
        "force": True,
    }
    assert json.loads(capsys.readouterr().out) == SUMMARY


def test_one_config_serves_every_modality(stage: Any, tmp_path: Path) -> None:
    recorder = stage("prepare")
    config = tmp_path / "options.toml"
    config.write_text("[image]\nsize = 64\n[text]\nvocab_size = 300\n[audio]\ncodec_steps = 5\n")
    poem = tmp_path / "poem.txt"
    poem.write_text("roses")
    assert run(["prepare", str(poem), "--out", "c", "--config", str(config), "--set", "text.max_chars=9"]) == 0
    assert run(["prepare", "a", "--out", "c", "--config", str(config), "--modality", "image"]) == 0
    assert [(named["modality"], named["options"]) for _, named in recorder.calls] == [
        ("text", {"text.vocab_size": 300, "text.max_chars": "9"}),
        ("image", {"image.size": 64}),
    ]


def test_an_option_of_another_modality_is_an_error_where_it_is_typed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "poem.txt").write_text("roses")
    config = tmp_path / "options.toml"
    config.write_text("[image]\nsize = 64\n")
    command = ["prepare", str(tmp_path / "poem.txt"), "--out", str(tmp_path / "c"), "--config", str(config)]
    assert run([*command, "--set", "image.size=32"]) == 2
    assert "image.size is not an option here" in capsys.readouterr().err
    config.write_text("[image]\nsize = 64\n[text]\nsize = 1\n")
    assert run(command) == 2
    assert "text.size is not an option here" in capsys.readouterr().err


def test_train_hands_on_every_option(stage: Any) -> None:
    recorder = stage("train", RUN)
    given = {
        "size": "micro", "steps": 5, "seed": 2, "batch_size": 4, "micro_batch_size": 2, "context": 64,
        "learning_rate": 0.01, "dropout": 0.2, "threads": 1, "device": "cpu",
    }  # fmt: skip
    flags = [part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    assert run(["train", "a", "b", "--out", "r", *flags, "--resume"]) == 0
    ((corpora,), named) = recorder.calls[0]
    assert corpora == [Path("a"), Path("b")]
    assert named.pop("reporter") is not None
    named = {name: value for name, value in named.items() if value is not None}
    assert named == {**given, "out": Path("r"), "resume": True, "force": False}


def test_inspect_shows_a_corpus_to_people(stage: Any, capsys: pytest.CaptureFixture[str]) -> None:
    stage("load")
    assert run(["inspect", "corpora/c d"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "corpora/c d: a corpus of image, 12 342 of 12 345 samples kept",
        "",
        "  from      photos (license MIT, weight 2)",
        "  items     12 347 items offered (files, rows of tables, members of archives), 12 345 read",
        "            2 unreadable  broken.png: it is cut off",
        "  samples   12 345 in the items, 12 342 kept, 3 rejected",
        "            2 blank           a.png: it is all white",
        "            1 near-duplicate",
        "  captions  7 of 12 342 kept samples have one",
        "  split     11 107 parts of samples to train on, 1 235 to validate with (held out: items)",
        "  tokens    98 765",
        "  codec     image-fsq of image: 1 000 ids, learned in 5 steps, psnr_db 24.05",
        "  options   image.min_size=32 image.flip=true",
        "  left out  1 hidden, README, LICENSE or system file or folder; 2 rows of tables that name a file that is not",
        "              there",
        "  hash      ab12",
        "",
        "next    weft train 'corpora/c d' --out 'runs/c d'",
    ]


def test_a_corpus_with_a_report_says_where_it_is(
    stage: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage("load")
    (tmp_path / "report.html").touch()
    assert run(["inspect", str(tmp_path)]) == 0
    assert f"report  {tmp_path / 'report.html'}" in capsys.readouterr().out.splitlines()


def test_a_quiet_summary_is_none_but_for_programs(stage: Any, capsys: pytest.CaptureFixture[str]) -> None:
    stage("load")
    assert run(["inspect", "c", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert run(["--quiet", "inspect", "c", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == SUMMARY


def test_inspect_says_where_a_run_stopped(stage: Any, capsys: pytest.CaptureFixture[str]) -> None:
    stage("load", RUN)
    assert run(["inspect", "r"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "run r"
    assert lines[1].startswith("  stopped at step 60 of 711; ")
    assert "    batch size  64" in lines
    assert "    - name photos, sha256 ab12" in lines
    stage("load", {**RUN, "step": 711})
    assert run(["inspect", "r"]) == 0
    assert "stopped" not in capsys.readouterr().out


def test_inspect_json_is_the_summary(stage: Any, capsys: pytest.CaptureFixture[str]) -> None:
    stage("load")
    assert run(["inspect", "c", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == SUMMARY


def test_nothing_of_a_summary_is_left_out() -> None:
    text = "\n".join(render({"deep": {"deeper": {"deepest": [["x", 1], {"y": [2, 3]}]}}}))
    for expected in ("deep", "deeper", "deepest", "x, 1", "y 2, 3"):
        assert expected in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[images]\nsize = 3", r"\[images\] is no modality; there are image, text"),
        ("size = 3", "'size' stands outside a table"),
        ("[image\n", "is not valid TOML"),
        ("\xff", "is not valid TOML"),
    ],
)
def test_a_bad_config_is_one_sentence(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(OptionError, match=expected):
        read_config(path, ["image", "text"])


@pytest.mark.parametrize("assignment", ["size", "=3", " = 3"])
def test_an_assignment_needs_a_name_and_a_value(assignment: str) -> None:
    with pytest.raises(OptionError, match="--set takes OPTION=VALUE"):
        read_assignments([assignment])


def test_a_value_may_hold_an_equals_sign() -> None:
    assert read_assignments(["text.mark = a=b"]) == {"text.mark": "a=b"}
