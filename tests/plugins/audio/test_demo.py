"""The demo's notes: the same every time, in tune, told apart, with a few bad files beside them."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weft_audio import demo
from weft_audio.demo import PITCHES, AudioDemo, caption, play
from weft_audio.instruments import INSTRUMENTS


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("demo")
    AudioDemo().write_source(folder, 3)
    return folder


def digest(folder: Path) -> str:
    names = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(str(p.relative_to(folder)).encode() + p.read_bytes() for p in names)).hexdigest()


def test_equal_seeds_give_equal_files(source: Path, tmp_path: Path) -> None:
    for name, seed in (("same", 3), ("other", 4)):
        (tmp_path / name).mkdir()
        AudioDemo().write_source(tmp_path / name, seed)
    assert digest(tmp_path / "same") == digest(source) != digest(tmp_path / "other")


@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_every_note_is_in_tune(instrument: str, strongest: Any) -> None:
    random = np.random.default_rng(0)
    for pitch, frequency in PITCHES.items():
        sound = play(instrument, pitch, random)
        ratio = strongest(sound) / frequency
        # The strongest partial may be a higher one than the fundamental.
        assert ratio / max(1, round(ratio)) == pytest.approx(1, abs=0.01)
        assert 0.2 < sound.peak < 0.85
        assert 0.59 < sound.seconds < 0.71


def test_takes_differ() -> None:
    random = np.random.default_rng(0)
    assert len({play("guitar", "A4", random) for _ in range(5)}) == 5


def test_it_prepares_and_bad_files_are_rejected(
    source: Path, prepare_audio: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = prepare_audio(source, tokens=62, near="off")
    counts = corpus.manifest["counts"]
    assert counts["items_rejected"] == {"unreadable": 2}
    assert counts["rejected"] == {"duplicate": 1, "silent": 1, "too-short": 1}
    assert counts["kept"] == len(INSTRUMENTS) * len(PITCHES) * demo.TAKES
    rejected = {row["item"] for row in corpus.verdicts() if row["verdict"] == "rejected"}
    assert rejected == {f"unsorted/{path.name}" for path in (source / "unsorted").iterdir()}
    assert corpus.manifest["options"]["audio.rate"] == demo.RATE


def test_requests_ask_for_what_there_is(source: Path) -> None:
    with (source / "captions.csv").open(encoding="utf-8", newline="") as file:
        captions = {row["caption"] for row in csv.DictReader(file)}
    prompts = [request.prompt for request in AudioDemo().requests()]
    assert set(prompts) <= captions
    assert len(prompts) == len(set(prompts)) >= len(INSTRUMENTS)
    assert captions == {caption(instrument, pitch) for instrument in INSTRUMENTS for pitch in PITCHES}
