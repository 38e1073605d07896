"""One item at a time."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from weft.interfaces.samples import Item
from weft.preparation.examine import DETAIL_LENGTH, Examined, Examiner, Judges, describe_error, normal_prompt

Examine = Callable[..., Examined]


@pytest.fixture
def examine(registry: Any) -> Examine:
    """Takes the contents of one file of rhymes (``prompt|rhyme`` a line) through the examiner."""

    def run(text: str, **changes: Any) -> Examined:
        preparer = registry.preparer_class("rhyme")(registry.options_class("rhyme")())
        for name, value in changes.items():
            setattr(preparer, name, value)
        judges = Judges("rhyme", preparer, preparer.filters(), registry.payload_format("rhyme"))
        return Examiner(judges).examine([Item("a.rhyme", lambda: io.BytesIO(text.encode()), len(text))])

    return run


def test_an_item_and_its_samples(examine: Examine) -> None:
    examined = examine("one|yes\n|no")
    assert [(row.sample, row.verdict) for row in examined.verdicts] == [(None, "read"), (0, "kept"), (1, "kept")]
    assert [(kept.index, kept.prompt, kept.text_bytes) for kept in examined.kept] == [(0, "one", 3), (1, None, 2)]
    assert examined.payloads == [b"yes", b"no"]


def test_a_payload_that_cannot_be_stored(examine: Examine) -> None:
    examined = examine("a|1\nb|2", clean=lambda sample: type(sample)("\ud800", sample.prompt))
    assert examined.payloads == []
    assert [row.reason for row in examined.verdicts] == [None, "unreadable", "unreadable"]
    assert examined.verdicts[-1].stage == "store"


def test_a_reader_that_gives_nothing_at_all(examine: Examine) -> None:
    (row,) = examine("a|1", read=lambda item: None).verdicts
    assert (row.sample, row.verdict, row.reason) == (None, "rejected", "unreadable")


def test_prompts_are_in_the_form_that_generation_uses() -> None:
    assert normal_prompt("  a\u0301 \n cat ", "image") == "\u00e1 cat"
    assert normal_prompt("if x:\r\n    y", "text") == "if x:\n    y"
    assert normal_prompt("\ud800", "image") == "?"


def test_messages_of_decoders_are_one_short_line() -> None:
    assert describe_error(ValueError("a\n  b")) == "ValueError: a b"
    assert describe_error(KeyError()) == "KeyError"
    assert len(describe_error(ValueError("x" * 10_000))) <= DETAIL_LENGTH + len("ValueError: ")
