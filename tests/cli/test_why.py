"""``weft why`` prints an explanation, for people and for programs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import weft
from weft.cli.main import run

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("why")
    (folder / "poems").mkdir()
    for name in ("rose", "tulip", "copy-of-rose"):
        text = "a rose is a rose" if "rose" in name else "a tulip is no rose"
        (folder / "poems" / f"{name}.txt").write_text(f"{text} " * 20)
    (folder / "poems" / "README.md").write_text("poems")
    weft.prepare(folder / "poems", out=folder / "corpus", modality="text")
    return folder / "corpus"


def test_it_explains_in_words(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["why", str(corpus), str(corpus.parent / "poems" / "rose.txt")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "rose.txt: read, and its one sample is rejected"
    assert lines[1] == f"  from {corpus.parent / 'poems'}, no license stated"
    assert lines[2].startswith("  turned away when it was compared with the others, as duplicate: ")
    assert any(line.strip().startswith("like copy-of-rose.txt, which is kept") for line in lines)


def test_its_json_is_documented(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["why", str(corpus), "tulip", "--json"]) == 2
    assert "did you mean" not in capsys.readouterr().out
    assert run(["why", str(corpus), "tulip.txt", "--sample", "0", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    page = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    section = page.split("## One file of a corpus\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(told)
    (sample,) = told["each"]
    prose = section.split("Each sample has")[1]
    assert [name for name in sample if f"`{name}`" not in prose] == []
    assert (told["item"], told["kept"], sample["verdict"]) == ("tulip.txt", 1, "kept")


def test_what_is_not_there_is_said(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["why", str(corpus), "tulips.txt"]) == 2
    assert capsys.readouterr().err == "error: no item of this corpus is called tulips.txt; did you mean tulip.txt?\n"
    assert run(["why", str(corpus), "README.md"]) == 0
    assert capsys.readouterr().out.startswith("README.md: left out, since ")
    assert run(["why", str(corpus.parent), "x"]) == 2
    assert run(["why", str(corpus), "tulip.txt", "--sample", "-1"]) == 2
