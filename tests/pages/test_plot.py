"""Loss curves: what stands in which panel, where its points are, and that the picture is one."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import weft
from weft.cli.main import run as weft_command
from weft.errors import FolderError, OptionError
from weft.pages.curves import distinct_names, panels_of, smooth
from weft.pages.plot import draw_losses
from weft.storage.run import RunFolder, RunManifest

A, B = "a" * 64, "b" * 64


def make_run(path: Path, rows: Sequence[Mapping[str, Any]], codecs: Mapping[str, str]) -> RunFolder:
    manifest = RunManifest({"steps": 1}, {}, {}, list(codecs), dict.fromkeys(codecs, (1, 2)), [], [], codecs, "0")
    run = RunFolder.create(path, manifest, {}, force=False)
    run.metrics_path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return run


def text_rows(start: float, count: int = 100) -> list[dict[str, float]]:
    """A loss that falls to two thirds, logged every 10 steps of 1000 tokens, evaluated every 200."""
    rows: list[dict[str, float]] = []
    for step in range(10, 10 * count + 1, 10):
        loss = start * (2 + math.exp(-step / 200)) / 3
        rows.append({"step": step, "loss": loss, "seconds": step / 2, "tokens": step * 1000})
        if step % 200 == 0:
            rows.append(
                {
                    "step": step,
                    "validation/loss": loss + 0.1,
                    "validation/text/nats_per_token": loss + 0.1,
                    "validation/text/bits_per_byte": (loss + 0.1) / 2,
                }
            )
    return rows


def titles(runs: Sequence[RunFolder]) -> list[tuple[str, str, list[str]]]:
    return [(panel.title, panel.unit, [c.name for c in panel.curves]) for panel in panels_of(runs, "steps")]


def test_runs_of_one_codec_share_their_panels(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name, text_rows(start), {"text": A}) for name, start in (("small", 5), ("large", 4))]
    assert titles(runs) == [
        ("text: nats per token", "nats per token", ["small", "large"]),
        ("text: bits per byte", "bits per byte", ["small", "large"]),
    ]
    tokens, bits = panels_of(runs, "steps")
    assert len(tokens.curves[0].training[0]) == 100
    assert tokens.curves[0].held_out[0].tolist() == [200, 400, 600, 800, 1000]
    assert len(bits.curves[0].training[0]) == 0, "training loss is not measured in bits per byte"


def test_tokens_of_different_codecs_are_not_compared_but_bytes_are(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name, text_rows(5), {"text": codec}) for name, codec in (("one", A), ("two", B))]
    assert titles(runs) == [
        ("text: nats per token (codec aaaaaaaa)", "nats per token", ["one"]),
        ("text: bits per byte", "bits per byte", ["one", "two"]),
        ("text: nats per token (codec bbbbbbbb)", "nats per token", ["two"]),
    ]


def test_modalities_have_panels_of_their_own_and_their_mean_another(tmp_path: Path) -> None:
    held_out = {"validation/image/nats_per_token": 2.0, "validation/text/nats_per_token": 4.0}
    rows: list[dict[str, float]] = [{"step": 10, "loss": 3.0, "seconds": 1.0}, {"step": 10, **held_out}]
    mixed = make_run(tmp_path / "mixed", rows, {"text": A, "image": B})
    rows = [{"step": 10, "loss": 2.5}, {"step": 10, "validation/image/nats_per_token": 2.6}]
    alone = make_run(tmp_path / "alone", rows, {"image": B})
    assert titles([mixed, alone]) == [
        ("text, image: loss", "loss", ["mixed"]),
        ("text: nats per token", "nats per token", ["mixed"]),
        ("image: nats per token", "nats per token", ["mixed", "alone"]),
    ]


def test_an_objective_without_figures_of_its_own_has_its_loss(tmp_path: Path) -> None:
    rows = [{"step": 10, "loss": 3.0}, {"step": 10, "validation/loss": 2.5}]
    (panel,) = panels_of([make_run(tmp_path / "odd", rows, {"melody": A})], "steps")
    assert (panel.unit, panel.curves[0].training[1].tolist(), panel.curves[0].held_out[1].tolist()) == (
        "loss", [3.0], [2.5],
    )  # fmt: skip


def test_evaluations_stand_where_their_step_is_on_every_axis(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", text_rows(5), {"text": A})
    tokens = panels_of([run], "tokens")[0].curves[0]
    assert tokens.training[0].tolist() == [step * 1000 for step in range(10, 1001, 10)]
    assert tokens.held_out[0].tolist() == [200_000, 400_000, 600_000, 800_000, 1_000_000]
    minutes = panels_of([run], "minutes")[0].curves[0]
    assert minutes.held_out[0] == pytest.approx([100 / 60, 200 / 60, 5, 400 / 60, 500 / 60])


def test_a_log_without_tokens_is_not_drawn_over_tokens(tmp_path: Path) -> None:
    rows = [{name: value for name, value in row.items() if name != "tokens"} for row in text_rows(5)]
    run = make_run(tmp_path / "old", rows, {"text": A})
    with pytest.raises(OptionError, match="did not log tokens"):
        panels_of([run], "tokens")


def test_losses_that_are_no_numbers_are_left_out(tmp_path: Path) -> None:
    rows = [{"step": 10, "loss": 3.0}, {"step": 20, "loss": math.nan}, {"step": 30, "loss": 2.0}]
    (panel,) = panels_of([make_run(tmp_path / "run", rows, {"melody": A})], "steps")
    assert panel.curves[0].training[0].tolist() == [10, 30]


@given(st.lists(st.floats(-1e3, 1e3), max_size=300))
def test_smoothing_keeps_places_and_range(values: list[float]) -> None:
    places = np.arange(len(values), dtype=np.float64)
    at, smoothed = smooth((places, np.array(values, np.float64)))
    assert at is places
    assert len(smoothed) == len(values)
    if values:
        assert smoothed[0] == pytest.approx(values[0], abs=1e-6)
        assert min(values) - 1e-6 <= smoothed.min() <= smoothed.max() <= max(values) + 1e-6


def test_smoothing_leaves_a_straight_line_as_it_is() -> None:
    line = np.linspace(5, 1, 400)
    assert smooth((line, line))[1][:-5] == pytest.approx(line[:-5])


def test_smoothing_calms_the_whole_curve() -> None:
    noise = np.random.default_rng(0).normal(size=400)
    smoothed = smooth((noise, noise))[1]
    assert np.abs(smoothed[5:]).max() < np.abs(noise[5:]).max() * 0.75


def test_names_are_as_short_as_they_can_be(tmp_path: Path) -> None:
    one, two, three = tmp_path / "a" / "run", tmp_path / "b" / "run", tmp_path / "b" / "other"
    assert distinct_names([one, three]) == ["run", "other"]
    assert distinct_names([one, two]) == ["a/run", "b/run"]
    assert distinct_names([one, one]) == ["run", "run"]


def test_equal_runs_do_not_hide_each_other(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name, text_rows(5), {"text": A}) for name in ("one", "again")]
    runs.append(make_run(tmp_path / "other", text_rows(4), {"text": A}))
    drawn = {}
    for number in (1, 2, 3):
        draw_losses(runs[:number], tmp_path / "loss.svg", force=True)
        drawn[number] = (tmp_path / "loss.svg").read_text()
    widths = {number: re.findall(r"stroke-width: ([\d.]+)", picture) for number, picture in drawn.items()}
    assert "4.1" in widths[2], "the first is wider, and seen around the second"
    assert "4.1" not in widths[1]
    assert widths[3].count("4.1") == widths[2].count("4.1"), "another run is drawn as ever"


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_equal_runs_give_equal_pictures(tmp_path: Path, kind: str) -> None:
    run = make_run(tmp_path / "run", text_rows(5), {"text": A})
    for name in ("one", "two"):
        draw_losses([run], tmp_path / f"{name}.{kind}", log_y=True)
    data = (tmp_path / f"one.{kind}").read_bytes()
    assert data == (tmp_path / f"two.{kind}").read_bytes()
    assert data.startswith({"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}[kind])


def test_every_option_draws(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / f"run-{number}", text_rows(3 + number), {"text": A}) for number in range(3)]
    sizes = set()
    for axis in ("steps", "tokens", "minutes"):
        draw_losses(runs, tmp_path / f"{axis}.png", axis=axis, log_x=axis == "tokens")  # type: ignore[arg-type]
        sizes.add((tmp_path / f"{axis}.png").stat().st_size)
    assert len(sizes) == 3


def test_tenths_of_a_minute_are_no_thousandths(tmp_path: Path) -> None:
    rows = [{**row, "seconds": 0.4 * number} for number, row in enumerate(text_rows(5))]
    draw_losses([make_run(tmp_path / "short", rows, {"text": A})], tmp_path / "x.svg", axis="minutes")
    drawn = (tmp_path / "x.svg").read_text()
    assert "<!-- 0.2 -->" in drawn, re.findall("<!-- .* -->", drawn)
    assert "<!-- 200m -->" not in drawn


def test_a_file_that_is_there_is_replaced_by_force_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, out = make_run(tmp_path / "run", text_rows(5), {"text": A}), tmp_path / "loss.png"
    out.write_bytes(b"mine")
    command = ["plot", str(run.path), "--out", str(out)]
    assert weft_command(command) == 2
    assert f"{out} is already there; choose another name by --out or pass --force" in capsys.readouterr().err
    with pytest.raises(OptionError, match="is already there"):
        weft.plot([run.path], out=out)
    assert out.read_bytes() == b"mine"
    assert weft_command([*command, "--force"]) == 0
    drawn = out.read_bytes()
    assert drawn.startswith(b"\x89PNG")
    out.unlink()
    assert weft_command(command) == 0
    assert out.read_bytes() == drawn
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OptionError, match="is a folder; name a file"):
        weft.plot([run.path], out=tmp_path / "folder.png", force=True)


def test_what_cannot_be_drawn_gets_a_sentence(tmp_path: Path) -> None:
    empty = make_run(tmp_path / "empty", [], {"text": A})
    with pytest.raises(FolderError, match=r"empty has logged no losses yet.*train it first"):
        draw_losses([empty], tmp_path / "x.png")
    damaged = make_run(tmp_path / "damaged", [{"loss": 3}], {"text": A})
    with pytest.raises(FolderError, match=r"metrics.jsonl is damaged"):
        draw_losses([damaged], tmp_path / "x.png")
    run = make_run(tmp_path / "run", text_rows(5), {"text": A})
    with pytest.raises(OptionError, match=r"x.bmp must end with .png, .pdf, .svg"):
        draw_losses([run], tmp_path / "x.bmp")
    with pytest.raises(OptionError, match="nowhere does not exist"):
        draw_losses([run], tmp_path / "nowhere" / "x.png")
    with pytest.raises(OptionError, match="at least one run"):
        draw_losses([], tmp_path / "x.png")
