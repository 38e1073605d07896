"""Real corpora, with rows written by hand where the pipeline has nothing to say of what is to be shown."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import weft
from weft.plugins.registry import get_registry
from weft.preparation.report.write import write_report
from weft.storage.corpus import EXAMPLES_FILE, VERDICTS_FILE, CorpusFolder
from weft.storage.tables import EXAMPLES, VERDICTS, ExampleRow, VerdictRow, write_rows

ATTACK = "<script>alert('x')</script>\"&"
WORDS = [
    "river",
    "stone",
    "window",
    "letter",
    "garden",
    "winter",
    "paper",
    "silver",
    "morning",
    "engine",
    "harbor",
    "candle",
    "forest",
    "mirror",
    "thunder",
    "bridge",
    "kitchen",
    "wagon",
    "feather",
    "island",
    "market",
    "shadow",
    "pencil",
    "valley",
    "copper",
    "orchard",
    "ladder",
    "whistle",
    "pillow",
    "meadow",
]


def prose(seed: int) -> str:
    """Some words that are like those of no other seed."""
    return "The brown fox saw the lazy dog: " + " ".join(random.Random(seed).choices(WORDS, k=60)) + "."


@pytest.fixture(scope="session")
def text_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts with hostile names and contents, some of which are turned away."""
    folder = tmp_path_factory.mktemp("texts")
    source = folder / 'so"urce & <b>'
    (source / "deep").mkdir(parents=True)
    for number in range(24):
        (source / f"text-{number:02d}.txt").write_text(prose(number), encoding="utf-8")
    (source / "copy.txt").write_text(prose(3), encoding="utf-8")
    (source / "<script>alert(1)<").mkdir()
    (source / "<script>alert(1)<" / "script>.txt").write_text(f"{ATTACK} {prose(99)}", encoding="utf-8")
    (source / "quote\"'`|*.txt").write_text("", encoding="utf-8")
    (source / "deep" / "text-00.txt").write_text("Another text of the same name, in another folder.", encoding="utf-8")
    (source / "deep" / "lines.jsonl").write_text(
        "\n".join(json.dumps({"text": prose(100 + n)}) for n in range(30)) + "\n{broken\n", encoding="utf-8"
    )
    (source / "README.md").write_text("about", encoding="utf-8")
    (source / ".hidden").write_text("hidden", encoding="utf-8")
    (source / "binary.xyz").write_bytes(b"\x00\x01")
    with open(bytes(source) + b"/bad\xff.txt", "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write("A text whose name is no UTF-8, which is possible on POSIX systems.")
    open(bytes(source) + b"/empty\xff.txt", "w").close()  # noqa: PTH123
    weft.prepare(source, out=folder / "corpus", modality="text")
    return folder / "corpus"


@pytest.fixture(scope="session")
def image_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures with captions, one of them twice and one blank."""
    folder = tmp_path_factory.mktemp("images")
    (folder / "source" / "noise").mkdir(parents=True)
    chance = np.random.default_rng(0)
    for number in range(30):
        pixels = chance.integers(0, 255, (4, 4, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        Image.fromarray(pixels).save(folder / "source" / "noise" / f"{number:02d}.png")
    shutil.copy(folder / "source" / "noise" / "04.png", folder / "source" / "noise" / "zz.png")
    Image.new("RGB", (32, 32), "white").save(folder / "source" / "noise" / "white.png")
    options = {"image.size": 32, "image.codec_steps": 2}
    weft.prepare(folder / "source", out=folder / "corpus", modality="image", options=options)
    return folder / "corpus"


Change = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]


@pytest.fixture
def changed(tmp_path: Path) -> Callable[..., CorpusFolder]:
    """A copy of a corpus whose verdicts are changed, with examples put beside them."""

    def make(corpus: Path, change: Change = list, examples: tuple[ExampleRow, ...] = ()) -> CorpusFolder:
        copy = tmp_path / "copy"
        shutil.copytree(corpus, copy)
        rows = CorpusFolder.open(copy).verdicts()
        for row in rows:
            row["figures"], row["changes"] = dict(row["figures"] or ()), list(row["changes"] or ())
        write_rows(copy / VERDICTS_FILE, [VerdictRow(**row) for row in change(rows)], VERDICTS)
        write_rows(copy / EXAMPLES_FILE, examples, EXAMPLES)
        return CorpusFolder.open(copy)

    return make


@pytest.fixture
def report() -> Callable[[CorpusFolder], str]:
    """Writes the report into the folder of a corpus, and gives the page."""

    def write(corpus: CorpusFolder) -> str:
        write_report(corpus, corpus.path, get_registry())
        return (corpus.path / "report.html").read_text(encoding="utf-8")

    return write
