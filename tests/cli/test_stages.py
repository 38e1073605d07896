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
    "conditional": ["image"],
    "target_tokens": {"image": 769_386},
    "target_tokens_learned": {"image": 769_386},
    "parameters": 874_880,
    "parameters_trained": 874_880,
    "step": 711,
    "steps_planned": 711,
    "seconds": 185.4,
    "weights_sha256": "cd34",
    "validation": {"image": {"nats_per_token": 2.304}},
    "validation_last": {"image": {"nats_per_token": 2.304}},
    "held_out_loss": {"best": {"step": 711, "loss": 2.304}, "last": {"step": 711, "loss": 2.304}},
    "training_loss": {"step": 711, "loss": 2.1961, "steps": 1},
    "memorizing": None,
    "settings": {
        "size": "nano", "steps": 711, "batch_size": 64, "optimizer": "muon", "learning_rate": 0.02,
        "schedule": "trapezoid",
    },
    "model": {"context_length": 64},
    "corpora": [{"name": "photos", "sha256": "ab12"}],
    "started_from": None,
    "merged_from": None,
}  # fmt: skip


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
        "corpora/c d: a corpus of image, 12,342 of 12,345 samples kept",
        "",
        "  from      photos (license MIT, weight 2)",
        "  items     12,347 items offered (files, rows of tables, members of archives), 12,345 read",
        "            2 unreadable  broken.png: it is cut off",
        "  samples   12,345 in the items, 12,342 kept, 3 rejected",
        "            2 blank           a.png: it is all white",
        "            1 near-duplicate",
        "  captions  7 of 12,342 kept samples have one",
        "  split     11,107 parts of samples to train on, 1,235 to validate with (held out: items)",
        "  tokens    98,765",
        "  codec     image-fsq of image: 1,000 ids, learned in 5 steps, psnr_db 24.05",
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


def test_a_run_to_go_on_with_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "--resume", "nowhere"]) == 2
    assert (
        "there is no run in nowhere; name the run to go on with: `weft train --resume RUN`" in capsys.readouterr().err
    )


def test_a_run_to_go_on_with_may_stand_where_corpora_do(stage: Any, tmp_path: Path) -> None:
    recorder = stage("train", RUN)
    (tmp_path / "run.json").touch()
    assert run(["train", "--resume", str(tmp_path)]) == 0
    ((corpora,), named) = recorder.calls[0]
    assert (corpora, named["out"], named["resume"]) == ([], tmp_path, True)


def inspected(path: str, capsys: pytest.CaptureFixture[str], *flags: str) -> list[str]:
    assert run(["inspect", path, *flags]) == 0
    return capsys.readouterr().out.splitlines()


