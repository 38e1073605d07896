"""Previews on disk and on their page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from weft.errors import FolderError
from weft.interfaces.generator import Artifact, Drawn, SamplingOptions
from weft.pages.previews import read_previews, write_previews
from weft.plugins.registry import get_registry


def artifact(modality: str, payload: Any, prompt: str | None, seed: int = 3) -> Artifact[Any]:
    payload_format = get_registry().payload_format(modality)
    options = SamplingOptions(temperature=0.5, seed=seed)
    return Artifact(payload, modality, prompt, Drawn([1, 2], [-0.1, -0.2], seed, True), options, payload_format)


def test_a_step_has_an_index_with_all_that_made_its_files(tmp_path: Path) -> None:
    shown = [artifact("text", "To be", "To"), artifact("image", Image.new("RGB", (4, 4), "red"), "a <red> square")]
    target = write_previews(tmp_path / "previews", 12, shown, {"loss": 2.5}, "Previews")
    assert target == tmp_path / "previews" / "step-000012"
    index = json.loads((target / "index.json").read_text())
    assert (index["step"], index["figures"]) == (12, {"loss": 2.5})
    text, image = index["previews"]
    assert (text["prompt"], text["seed"], text["settings"]["temperature"]) == ("To", 3, 0.5)
    assert (target / text["file"]).read_text() == "To be"
    assert Image.open(target / image["file"]).getpixel((0, 0)) == (255, 0, 0)


def test_the_page_shows_steps_in_order_and_escapes_prompts(tmp_path: Path) -> None:
    folder = tmp_path / "previews"
    for step in (30, 4, 200):
        write_previews(folder, step, [artifact("image", Image.new("L", (4, 4)), "a <b> square")], {}, "Runs & more")
    page = (folder / "index.html").read_text()
    assert [int(each) for each in re.findall(r"step (\d+), seed 3", page)] == [4, 30, 200]
    assert "a &lt;b&gt; square" in page
    assert "<b>" not in page
    assert "Runs &amp; more" in page
    sources = re.findall(r'src="([^"]+)"', page)
    assert len(sources) == 3
    assert all((folder / source).is_file() for source in sources)


def test_a_step_that_is_done_again_takes_the_place_of_the_first(tmp_path: Path) -> None:
    for text in ("first", "second"):
        write_previews(tmp_path, 5, [artifact("text", text, None)], {}, "x")
    (index,) = read_previews(tmp_path)
    assert (tmp_path / "step-000005" / index["previews"][0]["file"]).read_text() == "second"
    assert (tmp_path / "index.html").read_text().count("<figure") == 1


def test_a_step_without_its_index_does_not_count(tmp_path: Path) -> None:
    write_previews(tmp_path, 5, [artifact("text", "whole", None)], {}, "x")
    (tmp_path / "step-000009").mkdir()
    assert [index["step"] for index in read_previews(tmp_path)] == [5]
    (tmp_path / "step-000009" / "index.json").write_text("[")
    with pytest.raises(FolderError, match="is damaged"):
        read_previews(tmp_path)
