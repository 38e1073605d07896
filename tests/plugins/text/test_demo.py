"""The demo's text: prose, the same every time, with a few bad files beside it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

import weft
from weft_text import library
from weft_text.demo import TextDemo
from weft_text.prose import prose

DOCSTRING = """Return the value of the option, or the default that was given.

    The option is looked up in ``sys.flags`` and in :func:`os.getenv`; the first
    of them that is *set* wins, and it is a sentence.

    >>> value("x")  # This is a doctest which looks like a sentence and is none.
    1

    Arguments
    ---------
    name : str
        The name of the option that is looked up in all the places.

    - An entry of a list that reads as a sentence is taken without its mark.

    * One entry of a list of several, and there is another one.
    * Another entry of that list, which makes it a list.

    +------+-----+
    | name | use |
    +------+-----+

    for word in words: this(is_code) and = it is not + prose at all.

    too short.

    Copyright (c) by somebody who reserves all rights in this work for ever.
    """


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("demo")
    TextDemo().write_source(folder, 3)
    return folder


def digest(folder: Path) -> str:
    names = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(str(p.relative_to(folder)).encode() + p.read_bytes() for p in names)).hexdigest()


def test_only_prose_is_taken() -> None:
    assert list(prose(DOCSTRING)) == [
        "Return the value of the option, or the default that was given.",
        "The option is looked up in sys.flags and in os.getenv; the first of them that is set wins, and it is a "
        "sentence.",
        "An entry of a list that reads as a sentence is taken without its mark.",
    ]


@pytest.mark.slow
def test_equal_seeds_give_equal_files(source: Path, tmp_path: Path) -> None:
    TextDemo().write_source(tmp_path, 3)
    assert digest(tmp_path) == digest(source)


@pytest.mark.slow
def test_there_is_enough_prose_and_no_paragraph_occurs_twice(source: Path) -> None:
    folders = [source / "topics", source / "library"]
    documents = [path.read_text(encoding="utf-8") for folder in folders for path in sorted(folder.rglob("*.txt"))]
    assert len(documents) > 100
    assert sum(map(len, documents)) > 500_000
    paragraphs = [text for document in documents for text in document.rstrip("\n").split("\n\n")]
    assert len(paragraphs) == len(set(paragraphs))
    assert not [text for text in paragraphs if "\n" in text or ">>>" in text or not text[0].isupper()]


@pytest.mark.slow
def test_it_prepares_and_bad_files_are_rejected(source: Path, prepare_text: Any, text_registry: Any) -> None:
    corpus = prepare_text(source)
    counts = corpus.manifest["counts"]
    assert counts["items_rejected"] == {"unreadable": 2}
    assert counts["rejected"] == {"duplicate": 1, "empty": 1}
    assert corpus.manifest["held_out"] == "items"
    rejected = {row["item"] for row in corpus.verdicts() if row["verdict"] == "rejected"}
    assert rejected == {f"unsorted/{name}.txt" for name in ("binary", "copy", "empty", "latin-1")}


def test_requests_are_prompts_at_three_temperatures() -> None:
    requests = TextDemo().requests()
    assert len(requests) == 9
    prompts = {request.prompt for request in requests}
    assert len(prompts) == 3
    assert all(prompt == (prompt or "").rstrip() for prompt in prompts)
    for prompt in prompts:
        assert [r.sampling["temperature"] for r in requests if r.prompt == prompt] == [0.2, 0.6, 1.0]


def test_a_python_without_sources_gets_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library.sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path)})
    with pytest.raises(weft.SourceError, match="standard library as source files"):
        list(library.library_documents())