def test_inspect_shows_a_run_to_people(stage: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stage("load", RUN)
    (tmp_path / "previews").mkdir()
    (tmp_path / "previews" / "index.html").touch()
    assert inspected(str(tmp_path), capsys) == [
        f"{tmp_path}: a run of image, 711 steps in 3 min 05 s",
        "",
        "  model     874,880 parameters (nano, context 64)",
        "  learned   corpus photos: 769,386 target tokens in all steps",
        "  steps     of 64 rows; muon, peak learning rate 0.02 (trapezoid)",
        "  held out  image 2.304 nats per token",
        "  best      step 711, the last that was judged",
        "  training  loss 2.196, of the last step",
        f"  previews  {tmp_path / 'previews' / 'index.html'}",
        "",
        f"next    weft generate {tmp_path} 'your prompt'",
        f"        weft plot {tmp_path}",
    ]


OVERFIT = {
    **RUN,
    "modalities": ["text", "notes"],
    "conditional": [],
    "target_tokens": {"text": 1_000, "notes": 20_000},
    "target_tokens_learned": {"text": 1_000, "notes": 20_000},
    "parameters_trained": 2_000,
    "held_out_loss": {"best": {"step": 1_200, "loss": 2.0}, "last": {"step": 2_400, "loss": 2.5}},
    "validation": {"text": {"nats_per_token": 1.5, "bits_per_byte": 2.25}, "notes": {"nats_per_token": 3.0}},
    "validation_last": {"text": {"nats_per_token": 2.0, "bits_per_byte": 3.0}, "notes": {"nats_per_token": 3.5}},
    "training_loss": {"step": 2_400, "loss": 0.5, "steps": 10},
    "memorizing": "the model began to memorize; more data would help",
    "step": 2_400,
    "steps_planned": 2_400,
    "seconds": None,
    "settings": {"size": "5M", "steps": 2_400, "batch_size": 1, "learning_rate": 0.003},
    "corpora": [{"name": "poems"}, {"name": "tunes"}],
    "started_from": {"name": "base", "step": 30_000, "weights_sha256": "ef"},
}


def test_a_run_that_memorizes_says_so_and_which_weights_are_used(
    stage: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    stage("load", OVERFIT)
    assert inspected("r", capsys) == [
        "r: a run of text, notes, 2,400 steps",
        "",
        "  model     874,880 parameters (5M, context 64), of which 2,000 are learned (adapters)",
        "  began as  base at step 30,000",
        "  learned   corpora poems, tunes: 21,000 target tokens (1,000 of text, 20,000 of notes) in all steps",
        "  steps     of 1 row; peak learning rate 0.003",
        "  held out  average 2.500 nats per token: text 3.000 bits per byte (2.000 nats per token), notes 3.500 nats",
        "              per token",
        "  best      step 1,200, which generate uses: average 2.000 nats per token: text 2.250 bits per byte (1.500",
        "              nats per token), notes 3.000 nats per token; the last is 25 % above it",
        "  training  loss 0.500, the mean of the last 10 steps",
        "  overfit   the model began to memorize; more data would help",
        "",
        "next    weft generate r 'your prompt' --to text",
        "        weft plot r",
        "        weft merge r --out r-merged",
    ]


def test_losses_of_other_objectives_may_be_below_zero(stage: Any, capsys: pytest.CaptureFixture[str]) -> None:
    losses = {"best": {"step": 1_200, "loss": -2.0}, "last": {"step": 2_400, "loss": -1.5}}
    stage("load", {**OVERFIT, "held_out_loss": losses})
    assert "the last is 0.5 above it" in " ".join(" ".join(inspected("r", capsys)).split())


def test_inspect_says_where_a_run_stopped(stage: Any, capsys: pytest.CaptureFixture[str]) -> None:
    stage("load", {**RUN, "step": 60, "seconds": 15.23, "target_tokens_learned": {"image": 64_927}})
    lines = inspected("r", capsys)
    assert lines[0] == "r: a run of image, stopped at step 60 of 711 in 15.2 s"
    assert "  learned   corpus photos: 64,927 target tokens in 60 steps; 769,386 in 711 were planned" in lines
    assert "  training  loss 2.196, of the last step up to 711, which is not saved" in lines
    assert "next    weft train --resume r" in lines
    nothing = {"held_out_loss": {"best": None, "last": None}, "training_loss": None, "parameters": None}
    nothing |= {"target_tokens_learned": {"image": 0}, "seconds": None}
    stage("load", {**RUN, **nothing, "step": 0, "parameters_trained": None})
    assert inspected("r", capsys) == [
        "r: a run of image, stopped at step 0 of 711",
        "",
        "  model     nano, context 64; it has no checkpoint yet",
        "  learned   corpus photos: 0 target tokens in 0 steps; 769,386 in 711 were planned",
        "  steps     of 64 rows; muon, peak learning rate 0.02 (trapezoid)",
        "",
        "next    weft train --resume r",
    ]


def test_a_merged_run_says_what_was_folded_into_what(stage: Any, capsys: pytest.CaptureFixture[str]) -> None:
    base = {"name": "base", "step": 30_000, "weights_sha256": "ef"}
    adapters = {"name": "light", "rank": 4, "step": 711, "steps": 1_422}
    merged = {"merged_from": adapters, "started_from": base, "steps_planned": 1_422, "training_loss": None}
    stage("load", {**RUN, **merged, "target_tokens": {"image": 1_538_772}})
    lines = inspected("r", capsys)
    assert lines[0] == "r: a run of image, 711 steps in 3 min 05 s"
    assert "  merged    the adapters of light (rank 4, step 711 of 1,422), folded into the weights of base" in lines
    assert "  learned   corpus photos: 769,386 target tokens in 711 steps; 1,538,772 in 1,422 were planned" in lines
    assert [line for line in lines if "weft " in line] == ["next    weft generate r 'your prompt'"]


@pytest.mark.parametrize("summary", [SUMMARY, OVERFIT])
def test_inspect_shows_everything_when_asked(
    stage: Any, capsys: pytest.CaptureFixture[str], summary: dict[str, Any]
) -> None:
    stage("load", summary)
    lines = inspected("r", capsys, "--all")
    assert lines[0] == f"{summary['kind']} r"
    labels = {line.strip().split("  ")[0] for line in lines if not line.startswith("   ")}
    assert {name.replace("_", " ") for name in summary if name != "kind"} <= labels


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
