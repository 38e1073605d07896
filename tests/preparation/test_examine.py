"""One item at a time."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from weft.interfaces.samples import Item
from weft.preparation.examine import DETAIL_LENGTH, Examiner, describe_error, normal_prompt
from weft.preparation.ledger import Ledger
from weft.storage.payloads import PayloadStore, PayloadWriter

Examine = Callable[..., tuple[Ledger, Examiner, list[bytes]]]


@pytest.fixture
def examine(tmp_path: Path, registry: Any) -> Examine:
    """Takes the contents of one file of rhymes (``prompt|rhyme`` a line) through the examiner."""

    def run(text: str, modality: str, **changes: Any) -> tuple[Ledger, Examiner, list[bytes]]:
        preparer = registry.preparer_class("rhyme")(registry.options_class("rhyme")())
        for name, value in changes.items():
            setattr(preparer, name, value)
        path, ledger = tmp_path / "payloads", Ledger()
        with PayloadWriter(path) as writer:
            examiner = Examiner(
                modality, preparer, preparer.filters(), registry.payload_format("rhyme"), ledger, writer
            )
            examiner.examine(Item("a.rhyme", lambda: io.BytesIO(text.encode()), len(text)))
        return ledger, examiner, list(PayloadStore(sorted(path.iterdir())))

    return run


def test_a_question_and_its_answer_are_one_thing_in_text(examine: Examine) -> None:
    text = "is it?|yes\nwas it?|yes\nis it?|yes\n|yes\n|yes"
    ledger, examiner, stored = examine(text, "text")
    assert [(kept.prompt, kept.index) for kept in examiner.kept] == [("is it?", 0), ("was it?", 1), (None, 3)]
    assert stored == [b"yes"] * 3
    assert ledger.counts()["rejected"] == {"duplicate": 2}
    assert examiner.text_bytes == 9
    assert [row.duplicate_of for row in ledger.rows if row.reason == "duplicate"] == ["a.rhyme#0", "a.rhyme#3"]


def test_elsewhere_the_prompt_makes_no_difference(examine: Examine) -> None:
    ledger, examiner, stored = examine("one|yes\ntwo|yes", "rhyme")
    assert len(examiner.kept) == len(stored) == 1
    assert ledger.counts()["rejected"] == {"duplicate": 1}


def test_a_payload_that_cannot_be_stored(examine: Examine) -> None:
    ledger, _, stored = examine("a|1\nb|2", "rhyme", clean=lambda sample: type(sample)("\ud800", sample.prompt))
    assert stored == []
    assert ledger.counts()["rejected"] == {"unreadable": 2}
    assert ledger.rows[-1].stage == "store"


def test_a_reader_that_gives_nothing_at_all(examine: Examine) -> None:
    ledger, _, _ = examine("a|1", "rhyme", read=lambda item: None)
    assert ledger.counts()["items_rejected"] == {"unreadable": 1}


def test_prompts_are_in_the_form_that_generation_uses() -> None:
    assert normal_prompt("  a\u0301 \n cat ", "image") == "\u00e1 cat"
    assert normal_prompt("if x:\r\n    y", "text") == "if x:\n    y"
    assert normal_prompt("\ud800", "image") == "?"


def test_messages_of_decoders_are_one_short_line() -> None:
    assert describe_error(ValueError("a\n  b")) == "ValueError: a b"
    assert describe_error(KeyError()) == "KeyError"
    assert len(describe_error(ValueError("x" * 10_000))) <= DETAIL_LENGTH + len("ValueError: ")
